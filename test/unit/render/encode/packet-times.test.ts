import { expect, it } from 'vitest';

import { AudioTimeline } from '../../../../src/render/encode/audio-timeline.js';
import { PacketTimes } from '../../../../src/render/encode/packet-times.js';
import { seededRandom } from '../../../helpers/seeded-random.js';

const CHUNK_US = 10_000;
const CHUNKS_PER_PACKET = 2;
const HALF_AN_HOUR_US = 1800 * 1_000_000;
/** A chunk takes so long from the page to here, and now and then longer. */
const LATENCY_US = 1500;

/** What becomes of the sound of a page whose clock is `ppm` fast. */
function listen(ppm: number): { worstUs: number; breaks: number } {
  const random = seededRandom(ppm);
  const timeline = new AudioTimeline(0);
  const times = new PacketTimes(CHUNKS_PER_PACKET * CHUNK_US);
  let [worstUs, breaks, waiting] = [0, 0, 0];
  for (let index = 0; index * CHUNK_US < HALF_AN_HOUR_US; index++) {
    const timestampUs = index * CHUNK_US;
    // A chunk of so many samples is over sooner where the clock is fast.
    const playedAtUs = timestampUs / (1 + ppm / 1e6);
    const onWayUs = LATENCY_US + (random() < 0.1 ? random() * 30_000 : random() * 2000);
    const arrivalUs = playedAtUs + CHUNK_US / (1 + ppm / 1e6) + onWayUs;
    const expectedUs = timeline.captureTimeUs(timestampUs, CHUNK_US, arrivalUs) - waiting * CHUNK_US;
    if (!times.follows(expectedUs)) {
      breaks++;
      waiting = 0;
    }
    waiting++;
    if (waiting < CHUNKS_PER_PACKET) continue;
    waiting = 0;
    const beganUs = playedAtUs - (CHUNKS_PER_PACKET - 1) * CHUNK_US;
    worstUs = Math.max(worstUs, Math.abs(times.next(expectedUs) - beganUs));
  }
  return { worstUs, breaks };
}

it.each([200, -200])('sound of a clock that is %d ppm off stays in step, however long it goes on', (ppm) => {
  const { worstUs, breaks } = listen(ppm);
  // By itself it would be 360 ms off in the end. People notice from 45 ms early or 125 ms late on (ITU-R BT.1359-1).
  expect(worstUs).toBeLessThan(45_000);
  expect(breaks).toBeLessThanOrEqual(Math.ceil((Math.abs(ppm) * HALF_AN_HOUR_US) / 1e6 / 20_000));
});
