import { expect, it } from 'vitest';

import { DtxGate } from '../../../../src/render/encode/dtx-gate.js';
import { OpusEncoder } from '../../../../src/render/encode/opus-encoder.js';

const SAMPLE_RATE_HZ = 48_000;
const CHUNK_SAMPLES = 480;

/** The packets of two seconds of a tone, or of silence. */
function encode(encoder: OpusEncoder, amplitude: number): Uint8Array[] {
  return Array.from({ length: 200 }, (_, chunk) => {
    const samples = new Float32Array(2 * CHUNK_SAMPLES).map((_sample, index) => {
      const at = chunk * CHUNK_SAMPLES + (index % CHUNK_SAMPLES);
      return amplitude * Math.sin((2 * Math.PI * 440 * at) / SAMPLE_RATE_HZ);
    });
    return encoder.encode({
      samples: Buffer.from(samples.buffer),
      samplesPerChannel: CHUNK_SAMPLES,
      channels: 2,
      sampleRateHz: SAMPLE_RATE_HZ,
      timestampUs: 0,
      arrivalUs: 0,
    });
  }).flat();
}

it('three packets of a loud tone fit into one datagram, for viewers that lose many', () => {
  const encoder = new OpusEncoder();
  // The first packets of a sound may be larger.
  const sizes = encode(encoder, 0.9)
    .slice(10)
    .map(({ length }) => length);
  // A datagram of 1200 bytes, less its headers and the tag of SRTP.
  for (const [index, size] of sizes.slice(2).entries())
    expect(size + (sizes[index] ?? 0) + (sizes[index + 1] ?? 0)).toBeLessThan(1100);
  expect(sizes.length).toBeGreaterThan(80);
  encoder.close();
});

it('encodes by CELT alone: in-band FEC would take some of the sound for speech', () => {
  const encoder = new OpusEncoder();
  // RFC 6716 section 3.1: from 16 on the configuration is of CELT.
  expect(new Set(encode(encoder, 0.3).map(([first = 0]) => first >> 3 >= 16))).toEqual(new Set([true]));
  encoder.close();
});

it.each([
  [true, 2, 12],
  [false, 100, 100],
])('of silence there is little to send with DTX %j, and of sound all', (dtx, least, most) => {
  const encoder = new OpusEncoder({ dtx });
  const gate = new DtxGate();
  const sent = (amplitude: number): number =>
    encode(encoder, amplitude).filter((packet) => gate.passes(packet)).length;
  expect(sent(0.3)).toBe(100);
  // It takes silence for such after some packets.
  encode(encoder, 0);
  const ofSilence = sent(0);
  expect(ofSilence).toBeGreaterThanOrEqual(least);
  expect(ofSilence).toBeLessThanOrEqual(most);
  expect(sent(0.3)).toBeGreaterThanOrEqual(95);
  encoder.close();
});
