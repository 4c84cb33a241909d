/**
 * Two packets in a row that are lost come with the third, 60 ms after the one before them: sound that is held back for so long
 * and a little more has no gap. Pictures are held back at the same time, by what the server says.
 */
const HELD_MS = 80;
const CHECK_MS = 2000;
/** From here on the server repeats each packet twice. */
const MUCH_LOSS = 0.03;
/** Without such losses for this long, sound is no longer held back. */
const HOLD_MS = 15_000;

/** Holds sound back while many of its packets are lost, until its track ends. */
export function holdLossySound(receiver: RTCRtpReceiver): void {
  let before = { received: 0, lost: 0 };
  let heldUntilMs = 0;
  let held = false;
  const timer = setInterval(() => {
    if (receiver.track.readyState === 'ended') clearInterval(timer);
    else void receiver.getStats().then(check, () => undefined);
  }, CHECK_MS);

  function check(report: RTCStatsReport): void {
    const now = totals(report);
    const lost = now.lost - before.lost;
    const expected = now.received - before.received + lost;
    before = now;
    if (lost > 1 && lost >= MUCH_LOSS * expected) heldUntilMs = performance.now() + HOLD_MS;
    if (performance.now() < heldUntilMs === held) return;
    held = !held;
    const ms = held ? HELD_MS : 0;
    // The newer name, and the older one, in seconds; a browser ignores what it does not know.
    Object.assign(receiver, { jitterBufferTarget: ms, playoutDelayHint: ms / 1000 });
  }
}

function totals(report: RTCStatsReport): { received: number; lost: number } {
  const sum = { received: 0, lost: 0 };
  report.forEach(({ type, packetsReceived = 0, packetsLost = 0 }: RTCInboundRtpStreamStats) => {
    if (type !== 'inbound-rtp') return;
    sum.received += packetsReceived;
    sum.lost += packetsLost;
  });
  return sum;
}
