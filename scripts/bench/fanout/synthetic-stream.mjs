// An encoder's output without an encoder: pictures and sound of the sizes and at the times of a real one.
import { rtpTimestampOf } from '../../../dist/base/rtp-clock.js';
import { H264Payloader } from '../../../dist/render/packetize/h264-payloader.js';
import { OpusPayloader } from '../../../dist/render/packetize/opus-payloader.js';

const PICTURES = 64;
const KEYFRAME_WEIGHT = 6;
const SIZE_SPREAD = 0.4;
const OPUS_BYTES = 160;
const OPUS_INTERVAL_MS = 20;
const SPS = [0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0xd0, 0x0f, 0x08, 0x84, 0x6a];
const PPS = [0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80];
const START_CODE = [0, 0, 0, 1];
const NAL_IDR = 0x65;
const NAL_PICTURE = 0x41;

/** Every picture is filled with one byte, so that a receiver can tell when parts of two were mixed up. */
function accessUnit(keyframe, bytes, fill) {
  const head = [...(keyframe ? [...SPS, ...PPS] : []), ...START_CODE, keyframe ? NAL_IDR : NAL_PICTURE];
  const unit = Buffer.alloc(Math.max(bytes, head.length + 1), 1 + (fill % 250));
  unit.set(head);
  return unit;
}

/** Sizes that repeat from run to run. */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export const nowUs = () => Number(process.hrtime.bigint() / 1000n);

/** Calls `tick` with its number at a steady rate, whatever single timers do; after a stall it goes on from the present. */
function steadily(intervalMs, tick) {
  let next = performance.now();
  let count = 0;
  let timer;
  const run = () => {
    tick(count++);
    next = Math.max(next + intervalMs, performance.now() - 5 * intervalMs);
    timer = setTimeout(run, Math.max(0, next - performance.now()));
  };
  run();
  return () => clearTimeout(timer);
}

export class SyntheticStream {
  #videoPayloader = new H264Payloader();
  #audioPayloader = new OpusPayloader();
  #pictures;
  #keyframe;
  #keyframeInterval;
  #keyframeDue = true;
  #stops = [];
  keyframes = 0;

  /** @param sinks - video(payloads), audio(payloads). A keyframe comes at its interval, and when it is asked for. */
  constructor({ frameRate, bitrateBps, keyframeIntervalS = 10 }, sinks) {
    const random = seeded(4);
    const meanBytes = bitrateBps / 8 / frameRate;
    this.#pictures = Array.from({ length: PICTURES }, (_, i) =>
      accessUnit(false, Math.round(meanBytes * (1 + SIZE_SPREAD * (2 * random() - 1))), i),
    );
    this.#keyframe = accessUnit(true, Math.round(meanBytes * KEYFRAME_WEIGHT), PICTURES);
    this.#keyframeInterval = Math.round(keyframeIntervalS * frameRate);
    this.#stops.push(steadily(1000 / frameRate, (index) => sinks.video(this.#picture(index))));
    const sound = Buffer.alloc(OPUS_BYTES, 0xfc);
    this.#stops.push(
      steadily(OPUS_INTERVAL_MS, () => {
        const captureTimeUs = nowUs();
        const rtpTimestamp = rtpTimestampOf(captureTimeUs, 48_000);
        sinks.audio(
          this.#audioPayloader.payload({ codec: 'opus', bytes: sound, rtpTimestamp, captureTimeUs }),
        );
      }),
    );
  }

  requestKeyframe() {
    this.#keyframeDue = true;
  }

  stop() {
    for (const stop of this.#stops) stop();
  }

  #picture(index) {
    const keyframe = this.#keyframeDue || index % this.#keyframeInterval === 0;
    this.#keyframeDue = false;
    this.keyframes += Number(keyframe);
    const captureTimeUs = nowUs();
    return this.#videoPayloader.payload({
      codec: 'h264',
      bytes: keyframe ? this.#keyframe : this.#pictures[index % PICTURES],
      keyframe,
      rtpTimestamp: rtpTimestampOf(captureTimeUs, 90_000),
      captureTimeUs,
      readTimeUs: captureTimeUs,
      encodedTimeUs: captureTimeUs,
      repeated: false,
      rung: 0,
    });
  }
}
