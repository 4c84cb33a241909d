import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { AnnexBScanner } from '../../src/render/packetize/annex-b.js';
import { H265Payloader } from '../../src/render/packetize/h265-payloader.js';
import { encodedPictures } from '../helpers/encoded-pictures.js';
import { root } from '../helpers/product.js';

const PYTHON = '/usr/bin/python3';
const GSTREAMER =
  "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None)";
const DEPAYLOADER = `${GSTREAMER}; assert Gst.ElementFactory.find('rtph265depay')`;
const hasGStreamer = spawnSync(PYTHON, ['-c', DEPAYLOADER], { stdio: 'ignore' }).status === 0;
const ACCESS_UNIT_DELIMITER = 35;

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'h265-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** The NAL units of Annex B in hexadecimal. */
function nalsOf(bytes: Buffer): string[] {
  const nals = new AnnexBScanner();
  const count = nals.scan(bytes);
  return Array.from({ length: count }, (_, at) => bytes.toString('hex', nals.starts[at], nals.ends[at]));
}

/** RTP packets, each behind its length (RFC 4571). */
function framedPackets(pictures: readonly { bytes: Uint8Array; keyframe: boolean }[]): Buffer {
  const payloader = new H265Payloader(300);
  let sequenceNumber = 65_530;
  const packets = pictures.flatMap(({ bytes, keyframe }, index) => {
    const { bytes: payloads, offsets } = payloader.payload({
      ...{ codec: 'h265', bytes, keyframe, rtpTimestamp: index * 3000, captureTimeUs: 1, readTimeUs: 1 },
      ...{ encodedTimeUs: 1, repeated: false, rung: 0 },
    });
    return [...offsets.subarray(1)].map((end, piece) => {
      const payload = payloads.subarray(offsets[piece], end);
      const packet = Buffer.alloc(2 + 12 + payload.length);
      packet.writeUInt16BE(12 + payload.length, 0);
      packet.writeUInt8(0x80, 2);
      packet.writeUInt8((piece === offsets.length - 2 ? 0x80 : 0) | 96, 3);
      packet.writeUInt16BE(sequenceNumber++ & 0xffff, 4);
      packet.writeUInt32BE(index * 3000, 6);
      packet.writeUInt32BE(4711, 10);
      packet.set(payload, 14);
      return packet;
    });
  });
  return Buffer.concat(packets);
}

it.skipIf(!hasGStreamer)('GStreamer reads back every NAL unit of payloads of H.265', () => {
  const pictures = encodedPictures('h265', '320x180', 1);
  writeFileSync(join(directory, 'rtp'), framedPackets(pictures));
  execFileSync(PYTHON, [
    join(root, 'test', 'helpers', 'gstreamer-pipeline.py'),
    `filesrc location=${directory}/rtp ! application/x-rtp-stream,media=video,encoding-name=H265,clock-rate=90000,payload=96`,
    '! rtpstreamdepay ! rtph265depay ! video/x-h265,stream-format=byte-stream,alignment=nal',
    `! filesink location=${directory}/annex-b`,
  ]);
  const sent = pictures
    .flatMap(({ bytes }) => nalsOf(Buffer.from(bytes)))
    .filter((nal) => parseInt(nal.slice(0, 2), 16) >> 1 !== ACCESS_UNIT_DELIMITER);
  expect(sent.length).toBeGreaterThan(30);
  expect(nalsOf(readFileSync(join(directory, 'annex-b')))).toEqual(sent);
});
