import { beforeEach, describe, expect, it } from 'vitest';

import type { ConsumerParameters } from '../../../src/fanout/media-plane.js';
import { MediaTime } from '../../../src/fanout/media-time.js';
import { type PacketSender, WeriftConsumer } from '../../../src/fanout/werift-consumer.js';
import { WeriftProducer } from '../../../src/fanout/werift-producer.js';
import type { RtpPayloads } from '../../../src/render/packetize/rtp-payloads.js';
import { ManualClock } from './manual-clock.js';

interface Sent {
  readonly header: Buffer;
  readonly ssrc: number;
  readonly sequenceNumber: number;
  readonly payload: Buffer;
}

class RecordingSender implements PacketSender {
  congested = false;
  readonly rtp: Sent[] = [];
  readonly rtcp: Buffer[] = [];

  takeTransportSequence(): number {
    return this.rtp.length;
  }

  sendRtp(header: Buffer, ssrc: number, sequenceNumber: number, payload: Buffer): void {
    this.rtp.push({ header, ssrc, sequenceNumber, payload });
  }

  sendRtcp(compound: Buffer): void {
    this.rtcp.push(compound);
  }
}

const PARAMETERS: ConsumerParameters = {
  ssrc: 1,
  payloadType: 96,
  rtxSsrc: 2,
  rtxPayloadType: 97,
  mid: '0',
  cname: 'test',
  headerExtensions: { playoutDelay: 4 },
};

function frameOf(keyframe: boolean, bytes = 10): RtpPayloads {
  return {
    bytes: new Uint8Array(bytes).fill(7),
    offsets: new Uint32Array([0, bytes]),
    keyframe,
    rtpTimestamp: 0,
    captureTimeUs: 0,
  };
}

