// failover.mjs NAME [DEVICE]: the encoder breaks after 30 pictures, and the one in software goes on: nothing may be missing,
// and everything must be decoded by one decoder. Prints what happened; exit status 1 if it was wrong.
import { join } from 'node:path';

import { AV_LOG_ERROR } from 'node-av/constants';
import { Log } from 'node-av/lib';

import { decodedLuma, frameOf } from '../bench/encode-quality.mjs';

const root = join(import.meta.dirname, '..', '..', 'dist');
const dist = (path) => import(join(root, 'render', 'encode', path));
const { FailoverVideoEncoder } = await dist('failover-video-encoder.js');
const { openVideoEncoder } = await dist('encoder-candidate.js');
const { ENCODER_ORDER } = await import(join(root, 'options', 'encoder-names.js'));
const { LIBAV_ENCODERS } = await dist('libav-video-encoder.js');

const SIZE = { width: 1280, height: 720 };
const FRAME_RATE = 30;
const BEFORE = 30;
const AFTER = 30;

Log.setLevel(AV_LOG_ERROR);
const [name = '', device] = process.argv.slice(2);
const codec = LIBAV_ENCODERS[name]?.codec;
if (codec === undefined) {
  console.error(`Expected one of ${Object.keys(LIBAV_ENCODERS).join(', ')} but received ${name}`);
  process.exit(1);
}
const software = ENCODER_ORDER[codec].at(-1);

/** The first encoder, until its driver is reset. */
let isBroken = false;
const open = (candidate, parameters, listener) => {
  const encoder = openVideoEncoder(candidate, parameters, listener);
  if (candidate.breaks !== true) return encoder;
  const encodeOne = encoder.encode.bind(encoder);
  encoder.encode = (...given) => {
    if (isBroken) throw new Error('the driver was reset');
    encodeOne(...given);
  };
  return encoder;
};

const pictures = [];
const replacements = [];
let dropped = 0;
const encoder = new FailoverVideoEncoder(
  [
    { name, device, breaks: true },
    { name: software, device: undefined },
  ],
  open,
  { codec, ...SIZE, frameRate: FRAME_RATE, bitrateBps: 4_000_000, matrix: 'bt601' },
  {
    onCompressed: (picture) => pictures.push(picture),
    onDropped: () => dropped++,
    onFailed: (error) => console.error(error.message),
    onReplaced: (replacement) => replacements.push(replacement),
  },
);
const frame = frameOf(SIZE);
const bytes = new Uint8Array((SIZE.width * SIZE.height * 3) / 2);
const times = [];
for (let index = 0; index < BEFORE + AFTER; index++) {
  isBroken = index >= BEFORE;
  // Something that moves.
  for (let at = 0; at < bytes.length; at += 64) bytes.fill((at / 64 + index * 3) % 256, at, at + 64);
  frame.load(bytes);
  const captureTimeUs = Math.round(((index + 1) * 1_000_000) / FRAME_RATE);
  const startMs = performance.now();
  encoder.encode(frame.picture, { captureTimeUs, readTimeUs: captureTimeUs }, index === 0);
  times.push(performance.now() - startMs);
}
encoder.close();
frame.free();
const decoded = decodedLuma(
  codec,
  pictures.map(({ bytes: compressed }) => compressed),
  SIZE,
);
const keyframes = pictures.flatMap(({ keyframe }, index) => (keyframe ? [index] : []));
const missing = BEFORE + AFTER - pictures.length;
const undecoded = decoded.filter((picture) => picture === undefined).length;
const isFine =
  replacements.length === 1 &&
  replacements[0].next === software &&
  missing === 0 &&
  dropped === 0 &&
  undecoded === 0 &&
  keyframes.join() === `0,${BEFORE}`;
console.log(
  [
    `replaced: ${replacements.map(({ failed, next, reason }) => `${failed} by ${next} (${reason})`).join('; ') || 'nothing'}`,
    `pictures: ${pictures.length} of ${BEFORE + AFTER}, ${dropped} dropped, ${undecoded} not decoded`,
    `keyframes: pictures ${keyframes.join(', ')}`,
    `the picture at which it broke took ${times[BEFORE].toFixed(1)} ms`,
  ].join('\n'),
);
process.exitCode = isFine ? 0 : 1;
