import { randomInt } from 'node:crypto';

import type { RtpPayloads } from '../render/packetize/rtp-payloads.js';
import { newConsumerStats } from './consumer-stats.js';
import { StreamKitError } from '../base/errors.js';
import type { Consumer, ConsumerParameters, ConsumerStats, Producer } from './media-plane.js';
import { rtpTimestampOf } from '../base/rtp-clock.js';
import { type MediaTime, roundTripMs } from './media-time.js';
import { PlayoutDelay } from './playout-delay.js';
import { buildBye, buildSenderReport } from './rtcp-builder.js';
import type { ReportBlock, RtcpMessage } from './rtcp-parser.js';
import { RtpHeaderTemplate } from './rtp-header.js';
import { SentPackets } from './sent-packets.js';
import { addSequence } from './sequence-number.js';
import { type ArrivingSink, type PayloadSink, WeriftProducer } from './werift-producer.js';

/** What a consumer needs of the transport that carries it. */
export interface PacketSender {
  /** Bytes sent and not yet taken by the kernel; over the bound, nothing more is to be sent. */
  readonly congested: boolean;
  takeTransportSequence(): number;
  sendRtp(header: Buffer, ssrc: number, sequenceNumber: number, payload: Buffer): void;
  sendRtcp(compound: Buffer): void;
}

/**
 * RFC 3711 section 3.3.1: a receiver that loses the packets around the first wrap mistakes the roll-over counter, so
 * the first number lies in the lower half.
 */
const FIRST_SEQUENCE_LIMIT = 0x8000;
const REPORT_INTERVAL_US = 1_000_000;
/** A packet is not sent again while the last copy may still be under way. */
const RESEND_INTERVAL_MIN_MS = 10;
const RESEND_INTERVAL_MAX_MS = 1000;
/** Sequence numbers whose last resend is remembered; the oldest is forgotten first. */
const RESENDS_REMEMBERED = 2048;

/** One viewer's share of one producer: its headers, sequence numbers, retransmissions and reports. */
export class WeriftConsumer implements Consumer, PayloadSink {
  readonly stats: ConsumerStats = newConsumerStats();
  readonly #header: RtpHeaderTemplate;
  readonly #sent: SentPackets;
  #rtxSequenceNumber = randomInt(FIRST_SEQUENCE_LIMIT);
  readonly #resentAtUs = new Map<number, number>();
  #waitsForKeyframe: boolean;
  #paused = false;
  #closed = false;
  #reportDueUs = 0;
  #lastFirSequence: number | undefined;
  readonly #playoutDelay = new PlayoutDelay();
  #switching: (ArrivingSink & { readonly producer: WeriftProducer }) | undefined;

