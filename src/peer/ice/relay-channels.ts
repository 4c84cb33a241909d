import { classes, Message, methods, type TurnProtocol } from 'werift';

import { canonicalAddress } from '../../base/canonical-address.js';
import type { Clock, Timer } from '../../base/clock.js';
import type { IceSocket, RelaySocket } from '../../fanout/media-plane.js';

/** RFC 8656 section 12; of an allocation at most {@link MAX_CHANNELS} are used. */
const FIRST_CHANNEL = 0x4000;
/** Peers of one viewer that are reached; as many as the native plane takes. What is sent to others is dropped. */
const MAX_CHANNELS = 32;
/** Datagrams that wait until a channel is bound; more are dropped, as ICE repeats its checks. */
const MAX_WAITING = 16;
/**
 * A channel lives for 10 minutes but the permission that goes with it for 5 (RFC 8656 sections 9 and 12), and servers that
 * are strict then drop what the viewer sends. Binding anew renews both.
 */
export const CHANNEL_REFRESH_SECONDS = 240;
/** After a renewal that failed. */
const RETRY_MS = 20_000;

interface Channel {
  readonly number: number;
  readonly peer: readonly [address: string, port: number];
  state: 'binding' | 'bound' | 'unbound';
  waiting: Uint8Array[];
  timer: Timer | undefined;
}

/**
 * The peers of one allocation as the candidates of ICE see them: what is sent to one binds a channel to it first, and keeps it
 * bound. All datagrams go by channels, which costs four bytes each, and which the media plane does by itself.
 */
export class RelayChannels implements IceSocket {
  readonly #channels = new Map<string, Channel>();
  #closed = false;

  readonly #turn: TurnProtocol;
  readonly #socket: RelaySocket;
  readonly #clock: Clock;
  /** @param turn - has an allocation on the socket before anything is sent */
  constructor(turn: TurnProtocol, socket: RelaySocket, clock: Clock) {
    this.#turn = turn;
    this.#socket = socket;
    this.#clock = clock;
  }

  get address(): string {
    return this.#socket.address;
  }

  get port(): number {
    return this.#socket.port;
  }

  get onPacket(): IceSocket['onPacket'] {
    return this.#socket.onPacket;
  }

  set onPacket(listener: IceSocket['onPacket']) {
    this.#socket.onPacket = listener;
  }

  send(data: Uint8Array, address: string, port: number): void {
    const channel = this.#closed ? undefined : this.#channelOf(address, port);
    if (channel === undefined) return;
    if (channel.state === 'bound') {
      this.#socket.send(data, address, port);
      return;
    }
    if (channel.state === 'unbound') this.#bind(channel);
    if (channel.waiting.length < MAX_WAITING) channel.waiting.push(data);
  }

  keepConsent(request: Uint8Array, address: string, port: number, onLost: () => void): void {
    this.#socket.keepConsent(request, address, port, onLost);
  }

  close(): void {
    this.#closed = true;
    for (const channel of this.#channels.values()) {
      channel.timer?.cancel();
      channel.waiting = [];
    }
    this.#socket.close();
  }

  #channelOf(address: string, port: number): Channel | undefined {
    const key = `${canonicalAddress(address)} ${port}`;
    const known = this.#channels.get(key);
    if (known !== undefined || this.#channels.size >= MAX_CHANNELS) return known;
    const channel: Channel = {
      number: FIRST_CHANNEL + this.#channels.size,
      peer: [address, port],
      state: 'unbound',
      waiting: [],
      timer: undefined,
    };
    this.#channels.set(key, channel);
    return channel;
  }

  /** For the first time, or after a refusal. @throws Error if the plane cannot read the peer's address */
  #bind(channel: Channel): void {
    // What the peer has sent may be there before the answer is read.
    this.#socket.bindChannel(channel.number, ...channel.peer);
    channel.state = 'binding';
    void this.#request(channel).then((isBound) => this.#onAnswered(channel, isBound));
  }

  #onAnswered(channel: Channel, isBound: boolean): void {
    if (this.#closed) return;
    const { number, peer } = channel;
    channel.state = isBound ? 'bound' : 'unbound';
    const waiting = channel.waiting.splice(0);
    if (!isBound) {
      this.#socket.unbindChannel(number);
      return;
    }
    for (const data of waiting) this.#socket.send(data, ...peer);
    this.#renewIn(channel, CHANNEL_REFRESH_SECONDS * 1000);
  }

  #renewIn(channel: Channel, delayMs: number): void {
    channel.timer = this.#clock.after(delayMs, () => {
      void this.#request(channel).then((isBound) => {
        if (!this.#closed) this.#renewIn(channel, isBound ? CHANNEL_REFRESH_SECONDS * 1000 : RETRY_MS);
      });
    });
  }

  async #request({ number, peer }: Channel): Promise<boolean> {
    const turn = this.#turn;
    const request = new Message(methods.CHANNEL_BIND, classes.REQUEST)
      .setAttribute('CHANNEL-NUMBER', number)
      .setAttribute('XOR-PEER-ADDRESS', peer);
    try {
      await turn.requestWithRetry(request, turn.server);
      return true;
    } catch {
      // Refused, or without an answer.
      return false;
    }
  }
}
