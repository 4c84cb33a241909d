import { lookup as resolveName, type LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { connect, isIP, isIPv6, type Socket } from 'node:net';

import { asError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { type TargetPolicy } from '../options/target-policy-options.js';
import { hostOf, permitsAddress, permitsHost, portOf } from './target-policy.js';
import { openTunnel, type UpstreamProxy } from './upstream-proxy.js';

/** Finds the addresses of a name. */
export type ResolveName = (
  hostname: string,
  callback: (error: Error | null, addresses: readonly LookupAddress[]) => void,
) => void;

/** What its policy does not permit was asked for; the message is an error type of RFC 9209 section 2.3. */
export class Refusal extends Error {}

export interface DialLimits {
  /** To find the addresses of a name, ms. */
  readonly resolveMs: number;
  /** To be connected, with all that is tried for it, ms. */
  readonly connectMs: number;
}

/** What else there is about the way of a session to the network. */
export interface EgressRoute {
  /** Told of each refusal, by its error type of RFC 9209. */
  readonly onRefused?: ((errorType: string) => void) | undefined;
  /** Undefined: hosts are connected to directly. */
  readonly upstream?: UpstreamProxy | undefined;
}

/** Of one host; each is tried for its share of the time. */
const MAX_ADDRESSES = 4;
const KEEP_ALIVE_DELAY_MS = 30_000;

/** Connects to nothing but addresses that it has itself resolved and checked. */
export class EgressDialer {
  readonly #policy: TargetPolicy;
  readonly #logger: Logger;
  readonly #resolve: ResolveName;
  readonly #limits: DialLimits;
  readonly #route: EgressRoute;

  constructor(
    policy: TargetPolicy,
    logger: Logger,
    resolve: ResolveName,
    limits: DialLimits,
    route: EgressRoute = {},
  ) {
    this.#policy = policy;
    this.#logger = logger;
    this.#resolve = resolve;
    this.#limits = limits;
    this.#route = route;
  }

  /**
   * A connection to the first permitted address of a host that answers. Either side may end before the other, and an
   * error of it that nobody listens for harms nobody.
   *
   * @param signal - nobody wants it any more.
   * @throws Refusal where the host or every address of it is not permitted; an Error with the code of Node; the reason
   * of `signal`.
   */
  async dial(url: URL, signal: AbortSignal): Promise<Socket> {
    const port = portOf(url);
    if (!permitsHost(this.#policy, url)) this.#refuse(url, 'http_request_denied');
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(timedOut('ETIMEDOUT')), this.#limits.connectMs);
    const leave = (): void => deadline.abort(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    try {
      signal.throwIfAborted();
      const addresses = await this.#targets(hostOf(url), port, deadline.signal);
      if (addresses.length === 0) this.#refuse(url, 'destination_ip_prohibited');
      const shareMs = this.#limits.connectMs / addresses.length;
      let last: Error | undefined;
      for (const address of addresses) {
        try {
          return await this.#reach(address, port, shareMs, deadline.signal);
        } catch (error) {
          deadline.signal.throwIfAborted();
          last = asError(error);
        }
      }
      throw last ?? new Error('No address answered');
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
    }
  }

  /**
   * The first permitted address of a host, which is not connected to.
   *
   * @throws as {@link dial}.
   */
  async addressOf(url: URL, signal: AbortSignal): Promise<string> {
    if (!permitsHost(this.#policy, url)) this.#refuse(url, 'http_request_denied');
    const addresses = await this.#addressesOf(hostOf(url), signal);
    const [first] = this.#permitted(addresses, portOf(url));
    return first ?? this.#refuse(url, 'destination_ip_prohibited');
  }

  /** Where everything is permitted, the upstream proxy finds the address of a name; otherwise it is told the one that was checked. */
  async #targets(hostname: string, port: number, signal: AbortSignal): Promise<readonly string[]> {
    const isLeftToUpstream =
      this.#route.upstream !== undefined && this.#policy.allowPrivateAddresses === true;
    if (isLeftToUpstream) return [hostname];
    return this.#permitted(await this.#addressesOf(hostname, signal), port);
  }

  async #reach(address: string, port: number, timeoutMs: number, signal: AbortSignal): Promise<Socket> {
    const { upstream } = this.#route;
    if (upstream === undefined) return this.#connect(address, port, timeoutMs, signal);
    const proxy = new URL(upstream.url);
    if (upstream.isChecked && !permitsHost(this.#policy, proxy)) this.#refuse(proxy, 'http_request_denied');
    const found = await this.#addressesOf(hostOf(proxy), signal);
    const [own] = upstream.isChecked ? this.#permitted(found, portOf(proxy)) : found;
    if (own === undefined) this.#refuse(proxy, 'destination_ip_prohibited');
    const socket = await this.#connect(own, portOf(proxy), timeoutMs, signal);
    await openTunnel(socket, proxy, address, port, signal);
    return socket;
  }

  async #connect(address: string, port: number, timeoutMs: number, signal: AbortSignal): Promise<Socket> {
    const socket = connect({
      host: address,
      port,
      allowHalfOpen: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    });
    socket.on('error', () => undefined);
    const giveUp = (): void => void socket.destroy(timedOut('ETIMEDOUT'));
    socket.setTimeout(timeoutMs, giveUp);
    try {
      await once(socket, 'connect', { signal });
      socket.setTimeout(0, giveUp);
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** It is not resolved twice: a second answer could be another. */
  #addressesOf(hostname: string, signal: AbortSignal): Promise<readonly string[]> {
    if (isIP(hostname) !== 0) return Promise.resolve([hostname]);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(timedOut('EAI_TIMEOUT')), this.#limits.resolveMs);
      const leave = (): void => reject(asError(signal.reason));
      signal.addEventListener('abort', leave, { once: true });
      // The system's resolver cannot be interrupted; what it says later goes nowhere.
      this.#resolve(hostname, (error, addresses) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', leave);
        if (error === null) resolve(addresses.map(({ address }) => address));
        else reject(error);
      });
    });
  }

  /** At most so many as are tried: a hostile name has thousands of addresses. */
  #permitted(addresses: readonly string[], port: number): readonly string[] {
    const permitted: string[] = [];
    for (const address of inTurns(addresses)) {
      if (permitsAddress(this.#policy, address, port)) permitted.push(address);
      if (permitted.length === MAX_ADDRESSES) break;
    }
    return permitted;
  }

  /** The host alone: what is behind it may be a secret. */
  #refuse(url: URL, errorType: string): never {
    this.#route.onRefused?.(errorType);
    this.#logger.debug(
      { host: url.hostname, port: portOf(url) },
      'what a policy does not permit was refused',
    );
    throw new Refusal(errorType);
  }
}

/** By the resolver of the system. */
export function systemResolve(hostname: string, callback: Parameters<ResolveName>[1]): void {
  resolveName(hostname, { all: true, verbatim: true }, callback);
}

/** The families alternate, as RFC 8305 section 4 asks: this machine may have only one, and a host many of the other. */
function inTurns(addresses: readonly string[]): readonly string[] {
  const isFirst = (address: string): boolean => isIPv6(address) === isIPv6(addresses[0] ?? '');
  const [first, second] = [addresses.filter(isFirst), addresses.filter((address) => !isFirst(address))];
  return Array.from({ length: Math.max(first.length, second.length) }, (_, index) => [
    ...first.slice(index, index + 1),
    ...second.slice(index, index + 1),
  ]).flat();
}

function timedOut(code: string): Error {
  return Object.assign(new Error('The connection took too long'), { code });
}
