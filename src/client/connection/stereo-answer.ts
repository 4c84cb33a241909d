/**
 * Adds `stereo=1` to the Opus parameters of an answer where the offer says that the sender has stereo.
 * Chromium's own answer leaves it out and then decodes to mono (RFC 7587, section 7.1).
 */
export function preferStereo(answerSdp: string, offerSdp: string): string {
  if (!/^a=fmtp:\d+ .*\b(sprop-)?stereo=1\b/m.test(offerSdp)) return answerSdp;
  const payloadType = /^a=rtpmap:(\d+) opus\/48000\/2/im.exec(answerSdp)?.[1];
  if (payloadType === undefined) return answerSdp;
  const parameters = new RegExp(`^(a=fmtp:${payloadType} )([^\\r\\n]*)`, 'm');
  const existing = parameters.exec(answerSdp);
  if (existing === null) {
    return answerSdp.replace(
      new RegExp(`^(a=rtpmap:${payloadType} [^\\r\\n]*)`, 'm'),
      `$1\r\na=fmtp:${payloadType} stereo=1`,
    );
  }
  if (/\bstereo=1\b/.test(existing[2]?.replace(/sprop-stereo=1/g, '') ?? '')) return answerSdp;
  return answerSdp.replace(parameters, '$1$2;stereo=1');
}
