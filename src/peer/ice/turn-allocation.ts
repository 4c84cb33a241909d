import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

import { classes, Message, methods, StunOverTurnProtocol, TurnProtocol, UdpTransport } from 'werift';

import type { Clock, Timer } from '../../base/clock.js';
import { asError, StreamKitError } from '../../base/errors.js';
import { TurnStream } from './turn-stream.js';
import type { IceServerLocation } from './turn-url.js';

export interface TurnServer extends IceServerLocation {
  readonly username: string;
  readonly credential: string;
}

/** What is used of werift's `TurnProtocol` that it does not declare, and its transports (werift 0.24.4). */
interface TurnInternals {
  refresh(lifetimeSeconds: number): void;
}

const LIFETIME_SECONDS = 600;
/**
 * A channel lives for 10 minutes but the permission that goes with it for 5 (RFC 8656 sections 9 and 12), and servers that
 * are strict then drop what the viewer sends. Binding anew renews both; werift's own 500 s are too late.
 */
const CHANNEL_REFRESH_SECONDS = 240;
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
  readonly protocol: StunOverTurnProtocol;
  #timer: Timer | undefined;
  #closed = false;

  readonly #clock: Clock;
  private constructor(
    readonly turn: TurnProtocol,
    clock: Clock,
  ) {
    this.#clock = clock;
    const internals = turn as unknown as TurnInternals;
    if (typeof internals.refresh !== 'function') {
      throw new StreamKitError('internal', 'TURN is not as it is known: another version of werift?');
    }
    internals.refresh = (lifetimeSeconds) => this.#refreshIn(lifetimeSeconds);
    this.protocol = new StunOverTurnProtocol(turn);
    this.protocol.close = () => this.close();
  }

  /** @throws Error where the server cannot be reached in time, or refuses. */
  static async open(
    server: TurnServer,
    localAddress: string | undefined,
    timeoutMs: number,
    clock: Clock,
  ): Promise<TurnAllocation> {
    const abort = new AbortController();
    let allocation: TurnAllocation | undefined;
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = clock.after(timeoutMs, () => {
        abort.abort();
        // werift passes over a refusal that is not signed, as that of wrong credentials is.
        reject(new Error('no answer in time, or the credentials are wrong'));
      });
    });
    const opened = (async () => {
      const { address, family } = await lookup(server.host);
      const remote = [address, server.port] as const;
      const transport =
        server.transport === 'udp'
          ? await openUdp(family === 6 ? 'udp6' : 'udp4', localAddress)
          : await TurnStream.open(server.transport, remote, server.host, abort.signal);
      const turn = new TurnProtocol(remote, server.username, server.credential, LIFETIME_SECONDS, transport, {
        channelRefreshTime: CHANNEL_REFRESH_SECONDS,
      });
      allocation = new TurnAllocation(turn, clock);
      if (abort.signal.aborted) throw new Error('Given up');
      await turn.connectionMade();
      return allocation;
    })();
    try {
      return await Promise.race([opened, late]);
    } catch (thrown) {
      opened.catch(() => undefined).finally(() => void allocation?.close());
      throw asError(thrown);
    } finally {
      timer?.cancel();
    }
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
    await turn.transport.close();
  }

  #refreshIn(lifetimeSeconds: number): void {
    if (this.#closed) return;
    this.#timer = this.#clock.after((lifetimeSeconds * 1000 * 5) / 6, () => {
      this.#refresh(LIFETIME_SECONDS).then(
        (granted) => this.#refreshIn(granted),
        () => this.#refreshIn(RETRY_SECONDS),
      );
    });
  }

  async #refresh(lifetimeSeconds: number): Promise<number> {
    const request = new Message(methods.REFRESH, classes.REQUEST).setAttribute('LIFETIME', lifetimeSeconds);
    const [response] = await this.turn.requestWithRetry(request, this.turn.server);
    const granted: unknown = response.getAttributeValue('LIFETIME');
    return typeof granted === 'number' && granted > 0 ? granted : LIFETIME_SECONDS;
  }
}

function openUdp(type: 'udp4' | 'udp6', localAddress: string | undefined): Promise<UdpTransport> {
  const isOfFamily = isIP(localAddress ?? '') === (type === 'udp6' ? 6 : 4);
  return UdpTransport.init(type, isOfFamily ? { interfaceAddresses: { [type]: localAddress } } : {});
}
