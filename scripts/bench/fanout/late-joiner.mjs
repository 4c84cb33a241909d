// From a newcomer's answer to its first complete keyframe, while others watch; with and without replay of the GOP.
import { quantile, round, sleep } from '../rig.mjs';
import { LoadGenerator } from './load-generator.mjs';
import { STREAMS } from './measure.mjs';
import { join1, joinUpTo, startFanoutServer } from './server-process.mjs';

const WATCHING = 10;
const SWEEP_US = 500;
const KEYFRAME_INTERVAL_S = 2;
/** Requests within this time share one keyframe. */
const REQUESTS_APART_MS = 1_000;
const LONGEST_WAIT_MS = 3_000;

async function firstKeyframe(generator, viewer) {
  const until = performance.now() + LONGEST_WAIT_MS;
  while (performance.now() < until) {
    const { firstKeyframeUs } = generator.times(viewer);
    if (firstKeyframeUs !== 0) return firstKeyframeUs;
    await sleep(20);
  }
  throw new Error('A newcomer got no keyframe.');
}

async function measure(gopReplay, joiners) {
  const generator = new LoadGenerator();
  const stream = { ...STREAMS['720p30 4 Mbit/s'], keyframeIntervalS: KEYFRAME_INTERVAL_S };
  const server = await startFanoutServer({ mediaPlane: 'native', gopReplay, bitrateBps: stream.bitrateBps });
  const fromAnswer = [];
  const fromConnection = [];
  try {
    await server.call('play', stream);
    await joinUpTo(server, generator, WATCHING);
    await sleep(1.5 * REQUESTS_APART_MS);
    const before = await server.call('counters');
    for (let i = 0; i < joiners; i++) {
      const name = server.newName();
      generator.setSweepInterval(SWEEP_US);
      const { viewer, answerUs, connectedUs } = await join1(server, generator, name);
      generator.setSweepInterval(SWEEP_US);
      const firstKeyframeUs = await firstKeyframe(generator, viewer);
      fromAnswer.push((firstKeyframeUs - answerUs) / 1000);
      fromConnection.push((firstKeyframeUs - connectedUs) / 1000);
      generator.remove(viewer);
      await server.call('leave', { viewer: name });
      // The next one has a keyframe of its own, and comes in step neither with the frames nor with the keyframes.
      await sleep(REQUESTS_APART_MS + ((i * 37) % 311));
    }
    const after = await server.call('counters');
    const seconds = (after.nowUs - before.nowUs) / 1e6;
    return {
      'GOP replay': gopReplay ? 'on' : 'off',
      newcomers: joiners,
      'answer → keyframe p50/p95 ms': `${round(quantile(fromAnswer, 0.5))} / ${round(quantile(fromAnswer, 0.95))}`,
      'connected → keyframe p50/p95 ms': `${round(quantile(fromConnection, 0.5))} / ${round(quantile(fromConnection, 0.95))}`,
      'keyframes for everybody':
        after.keyframes - before.keyframes - Math.floor(seconds / KEYFRAME_INTERVAL_S),
    };
  } finally {
    await server.close();
    generator.close();
  }
}

export async function lateJoiner({ quick }) {
  const joiners = quick ? 5 : 20;
  return {
    name: 'fanout-late-joiner',
    title: 'Late joiners',
    note:
      `Answer received by the server → first complete keyframe read by the newcomer (ICE and DTLS in between), while ` +
      `${WATCHING} others watch 720p30 at 4 Mbit/s with a keyframe every ${KEYFRAME_INTERVAL_S} s. Target: p50 at most 100 ms.`,
    rows: [await measure(false, joiners), await measure(true, joiners)],
  };
}
