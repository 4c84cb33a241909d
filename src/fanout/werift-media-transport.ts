import type { RTCDtlsTransport } from 'werift';

import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Consumer, ConsumerParameters, MediaTransport, Producer } from './media-plane.js';
import type { MediaTime } from './media-time.js';
import { parseRtcp, type RtcpMessage } from './rtcp-parser.js';
import { addSequence } from './sequence-number.js';
import { type PacketSender, WeriftConsumer } from './werift-consumer.js';
import { WeriftProducer } from './werift-producer.js';
import { WeriftSrtpChannel } from './werift-srtp-channel.js';

/** Bytes a viewer's socket may hold back before its frames are dropped. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;

/** One viewer's SRTP and SRTCP through werift. */
export class WeriftMediaTransport implements MediaTransport, PacketSender {
  readonly #channel: WeriftSrtpChannel;
  readonly #consumersBySsrc = new Map<number, WeriftConsumer>();
  #transportSequenceNumber = 0;
  #dropped = 0;
  #closed = false;

  readonly #time: MediaTime;
  readonly #logger: Logger;
  readonly #onClosed: (transport: WeriftMediaTransport) => void;
  /** @throws StreamKitError `internal` where the DTLS transport is not connected */
  constructor(
    dtlsTransport: RTCDtlsTransport,
    time: MediaTime,
    logger: Logger,
    onClosed: (transport: WeriftMediaTransport) => void,
  ) {
    this.#time = time;
    this.#logger = logger;
    this.#onClosed = onClosed;
    this.#channel = new WeriftSrtpChannel(
      dtlsTransport,
      () => time.nowUs() / 1000,
      (compound) => {
        this.#onRtcp(compound);
      },
    );
  }

  get rtcpDropped(): number {
    return this.#dropped;
  }

  get congested(): boolean {
    return this.#channel.backlogBytes > MAX_BACKLOG_BYTES;
  }

  consume(producer: Producer, parameters: ConsumerParameters): Consumer {
    if (!(producer instanceof WeriftProducer) || producer.isClosed || this.#closed) {
      throw new StreamKitError('internal', 'A consumer needs an open producer and transport of one plane');
    }
    const ssrcs = [parameters.ssrc, ...(parameters.rtxSsrc === undefined ? [] : [parameters.rtxSsrc])];
    if (new Set(ssrcs).size < ssrcs.length || ssrcs.some((ssrc) => this.#consumersBySsrc.has(ssrc))) {
      throw new StreamKitError('internal', 'The SSRCs of a transport must differ: they are its SRTP nonces');
    }
    const consumer = new WeriftConsumer(producer, this, parameters, this.#time, () => {
      for (const ssrc of ssrcs) {
        this.#consumersBySsrc.delete(ssrc);
      }
    });
    for (const ssrc of ssrcs) {
      this.#consumersBySsrc.set(ssrc, consumer);
    }
    return consumer;
  }

  takeTransportSequence(): number {
    const taken = this.#transportSequenceNumber;
    this.#transportSequenceNumber = addSequence(taken, 1);
    return taken;
  }

  sendRtp(header: Buffer, ssrc: number, sequenceNumber: number, payload: Buffer): void {
    this.#channel.sendRtp(header, ssrc, sequenceNumber, payload);
  }

  sendRtcp(compound: Buffer): void {
    this.#channel.sendRtcp(compound);
  }

  close(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    for (const consumer of new Set(this.#consumersBySsrc.values())) {
      consumer.close();
    }
    this.#channel.close();
    this.#logger.debug(
      { rtcpDropped: this.#dropped, sendErrors: this.#channel.sendErrors },
      'close() | media transport closed',
    );
    this.#onClosed(this);
  }

  #onRtcp(compound: Buffer): void {
    const messages = parseRtcp(compound);
    if (messages === undefined) {
      this.#dropped += 1;
      return;
    }
    for (const message of messages) {
      try {
        this.#route(message);
      } catch (error) {
        this.#logger.error({ err: asError(error), type: message.type }, 'onRtcp() | RTCP was not handled');
      }
    }
  }

  #route(message: RtcpMessage): void {
    if (message.type === 'bye') {
      // A viewer that leaves says so over DTLS and signaling; the BYE is of SSRCs that it sends with.
      return;
    }
    const ssrc = message.type === 'report' ? message.block.ssrc : message.ssrc;
    const consumer = this.#consumersBySsrc.get(ssrc);
    if (consumer === undefined) {
      this.#dropped += 1;
      return;
    }
    // What is said of the RTX stream is known to be its consumer's, but its losses are not those of the media.
    if (ssrc === consumer.parameters.ssrc) {
      consumer.onRtcp(message);
    }
  }
}