describe('WeriftConsumer', () => {
  let clock: ManualClock;
  let sender: RecordingSender;
  let keyframesWanted: number;

  beforeEach(() => {
    clock = new ManualClock(1_000_000, 1_700_000_000_000);
    sender = new RecordingSender();
    keyframesWanted = 0;
  });

  function consume(kind: 'video' | 'audio'): { producer: WeriftProducer; consumer: WeriftConsumer } {
    const producer = new WeriftProducer(
      { kind, clockRateHz: kind === 'video' ? 90_000 : 48_000, keyframeIntervalMinMs: 300, historyMs: 1000 },
      {
        onKeyframeWanted: () => {
          keyframesWanted += 1;
        },
      },
      clock,
      () => undefined,
    );
    const consumer = new WeriftConsumer(producer, sender, PARAMETERS, new MediaTime(clock), () => undefined);
    return { producer, consumer };
  }

  it('drops video to the next keyframe while the socket is behind, and asks for one', () => {
    const { producer, consumer } = consume('video');
    producer.send(frameOf(true));
    clock.advance(1000);
    keyframesWanted = 0;
    sender.congested = true;
    producer.send(frameOf(false));
    expect(keyframesWanted).toBe(1);
    sender.congested = false;
    producer.send(frameOf(false));
    expect(sender.rtp).toHaveLength(1);
    producer.send(frameOf(true));
    expect(sender.rtp).toHaveLength(2);
    expect(consumer.stats.framesDropped).toBe(2);
  });

  it('drops audio only while the socket is behind', () => {
    const { producer, consumer } = consume('audio');
    sender.congested = true;
    producer.send(frameOf(true));
    sender.congested = false;
    producer.send(frameOf(true));
    expect(sender.rtp).toHaveLength(1);
    expect(consumer.stats.framesDropped).toBe(1);
    expect(keyframesWanted).toBe(0);
  });

  it('reports with the first frame, then about once a second, and never while nothing is sent', () => {
    const { producer } = consume('video');
    producer.send(frameOf(true));
    expect(sender.rtcp).toHaveLength(1);
    for (let frame = 0; frame < 600; frame += 1) {
      clock.advance(1000 / 60);
      producer.send(frameOf(false));
    }
    expect(sender.rtcp.length).toBeGreaterThanOrEqual(8);
    expect(sender.rtcp.length).toBeLessThanOrEqual(13);
    const reports = sender.rtcp.length;
    clock.advance(60_000);
    expect(sender.rtcp).toHaveLength(reports);
  });

  it('resends a packet again only after the round trip, and not after its time in the history', () => {
    const { producer, consumer } = consume('video');
    producer.send(frameOf(true));
    const nack = { type: 'nack', ssrc: 1, sequenceNumbers: [sender.rtp[0]?.sequenceNumber ?? 0] } as const;
    const resent = (): number => sender.rtp.filter(({ ssrc }) => ssrc === PARAMETERS.rtxSsrc).length;
    consumer.onRtcp(nack);
    clock.advance(9);
    consumer.onRtcp(nack);
    expect(resent()).toBe(1);
    clock.advance(1);
    consumer.onRtcp(nack);
    expect(resent()).toBe(2);
    clock.advance(1000);
    consumer.onRtcp(nack);
    expect(resent()).toBe(2);
    const rtx = sender.rtp.filter(({ ssrc }) => ssrc === PARAMETERS.rtxSsrc);
    expect(rtx[1]?.sequenceNumber).toBe((rtx[0]?.sequenceNumber ?? 0) + 1);
  });

  it('asks for a keyframe where a packet is wanted again that is gone, unless one has come since', () => {
    const { producer, consumer } = consume('video');
    producer.send(frameOf(true));
    producer.send(frameOf(false));
    clock.advance(1001);
    producer.send(frameOf(false));
    keyframesWanted = 0;
    const [keyframe = 0, lost = 0, kept = 0] = sender.rtp.map(({ sequenceNumber }) => sequenceNumber);
    const nack = (sequenceNumber: number): void => {
      consumer.onRtcp({ type: 'nack', ssrc: 1, sequenceNumbers: [sequenceNumber] });
    };
    for (const there of [kept, keyframe - 1, kept + 1]) nack(there);
    expect(keyframesWanted).toBe(0);
    nack(lost);
    expect(keyframesWanted).toBe(1);
    producer.send(frameOf(true));
    clock.advance(1000);
    nack(lost);
    clock.advance(1000);
    expect(keyframesWanted).toBe(1);
  });

  it('takes a repeated FIR for one request', () => {
    const { producer, consumer } = consume('video');
    producer.send(frameOf(true));
    clock.advance(1000);
    keyframesWanted = 0;
    consumer.onRtcp({ type: 'fir', ssrc: 1, commandSequence: 4 });
    clock.advance(1000);
    consumer.onRtcp({ type: 'fir', ssrc: 1, commandSequence: 4 });
    expect(keyframesWanted).toBe(1);
    consumer.onRtcp({ type: 'fir', ssrc: 1, commandSequence: 5 });
    expect(keyframesWanted).toBe(2);
    expect(consumer.stats.firsReceived).toBe(3);
  });

  it('tells a viewer that loses packets to hold its pictures back', () => {
    const { producer, consumer } = consume('video');
    // Behind the fixed header, the extension's own and the element's: least and greatest delay.
    const delay = (): string => {
      producer.send(frameOf(true));
      return sender.rtp.at(-1)?.header.toString('hex', 17, 20) ?? '';
    };
    expect(delay()).toBe('000000');
    const report = (highestSequence: number, packetsLost: number): void => {
      const block = {
        ssrc: 1,
        fractionLost: 0,
        jitter: 0,
        lastSenderReport: 0,
        delaySinceLastSenderReport: 0,
      };
      consumer.onRtcp({ type: 'report', block: { ...block, highestSequence, packetsLost } });
    };
    report(0, 0);
    report(200, 20);
    expect(delay()).toBe('002002');
  });

  it('is gone from its producer after close, with one BYE', () => {
    const { producer, consumer } = consume('video');
    consumer.close();
    consumer.close();
    expect(producer.consumerCount).toBe(0);
    expect(sender.rtcp).toHaveLength(1);
    producer.send(frameOf(true));
    expect(sender.rtp).toHaveLength(0);
  });
});
