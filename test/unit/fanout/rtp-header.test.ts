import { expect, it } from 'vitest';

import { RtpHeaderTemplate } from '../../../src/fanout/rtp-header.js';

const FIELDS = {
  ...{ ssrc: 0, payloadType: 0, marker: false, sequenceNumber: 0, rtpTimestamp: 0 },
  transportSequenceNumber: 0,
  captureTime: { seconds: 0, fraction: 0 },
};
const hex = (header: Buffer): string => header.toString('hex');

// The same vectors as in native/test/rtp_test.cc.
it('names the layer of a simulcast, and in a retransmission the layer that it repairs', () => {
  const header = new RtpHeaderTemplate('1', { mid: 1, transportWideCc: 2, rid: 5, repairedRid: 6 }, 0, 'h');
  expect(hex(header.write(FIELDS))).toBe('900000000000000000000000bede00021031506821000000');
  expect(hex(header.write({ ...FIELDS, isRepair: true }))).toBe(
    '900000000000000000000000bede00021031606821000000',
  );
});

it('names no layer where the extension was not accepted, or there are no layers', () => {
  const alone = '900000000000000000000000bede000110310000';
  for (const header of [
    new RtpHeaderTemplate('1', { mid: 1, repairedRid: 6 }, 0, 'h'),
    new RtpHeaderTemplate('1', { mid: 1, rid: 5, repairedRid: 6 }),
  ]) {
    expect(hex(header.write({ ...FIELDS, isRepair: true }))).toBe(alone);
  }
});
