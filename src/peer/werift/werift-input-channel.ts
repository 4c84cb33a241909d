import type { RTCDataChannel, RTCSctpTransport } from 'werift';

import type { Clock } from '../../base/clock.js';
import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { TokenBucket } from '../../base/token-bucket.js';
import { isSoundSctpPacket } from './sctp-packet.js';
import type { InputChannel, ViewerPeerListener } from '../viewer-peer.js';

type Sctp = RTCSctpTransport['sctp'];

/** RFC 8832 section 8.1. */
const DCEP = 50;
const TEXT = 51;
const EMPTY_TEXT = 56;
/** RFC 8832 section 5.2. */
const DATA_CHANNEL_ACK = 2;

const MAX_MESSAGE_BYTES = 64 * 1024;
/** What a viewer may send that makes no whole message yet: two messages, in fragments that are no smaller than need be. */
const RECEIVE_WINDOW_BYTES = 256 * 1024;
const MAX_FRAGMENTS = 512;
/** The viewer may open channels of its own, to which nobody listens. */
const MAX_STREAMS = 16;
/** Packets beyond this are lost, as on a slow path: SCTP sends them again. */
const PACKETS_PER_SECOND = 6000;
const PACKETS_AT_ONCE = 12_000;
const FRAGMENT_BYTES = 1200;

/**
 * The data channel `input` of a viewer. What werift does with the packets of a viewer is fenced in: it trusts their lengths,
 * keeps any number of fragments, and its errors are nobody's.
 */
export class WeriftInputChannel implements InputChannel {
  readonly #transport: RTCSctpTransport;
  readonly #channel: RTCDataChannel;
  readonly #packets: TokenBucket;
  readonly #logger: Logger;
  #isOpen = false;

  /** @param channel - not open. */
  constructor(channel: RTCDataChannel, listener: ViewerPeerListener, clock: Clock, logger: Logger) {
    this.#logger = logger;
    this.#packets = new TokenBucket(clock, PACKETS_PER_SECOND, PACKETS_AT_ONCE);
    this.#channel = channel;
    this.#transport = channel.sctp;
    const { sctp, dtlsTransport } = this.#transport;
    (sctp as unknown as { advertisedRwnd: number }).advertisedRwnd = RECEIVE_WINDOW_BYTES;
    // werift takes the receiver away when the association ends, and calls it all the same.
    const dataReceiver = (packet: Buffer): void => this.#onPacket(packet);
    Object.defineProperty(dtlsTransport, 'dataReceiver', {
      get: () => dataReceiver,
      set: () => {
        // SCTP would take it for itself.
      },
    });
    // werift's own listener opens whatever channel a viewer asks for, and throws where it sends anything unexpected.
    sctp.onReceive.allUnsubscribe();
    sctp.onReceive.subscribe((streamId, protocol, data) => {
      if (streamId !== this.#channel.id) return;
      if (protocol === DCEP && data[0] === DATA_CHANNEL_ACK) this.#channel.setReadyState('open');
      else if (this.#isOpen && protocol === TEXT && data.length <= MAX_MESSAGE_BYTES) {
        listener.onInputMessage?.(data.toString());
      } else if (this.#isOpen && protocol === EMPTY_TEXT) listener.onInputMessage?.('');
    });
    this.#channel.stateChange.subscribe((state) => {
      if (state === 'open' && !this.#isOpen) {
        this.#isOpen = true;
        listener.onInputOpen?.(this);
      } else if (state !== 'open' && this.#isOpen) {
        this.#isOpen = false;
        listener.onInputClosed?.();
      }
    });
  }

  get backlogBytes(): number {
    const { outboundQueue, sentQueue } = this.#transport.sctp as unknown as Record<string, unknown[]>;
    const fragments = (outboundQueue?.length ?? 0) + (sentQueue?.length ?? 0);
    return this.#channel.bufferedAmount + fragments * FRAGMENT_BYTES;
  }

  send(text: string): void {
    if (!this.#isOpen) return;
    try {
      this.#channel.send(text);
    } catch (thrown) {
      // Larger than the viewer takes.
      this.#logger.debug({ err: asError(thrown) }, 'send() | a message for the viewer was not sent');
    }
  }

  close(): void {
    this.#abort();
  }

  #onPacket(packet: Buffer): void {
    const { sctp } = this.#transport;
    if (!isSoundSctpPacket(packet) || !this.#packets.take(1)) return;
    (sctp as unknown as { handleData(packet: Buffer): Promise<void> }).handleData(packet).then(
      () => {
        if (isBeyondBounds(sctp)) this.#abort();
      },
      (thrown: unknown) => {
        this.#logger.debug({ err: asError(thrown) }, 'handleData() | a packet of the viewer was refused');
      },
    );
  }

  #abort(): void {
    this.#transport.sctp.stop().catch((thrown: unknown) => {
      this.#logger.debug({ err: asError(thrown) }, 'stop() | the association did not close cleanly');
    });
    this.#channel.setReadyState('closed');
  }
}

function isBeyondBounds(sctp: Sctp): boolean {
  const { advertisedRwnd, inboundStreams } = sctp as unknown as {
    advertisedRwnd: number;
    inboundStreams: Record<number, { reassembly: unknown[] }>;
  };
  const streams = Object.values(inboundStreams);
  const fragments = streams.reduce((sum, { reassembly }) => sum + reassembly.length, 0);
  return advertisedRwnd < 0 || streams.length > MAX_STREAMS || fragments > MAX_FRAGMENTS;
}
