/** Asks for the smallest jitter buffer: the stream is watched live, and often played with. */
export function minimizeDelay(receiver: RTCRtpReceiver | undefined): void {
  // The newer name and the older one; a browser ignores what it does not know.
  if (receiver) Object.assign(receiver, { jitterBufferTarget: 0, playoutDelayHint: 0 });
}
