// Raw picture → compressed picture: time, CPU and quality of each encoder that works here, presets compared at one bit rate.
// It takes about 4 minutes, with --quick 1.
import { join } from 'node:path';

import { AV_LOG_ERROR } from 'node-av/constants';
import { Log } from 'node-av/lib';

import { quantile, round } from './rig.mjs';
import { renderContent } from './encode-content.mjs';
import { decodedLuma, frameOf, ssim } from './encode-quality.mjs';
import { comparison, encoderRule, settingName } from './encode-rule.mjs';

// SVT-AV1 writes its settings to the terminal otherwise.
process.env.SVT_LOG ??= '0';

const dist = join(import.meta.dirname, '..', '..', 'dist');
const SIZES = [
  { width: 1280, height: 720 },
  { width: 1920, height: 1080 },
];
const FRAME_RATE = 30;
/** The first pictures pay for the keyframe. */
const WARM_UP = 10;
const COMPARE_EVERY = 6;
/** What is compared besides the settings of the product. */
const VARIANTS = {
  libx264: [{ preset: 'ultrafast' }, { preset: 'superfast' }, { preset: 'veryfast' }],
  libvpx: [{ 'cpu-used': -8 }, { 'cpu-used': -5 }],
  'libvpx-vp9': [{ 'cpu-used': 5 }, { 'cpu-used': 7 }, { 'cpu-used': 7, 'tune-content': 'screen' }],
  libsvtav1: [
    { preset: 10 },
    { preset: 9 },
    { 'svtav1-params': 'pred-struct=1:rtc=1:lookahead=0:scm=2:lp=1' },
  ],
};

/** @param options.quick - 720p alone, and nothing but the settings of the product. */
export async function encode({ quick = false } = {}) {
  const { EncoderProbe } = await import(join(dist, 'render', 'encode', 'encoder-probe.js'));
  const { LIBAV_ENCODERS } = await import(join(dist, 'render', 'encode', 'libav-video-encoder.js'));
  const { defaultBitrateBps } = await import(join(dist, 'session', 'default-bitrate.js'));
  const candidates = Object.entries(LIBAV_ENCODERS).map(([name, { codec }]) => ({ name, codec }));
  const probe = new EncoderProbe({ candidates, timeoutMs: 10_000, measureMs: 0, keepsAlive: true });
  const working = (await probe.reports).filter(({ works }) => works).map(({ name }) => name);
  Log.setLevel(AV_LOG_ERROR);
  const measurements = [];
  for (const size of quick ? SIZES.slice(0, 1) : SIZES) {
    for (const { content, pictures } of await renderContent(size)) {
      const bitrateBps = defaultBitrateBps(size.width * size.height * FRAME_RATE);
      for (const name of working) {
        const { options } = LIBAV_ENCODERS[name];
        const own = { ...options };
        for (const variant of quick ? [{}] : (VARIANTS[name] ?? [{}])) {
          Object.assign(options, variant);
          const setting = Object.values(variant).join(' ') || 'own';
          measurements.push({
            encoder: name,
            setting,
            own: Object.entries(variant).every(([key, value]) => own[key] === value),
            ...{ size: `${size.height}p`, content, targetKbps: bitrateBps / 1000 },
            ...(await measure({ name, size, pictures, bitrateBps })),
          });
          // What a variant has added must not stay for the next content.
          for (const key of Object.keys(options)) delete options[key];
          Object.assign(options, own);
        }
      }
    }
  }
  const { rows: winners, terms, rule } = encoderRule(measurements);
  return [
    {
      title: 'Encoding',
      note:
        'Raw picture in → compressed picture out, one at a time. * what the product uses. Target on one core, p50: at most 4 ms at ' +
        '720p and 8 ms at 1080p.',
      rows: measurements.map((one) => ({
        encoder: settingName(one),
        size: one.size,
        content: one.content,
        threads: one.threads,
        'p50 ms': one.p50Ms,
        'p95 ms': one.p95Ms,
      })),
    },
    {
      name: 'encoders-compared',
      title: 'Encoders compared at one target bit rate',
      note:
        'CPU time of all threads per picture, SSIM of luma against the source and bit rate, by content. * what the product uses. ' +
        '! more than a tenth above its target.',
      rows: comparison(measurements),
    },
    {
      name: 'encoder-rule',
      title: 'Which encoder should be the default',
      note: `${terms} ${rule}`,
      rows: winners,
    },
  ];
}

async function measure({ name, size, pictures, bitrateBps }) {
  const { openVideoEncoder } = await import(join(dist, 'render', 'encode', 'encoder-candidate.js'));
  const { LIBAV_ENCODERS, encoderThreads } = await import(
    join(dist, 'render', 'encode', 'libav-video-encoder.js')
  );
  const { codec } = LIBAV_ENCODERS[name];
  const format = { ...size, frameRate: FRAME_RATE };
  const compressed = [];
  const encoder = openVideoEncoder(
    { name },
    { codec, ...format, bitrateBps, matrix: 'bt601' },
    { onCompressed: ({ bytes }) => compressed.push(bytes), onDropped: () => compressed.push(undefined) },
  );
  const frame = frameOf(size);
  const times = [];
  let cpuMs = 0;
  for (const [index, picture] of pictures.entries()) {
    frame.load(picture);
    const captureTimeUs = Math.round(((index + 1) * 1_000_000) / FRAME_RATE);
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    encoder.encode(frame.picture, { captureTimeUs, readTimeUs: captureTimeUs }, index === 0);
    if (index < WARM_UP) continue;
    times.push(performance.now() - startMs);
    const { user, system } = process.cpuUsage(cpu);
    cpuMs += (user + system) / 1000;
  }
  encoder.close();
  frame.free();
  const after = compressed.slice(WARM_UP).reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0);
  const decoded = decodedLuma(codec, compressed, size);
  const similarity = [...pictures.keys()]
    .filter((index) => index >= WARM_UP && index % COMPARE_EVERY === 0 && decoded[index])
    .map((index) => ssim(pictures[index], decoded[index], size));
  return {
    threads: encoderThreads(format, LIBAV_ENCODERS[name]),
    p50Ms: round(quantile(times, 0.5)),
    p95Ms: round(quantile(times, 0.95)),
    cpuMs: round(cpuMs / times.length),
    kbps: round((after * 8 * FRAME_RATE) / times.length / 1000, 0),
    ssim: round(similarity.reduce((sum, value) => sum + value, 0) / similarity.length, 4),
  };
}