  #producer: WeriftProducer;
  readonly #transport: PacketSender;
  readonly #time: MediaTime;
  readonly #onClosed: (consumer: WeriftConsumer) => void;
  constructor(
    producer: WeriftProducer,
    transport: PacketSender,
    readonly parameters: ConsumerParameters,
    time: MediaTime,
    onClosed: (consumer: WeriftConsumer) => void,
  ) {
    this.#producer = producer;
    this.#transport = transport;
    this.#time = time;
    this.#onClosed = onClosed;
    this.#sent = new SentPackets(producer, randomInt(FIRST_SEQUENCE_LIMIT));
    this.#header = new RtpHeaderTemplate(
      parameters.mid,
      parameters.headerExtensions,
      parameters.playoutDelayMaxMs,
      parameters.rid,
    );
    this.#waitsForKeyframe = producer.kind === 'video';
    producer.add(this);
    producer.requestKeyframe();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (this.#closed || !this.#paused) {
      return;
    }
    this.#paused = false;
    this.#waitForKeyframe();
  }

  switchTo(producer: Producer, onSwitched: () => void = () => undefined): void {
    if (!(producer instanceof WeriftProducer) || producer.isClosed) {
      throw new StreamKitError('internal', 'A consumer needs an open producer of its plane');
    }
    if (this.#closed || this.#switching?.producer === producer) {
      return;
    }
    this.#callOffSwitch();
    if (producer === this.#producer) {
      return;
    }
    const switching = {
      producer,
      arrive: () => {
        this.#moveTo(producer);
        queueMicrotask(() => {
          if (!this.#closed) {
            onSwitched();
          }
        });
      },
    };
    if (this.#sent.isFresh || this.#producer.kind === 'audio') {
      switching.arrive();
      producer.requestKeyframe();
      return;
    }
    this.#switching = switching;
    producer.expect(switching);
  }

  #callOffSwitch(): void {
    if (this.#switching !== undefined) {
      this.#switching.producer.expectNoMore(this.#switching);
      this.#switching = undefined;
    }
  }

  #moveTo(producer: WeriftProducer): void {
    this.#switching = undefined;
    this.#sent.moveTo(producer, this.#time.nowUs());
    this.#producer.remove(this);
    this.#producer = producer;
    producer.add(this);
    this.#waitsForKeyframe = producer.kind === 'video';
  }

  producerClosed(): void {
    const switching = this.#switching;
    if (switching === undefined) {
      this.close();
      return;
    }
    this.#callOffSwitch();
    switching.arrive();
  }

  close(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#callOffSwitch();
    const { ssrc, rtxSsrc, cname } = this.parameters;
    this.#transport.sendRtcp(buildBye(rtxSsrc === undefined ? [ssrc] : [ssrc, rtxSsrc], cname));
    this.#producer.remove(this);
    this.#resentAtUs.clear();
    this.#onClosed(this);
  }

  send(payloads: RtpPayloads, firstPacket: number): void {
    if (this.#closed || this.#paused) {
      return;
    }
    if (this.#waitsForKeyframe && !payloads.keyframe) {
      this.stats.framesDropped += 1;
      // The request may have been lost on its way to the encoder; the policy keeps the repetitions apart.
      this.#producer.requestKeyframe();
      return;
    }
    if (this.#transport.congested) {
      this.stats.framesDropped += 1;
      this.#waitForKeyframe();
      return;
    }
    this.#waitsForKeyframe = false;
    const timestamp = this.#sent.nextTimestamp(payloads.rtpTimestamp);
    const count = payloads.offsets.length - 1;
    for (let index = 0; index < count; index += 1) {
      const payload = payloadAt(payloads, index);
      const sequenceNumber = this.#sent.take(firstPacket + index);
      this.#sendPacket(
        payloads,
        index,
        this.parameters.ssrc,
        this.parameters.payloadType,
        sequenceNumber,
        payload,
        timestamp,
      );
      this.stats.packetsSent += 1;
      this.stats.bytesSent += payload.length;
    }
    this.#reportWhenDue();
  }

  /** RTCP that names this consumer's SSRC. */
  onRtcp(message: Exclude<RtcpMessage, { type: 'bye' }>): void {
    switch (message.type) {
      case 'report':
        this.#onReport(message.block);
        break;
      case 'nack':
        this.stats.nacksReceived += 1;
        for (const sequenceNumber of message.sequenceNumbers) {
          this.#resend(sequenceNumber);
        }
        break;
      case 'pli':
        this.stats.plisReceived += 1;
        this.#producer.requestKeyframe();
        break;
      case 'fir':
        this.stats.firsReceived += 1;
        // RFC 5104 section 4.3.1.2: the same command sequence number is a repetition of the same request.
        if (message.commandSequence !== this.#lastFirSequence) {
          this.#lastFirSequence = message.commandSequence;
          this.#producer.requestKeyframe();
        }
        break;
    }
  }

  #waitForKeyframe(): void {
    if (this.#producer.kind === 'video') {
      this.#waitsForKeyframe = true;
      this.#producer.requestKeyframe();
    }
  }

  #onReport(block: ReportBlock): void {
    this.stats.fractionLost = block.fractionLost;
    this.stats.packetsLost = block.packetsLost;
    this.stats.jitterMs = (block.jitter * 1000) / this.#producer.clockRateHz;
    const arrival = this.#time.ntpOf(this.#time.nowUs());
    const rttMs = roundTripMs(arrival, block.lastSenderReport, block.delaySinceLastSenderReport);
    if (rttMs !== undefined) {
      this.stats.rttMs = rttMs;
    }
    if (this.#producer.kind === 'video') {
      this.#playoutDelay.onReport(block, rttMs, this.#time.nowUs());
      const { ms } = this.#playoutDelay;
      this.#header.setPlayoutDelay(ms, Math.max(ms, this.parameters.playoutDelayMaxMs ?? 0));
    }
  }

  /** RFC 4588 section 4: the packet again under the RTX stream's own numbers, with its original one in front. */
  #resend(sequenceNumber: number): void {
    const { rtxSsrc, rtxPayloadType } = this.parameters;
    if (rtxSsrc === undefined || rtxPayloadType === undefined || this.#paused || this.#transport.congested) {
      return;
    }
    const nowUs = this.#time.nowUs();
    const intervalMs = Math.min(
      Math.max(this.stats.rttMs ?? 0, RESEND_INTERVAL_MIN_MS),
      RESEND_INTERVAL_MAX_MS,
    );
    const lastUs = this.#resentAtUs.get(sequenceNumber);
    if (lastUs !== undefined && nowUs - lastUs < intervalMs * 1000) {
      return;
    }
    const sent = this.#sent.find(sequenceNumber, nowUs);
    if (sent === undefined) {
      return;
    }
    const { stored } = sent;
    if (stored === undefined) {
      // The viewer has been away for longer than the history lasts. It would ask for the keyframe itself, but Chromium
      // does so only every 3 s.
      if (!sent.beforeKeyframe) {
        this.#producer.requestKeyframe();
      }
      return;
    }
    const original = payloadAt(stored.payloads, stored.index);
    const payload = Buffer.allocUnsafe(2 + original.length);
    payload.writeUInt16BE(sequenceNumber, 0);
    original.copy(payload, 2);
    this.#sendPacket(
      stored.payloads,
      stored.index,
      rtxSsrc,
      rtxPayloadType,
      this.#rtxSequenceNumber,
      payload,
      (stored.payloads.rtpTimestamp + sent.timestampOffset) >>> 0,
    );
    this.#rtxSequenceNumber = addSequence(this.#rtxSequenceNumber, 1);
    this.stats.packetsRetransmitted += 1;
    this.stats.repairBytesSent += payload.length;
    this.#rememberResend(sequenceNumber, nowUs);
  }

  #rememberResend(sequenceNumber: number, nowUs: number): void {
    this.#resentAtUs.delete(sequenceNumber);
    this.#resentAtUs.set(sequenceNumber, nowUs);
    if (this.#resentAtUs.size > RESENDS_REMEMBERED) {
      for (const oldest of this.#resentAtUs.keys()) {
        this.#resentAtUs.delete(oldest);
        break;
      }
    }
  }

  #sendPacket(
    frame: RtpPayloads,
    index: number,
    ssrc: number,
    payloadType: number,
    sequenceNumber: number,
    payload: Buffer,
    rtpTimestamp: number,
  ): void {
    const header = this.#header.write({
      ssrc,
      payloadType,
      // RFC 6184 section 5.1 and RFC 7741 section 4.1: the last packet of a picture. Opus marks talk spurts, of
      // which continuous sound has none.
      marker: this.#producer.kind === 'video' && index === frame.offsets.length - 2,
      sequenceNumber,
      rtpTimestamp,
      transportSequenceNumber: this.#transport.takeTransportSequence(),
      captureTime: this.#time.ntpOf(frame.captureTimeUs),
      isRepair: ssrc === this.parameters.rtxSsrc,
    });
    this.#transport.sendRtp(header, ssrc, sequenceNumber, payload);
  }

  /** Reports ride on frames: there are none while nothing is sent, and no timer is needed. */
  #reportWhenDue(): void {
    const nowUs = this.#time.nowUs();
    if (nowUs < this.#reportDueUs) {
      return;
    }
    // RFC 3550 section 6.3.5 spreads reports at random, so that streams begun together do not report together.
    this.#reportDueUs = nowUs + REPORT_INTERVAL_US * (randomInt(800, 1200) / 1000);
    this.#transport.sendRtcp(
      buildSenderReport(
        {
          ssrc: this.parameters.ssrc,
          ntp: this.#time.ntpOf(nowUs),
          rtpTimestamp: rtpTimestampOf(nowUs, this.#producer.clockRateHz),
          packetsSent: this.stats.packetsSent,
          payloadBytesSent: this.stats.bytesSent,
        },
        this.parameters.cname,
      ),
    );
  }
}

function payloadAt(payloads: RtpPayloads, index: number): Buffer {
  const { bytes, offsets } = payloads;
  const start = offsets[index] ?? 0;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, (offsets[index + 1] ?? start) - start);
}
