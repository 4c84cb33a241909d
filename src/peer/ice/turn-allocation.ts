import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

import {
  classes,
  Message,
  methods,
  StunOverTurnProtocol,
  type StunProtocol,
  TurnProtocol,
  UdpTransport,
} from 'werift';

import type { Clock, Timer } from '../../base/clock.js';
import { asError } from '../../base/errors.js';
import type { IceEndpoint } from '../../fanout/media-plane.js';
import { stunOver } from '../werift/shared-transport.js';
import { CHANNEL_REFRESH_SECONDS, RelayChannels } from './relay-channels.js';
import { asKnownTurn, repairRequests, TURN_ERROR, turnErrorOf } from './turn-requests.js';
import { TurnSocket } from './turn-socket.js';
import { TurnStream } from './turn-stream.js';
import type { IceServerLocation } from './turn-url.js';

export interface TurnServer extends IceServerLocation {
  readonly username: string;
  readonly credential: string;
}

/** How an allocation is made and used. */
export interface TurnAllocationParameters {
  /** Address to speak to the server from. Default: whichever leads there. */
  readonly localAddress: string | undefined;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Opens a socket of the media plane, which then sends and receives. Default: werift does. */
  readonly openSocket: IceEndpoint['openRelaySocket'] | undefined;
}

const LIFETIME_SECONDS = 600;
/** After a refresh that failed, s: 100 s of the lifetime are left. */
const RETRY_SECONDS = 30;
/** How long closing waits for the server to hear of it, ms. */
const FAREWELL_MS = 250;

/**
 * Allocates a relay address at a TURN server (RFC 8656). werift's class speaks the protocol; its life is kept here: werift
 * refreshes with a timer that nothing ends, so that a process lives on for up to 10 minutes after its last viewer, and
 * leaves the allocation behind for as long.
 */
export class TurnAllocation {
  /** What werift takes for a local socket. */
  readonly protocol: StunOverTurnProtocol | StunProtocol;
  /** The server has ended it, or cannot be reached any more; it has closed itself. */
  onEnded: (reason: string) => void = () => undefined;
  #timer: Timer | undefined;
  #endsAtUs = 0;
  #closed = false;

  readonly #channels: RelayChannels | undefined;
  readonly #closeProtocol: () => Promise<void>;
  readonly #clock: Clock;
  private constructor(
    readonly turn: TurnProtocol,
    channels: RelayChannels | undefined,
    clock: Clock,
  ) {
    this.#channels = channels;
    this.#clock = clock;
    const internals = asKnownTurn(turn);
    repairRequests(internals);
    internals.refresh = (lifetimeSeconds) => this.#refreshIn(lifetimeSeconds);
    this.protocol = channels === undefined ? new StunOverTurnProtocol(turn) : stunOver(channels);
    this.#closeProtocol = this.protocol.close.bind(this.protocol);
    this.protocol.close = () => this.close();
  }

  /** Whether the media plane sends and receives by it; otherwise werift does. */
  get isOnPlane(): boolean {
    return this.#channels !== undefined;
  }

  /** @throws Error where the server cannot be reached in time, or refuses. */
  static async open(server: TurnServer, parameters: TurnAllocationParameters): Promise<TurnAllocation> {
    const { timeoutMs, clock } = parameters;
    const abort = new AbortController();
    let allocation: TurnAllocation | undefined;
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = clock.after(timeoutMs, () => {
        abort.abort();
        reject(new Error('no answer in time'));
      });
    });
    const opened = (async () => {
      allocation = await TurnAllocation.#connect(server, parameters, abort.signal);
      if (abort.signal.aborted) throw new Error('Given up');
      await allocation.#made();
      return allocation;
    })();
    try {
      return await Promise.race([opened, late]);
    } catch (thrown) {
      // The requests of werift go on for some seconds, and so would a handshake. The end of a stream ends what the server may
      // have made; by UDP its late answer is awaited, and the address given back.
      if (server.transport !== 'udp') void allocation?.close();
      opened.catch(() => undefined).finally(() => void allocation?.close());
      throw asError(thrown);
    } finally {
      timer?.cancel();
    }
  }

  static async #connect(
    server: TurnServer,
    { localAddress, clock, openSocket }: TurnAllocationParameters,
    signal: AbortSignal,
  ): Promise<TurnAllocation> {
    const { address, family } = await lookup(server.host);
    const remote = [address, server.port] as const;
    const local = isIP(localAddress ?? '') === family ? localAddress : undefined;
    const wildcard = family === 6 ? '::' : '0.0.0.0';
    const { transport: over } = server;
    const socket = openSocket?.(over, local ?? wildcard, remote, server.host);
    const transport =
      socket !== undefined
        ? new TurnSocket(socket, remote)
        : over === 'udp'
          ? await openUdp(family === 6 ? 'udp6' : 'udp4', local)
          : await TurnStream.open(over, remote, server.host, signal);
    const turn = new TurnProtocol(remote, server.username, server.credential, LIFETIME_SECONDS, transport, {
      channelRefreshTime: CHANNEL_REFRESH_SECONDS,
    });
    const channels = socket === undefined ? undefined : new RelayChannels(turn, socket, clock);
    const allocation = new TurnAllocation(turn, channels, clock);
    if (socket !== undefined) socket.onEnded = (reason) => allocation.#end(reason);
    return allocation;
  }

  /** @throws Error if the server refuses, or the connection ends meanwhile */
  async #made(): Promise<void> {
    const ended = new Promise<never>((_, reject) => {
      this.onEnded = (reason) => reject(new Error(reason));
    });
    await Promise.race([this.turn.connectionMade(), ended]);
    this.onEnded = () => undefined;
  }

  /** Gives the address back, and closes the connection to the server. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    const { turn } = this;
    // Without an address there is nothing to give back.
    if (this.#timer !== undefined && !turn.transport.closed) {
      let grace: Timer | undefined;
      const graceOver = new Promise<void>((resolve) => {
        grace = this.#clock.after(FAREWELL_MS, resolve);
      });
      await Promise.race([this.#refresh(0).catch(() => undefined), graceOver]);
      grace?.cancel();
    }
    await this.#closeProtocol();
  }

  #refreshIn(lifetimeSeconds: number): void {
    this.#endsAtUs = this.#clock.nowUs() + lifetimeSeconds * 1_000_000;
    this.#refreshAfter((lifetimeSeconds * 5) / 6);
  }

  #refreshAfter(seconds: number): void {
    if (this.#closed) return;
    this.#timer = this.#clock.after(seconds * 1000, () => {
      this.#refresh(LIFETIME_SECONDS).then(
        (granted) => this.#refreshIn(granted),
        (thrown: unknown) => this.#onRefreshFailed(thrown),
      );
    });
  }

  #onRefreshFailed(thrown: unknown): void {
    const leftSeconds = (this.#endsAtUs - this.#clock.nowUs()) / 1_000_000;
    const isGone = turnErrorOf(thrown)?.code === TURN_ERROR.allocationMismatch || this.turn.transport.closed;
    if (this.#closed) return;
    if (!isGone && leftSeconds > 0) {
      this.#refreshAfter(Math.min(RETRY_SECONDS, leftSeconds));
      return;
    }
    this.#end(reasonOf(thrown));
  }

  /** There is nothing to give back. */
  #end(reason: string): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    void this.close();
    this.onEnded(reason);
  }

  async #refresh(lifetimeSeconds: number): Promise<number> {
    const request = new Message(methods.REFRESH, classes.REQUEST).setAttribute('LIFETIME', lifetimeSeconds);
    const [response] = await this.turn.requestWithRetry(request, this.turn.server);
    const granted: unknown = response.getAttributeValue('LIFETIME');
    return typeof granted === 'number' && granted > 0 ? granted : LIFETIME_SECONDS;
  }
}

/** What the server said, without the request, in which the user's name is. */
export function reasonOf(thrown: unknown): string {
  const refusal = turnErrorOf(thrown);
  return refusal === undefined
    ? asError(thrown).message || 'no answer'
    : `${String(refusal.code)} ${refusal.phrase}`;
}

function openUdp(type: 'udp4' | 'udp6', localAddress: string | undefined): Promise<UdpTransport> {
  return UdpTransport.init(
    type,
    localAddress === undefined ? {} : { interfaceAddresses: { [type]: localAddress } },
  );
}
