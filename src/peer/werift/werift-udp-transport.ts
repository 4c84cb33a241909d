import { randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';

import { CandidatePairState, classes, isStunMessage, type Message, StunProtocol, UdpTransport } from 'werift';

import { asError, StreamKitError } from '../../base/errors.js';
import type { Clock } from '../../base/clock.js';
import type { IceEndpoint, RelaySocket } from '../../fanout/media-plane.js';
import { SharedTransport } from './shared-transport.js';
import { readAuthenticMessage } from './werift-stun.js';
import { isTcp, offerTcp, preferUdp } from './tcp-candidates.js';
import {
  type Address,
  asKnownConnection,
  type CandidatePairInternals,
  type IceConnectionInternals,
} from './werift-ice-connection.js';

/** RFC 8445 section 5.3: 24 bits of user name and 128 of password at least. Among the viewers of one port names differ. */
const USERNAME_FRAGMENT_BYTES = 9;
const PASSWORD_BYTES = 18;
/** Transmissions of a check that asks whether the old pair is dead: 50 ms, 100 ms and 200 ms apart. */
const PROBE_RETRANSMISSIONS = 2;
/** As of any check: 1550 ms until it counts as failed. */
const CHECK_RETRANSMISSIONS = 4;

/** Host addresses for which werift is about to open a transport, in that order, and whose it is. */
let gathering: { readonly endpoint: IceEndpoint; readonly addresses: string[] } | undefined;
let installed = false;

type OpenTransport = (...parameters: Parameters<typeof UdpTransport.init>) => Promise<UdpTransport>;

/** Marks what opens transports for a copy of this module; there may be several in one process. */
const OURS = Symbol.for('stream-kit-server.udp-transports');

/**
 * Decides over every UDP transport that werift opens. Those of host candidates of a {@link SharedPortIce} lie on the
 * shared port; all others are sockets of their own, given an error listener: werift has none (0.24.4), so a bind that
 * fails or a send to an unreachable address would end the process. Process-wide, once; another copy of this module is
 * asked for what is not of this one.
 */
export function installUdpTransports(): void {
  if (installed) {
    return;
  }
  installed = true;
  const transports: { init: OpenTransport } = UdpTransport;
  const open = OURS in transports.init ? transports.init : openOwnSocket;
  const init: OpenTransport = async (type, options) => {
    const owner = gathering;
    const address = owner?.addresses.shift();
    if (owner === undefined || address === undefined) {
      return open(type, options);
    }
    if ((type === 'udp4') !== isIPv4(address)) {
      throw new StreamKitError('internal', 'werift opens its transports in another order than is known');
    }
    const socket = owner.endpoint.openSocket(address);
    return new SharedTransport(socket) as unknown as UdpTransport;
  };
  transports.init = Object.assign(init, { [OURS]: true });
}

async function openOwnSocket(...parameters: Parameters<OpenTransport>): Promise<UdpTransport> {
  // The constructor and init() are private by declaration only.
  const transport = Reflect.construct(UdpTransport, parameters) as UdpTransport;
  const bound = transport as unknown as { init(): Promise<void> };
  const failed = new Promise<never>((_, reject) => {
    transport.socket.on('error', (error) => {
      // After the bind this is one packet that was not sent; ICE consent notices a path that is gone.
      reject(asError(error));
    });
  });
  try {
    await Promise.race([bound.init(), failed]);
  } catch (error) {
    await transport.close();
    throw error;
  }
  failed.catch(() => undefined);
  return transport;
}

/**
 * Puts the ICE connection of one viewer onto a shared port, and fits it to that:
 *
 * - Its user name is long enough to be told from those of all other viewers: werift's own has 16 bits.
 * - It nominates one pair (RFC 8445 section 8.1.1), where werift would nominate every pair that works: the plane sends
 *   media over the pair that was nominated last, which must be the one whose consent werift checks.
 * - Media that began on the port stays there, and media that began on a relay stays on relays: the two encrypt under the
 *   same keys and know nothing of each other's nonces.
 * - A viewer whose address has changed is followed.
 * - Where the plane has a TCP port, viewers that no UDP reaches connect to it.
 */
export class SharedPortIce {
  readonly #ice: IceConnectionInternals;
  #path: 'shared' | 'relayed' | undefined;
  #probing = false;

  readonly #endpoint: IceEndpoint;
  /**
   * @param connection - of a werift `RTCIceTransport`, before it gathers or is described in an offer
   * @throws StreamKitError `internal` where werift is not as it is known here
   */
  constructor(connection: unknown, endpoint: IceEndpoint, clock: Clock) {
    this.#endpoint = endpoint;
    this.#ice = asKnownConnection(connection);
    this.#takeCredentials();
    this.#gatherOnEndpoint();
    this.#nominateOnce();
    preferUdp(this.#ice, clock);
    this.#keepPath();
    this.#watchChecks();
    this.#keepConsent();
    this.#receiveOnce();
  }

  /**
   * Decides how media goes, for the life of the connection: over the shared port, or through werift to a relay.
   *
   * @returns the endpoint, where it is the port.
   */
  choosePath(): IceEndpoint | undefined {
    this.#path ??= this.#ice.nominated === undefined ? 'shared' : pathOf(this.#ice.nominated);
    return this.#path === 'shared' ? this.#endpoint : undefined;
  }

  /**
   * A socket of the plane to a TURN server. Undefined if there is none, and for a connection that goes through werift: what the
   * plane sends could not be its way.
   */
  openRelaySocket(...to: Parameters<IceEndpoint['openRelaySocket']>): RelaySocket | undefined {
    return this.#path === 'relayed' ? undefined : this.#endpoint.openRelaySocket(...to);
  }

  #takeCredentials(): void {
    const ice = this.#ice;
    const renew = (): void => {
      // What werift chose itself was told to nobody.
      Reflect.deleteProperty(ice.userHistory, ice.localUsername);
      ice.localUsername = randomBytes(USERNAME_FRAGMENT_BYTES).toString('base64');
      ice.localPassword = randomBytes(PASSWORD_BYTES).toString('base64');
      ice.userHistory[ice.localUsername] = ice.localPassword;
      for (const { localCandidate } of ice.protocols) {
        if (localCandidate !== undefined) localCandidate.ufrag = ice.localUsername;
      }
      this.#endpoint.setLocalCredentials(ice.localUsername, ice.localPassword);
    };
    renew();
    const restart = ice.restart.bind(ice);
    ice.restart = () => {
      const restarted = restart();
      renew();
      return restarted;
    };
  }

  #gatherOnEndpoint(): void {
    const ice = this.#ice;
    const endpoint = this.#endpoint;
    const gather = ice.getCandidatePromises.bind(ice);
    ice.getCandidatePromises = (addresses, timeoutSeconds) => {
      const known = new Set(ice.protocols.map(({ localIp }) => localIp));
      const fresh = addresses.filter((address) => !known.has(address));
      gathering = { endpoint, addresses: [...fresh] };
      try {
        // Up to the opening of the transports it runs without a break.
        const gathered = gather(addresses, timeoutSeconds);
        // The first promises are those of the addresses.
        return [...gathered, this.#gatherTcp(gathered.slice(0, fresh.length), fresh)];
      } finally {
        gathering = undefined;
      }
    };
  }

  /** After UDP, which the description is to name first. */
  async #gatherTcp(others: readonly Promise<unknown>[], addresses: readonly string[]): Promise<void> {
    await Promise.allSettled(others);
    for (const address of addresses) {
      if (this.#ice.state !== 'closed') offerTcp(this.#ice, this.#endpoint, address);
    }
  }

  #nominateOnce(): void {
    const ice = this.#ice;
    const endpoint = this.#endpoint;
    const setRemoteParams = ice.setRemoteParams.bind(ice);
    ice.setRemoteParams = (parameters) => {
      endpoint.setRemoteCredentials(parameters.usernameFragment, parameters.password);
      // To a remote that is lite, werift nominates regularly, and nominates again with each consent check.
      setRemoteParams({ ...parameters, iceLite: true });
    };
  }

  #keepPath(): void {
    const ice = this.#ice;
    const check = ice.checkStart.bind(ice);
    ice.checkStart = (pair) => {
      if (this.#path === undefined || this.#path === pathOf(pair)) {
        return check(pair);
      }
      pair.updateState(CandidatePairState.FAILED);
      ice.checkComplete(pair);
      return { awaitable: Promise.resolve() };
    };
  }

  #watchChecks(): void {
    const ice = this.#ice;
    const complete = ice.checkComplete.bind(ice);
    ice.checkComplete = (pair) => {
      const before = ice.nominated;
      complete(pair);
      if (before === undefined && ice.nominated !== undefined && ice.state !== 'closed') {
        // werift would come to it up to 20 ms later, and DTLS begins with it.
        ice.queryConsent();
        ice.setState('connected');
      }
      // werift forgets that it has nominated, and would nominate whatever works later; a restart begins anew.
      ice.nominating ||= ice.nominated !== undefined;
      this.#followRoaming(pair);
    };
  }

  /**
   * Lets the plane ask the viewer for its consent on the shared port: by werift that is several timers a viewer, and a
   * millisecond of the event loop each time.
   */
  #keepConsent(): void {
    const ice = this.#ice;
    const endpoint = this.#endpoint;
    const stop = ice.stopConsentLifecycle.bind(ice);
    const query = ice.queryConsent.bind(ice);
    const switchRole = ice.switchRole.bind(ice);
    let asking: CandidatePairInternals | undefined;
    ice.stopConsentLifecycle = () => {
      asking = undefined;
      endpoint.endConsent();
      stop();
    };
    ice.queryConsent = () => {
      const { nominated } = ice;
      const transport = nominated?.protocol.transport;
      if (nominated === undefined || !(transport instanceof SharedTransport)) {
        query();
        return;
      }
      // werift begins once when the pair is nominated and once more when it sees that it is.
      if (asking === nominated) return;
      ice.stopConsentLifecycle();
      ice.consentFresh = true;
      asking = nominated;
      transport.keepConsent(this.#requestOn(nominated, false).bytes, nominated.remoteAddr, () => {
        ice.stopConsentLifecycle();
        if (ice.state !== 'closed' && ice.state !== 'failed') {
          ice.setState('failed');
        }
      });
    };
    // The requests say which role we have.
    ice.switchRole = (iceControlling) => {
      switchRole(iceControlling);
      if (asking !== undefined) {
        asking = undefined;
        ice.queryConsent();
      }
    };
  }

  /**
   * Takes what the plane lets through as it is: werift would read all of it again, and each answer twice, and check what the plane
   * has checked.
   */
  #receiveOnce(): void {
    const ice = this.#ice;
    const ensureProtocol = ice.ensureProtocol.bind(ice);
    ice.ensureProtocol = (protocol) => {
      ensureProtocol(protocol);
      if (!(protocol instanceof StunProtocol)) return;
      const stun = protocol as unknown as StunReceiver;
      const receive = stun.datagramReceived.bind(stun);
      stun.datagramReceived = (data, from) => {
        const isShared = stun.transport instanceof SharedTransport;
        const message = isShared && isStunMessage(data) ? readAuthenticMessage(data) : undefined;
        if (message === undefined) {
          receive(data, from);
        } else if (message.messageClass === classes.REQUEST) {
          stun.onRequestReceived.execute(message, from, data);
        } else {
          stun.transactions[message.transactionIdHex]?.responseReceived(message, from);
        }
      };
    };
  }

  /**
   * A check from a new address that succeeds, while a pair is nominated, may be a second path or one that has replaced
   * the first, as after a NAT has rebound its port. It has replaced it if the first does not answer any more. Where the
   * viewer controls, that is for it to say.
   */
  #followRoaming(pair: CandidatePairInternals): void {
    const { nominated, iceControlling } = this.#ice;
    const succeeded = pair.state === CandidatePairState.SUCCEEDED;
    const isAnother = succeeded && nominated !== undefined && nominated !== pair;
    if (!isAnother || !iceControlling || this.#probing || !this.#isConnected()) {
      return;
    }
    this.#probing = true;
    this.#replaceIfSilent(nominated, pair)
      .catch(() => undefined)
      .finally(() => {
        this.#probing = false;
      });
  }

  async #replaceIfSilent(old: CandidatePairInternals, next: CandidatePairInternals): Promise<void> {
    // A check over TCP succeeds for every viewer, soon after the one over UDP, which may answer slowly and yet well.
    const isSecondChoice = isTcp(next) && !isTcp(old);
    try {
      await this.#request(old, false, isSecondChoice ? CHECK_RETRANSMISSIONS : PROBE_RETRANSMISSIONS);
      return;
    } catch {
      // Silent, or gone.
    }
    const ice = this.#ice;
    if (ice.nominated !== old || !this.#isConnected()) {
      return;
    }
    await this.#request(next, true, CHECK_RETRANSMISSIONS);
    if (ice.nominated === old && this.#isConnected()) {
      old.nominated = false;
      next.nominated = true;
      ice.nominated = next;
      ice.queryConsent();
    }
  }

  #request(pair: CandidatePairInternals, nominate: boolean, retransmissions: number): Promise<unknown> {
    const { protocol, remoteAddr } = pair;
    const password = Buffer.from(this.#ice.remotePassword, 'utf8');
    return protocol.request(this.#requestOn(pair, nominate), remoteAddr, password, retransmissions);
  }

  #requestOn({ localCandidate }: CandidatePairInternals, nominate: boolean): Message {
    const { localUsername, remoteUsername, iceControlling } = this.#ice;
    return this.#ice.buildRequest({
      nominate,
      localUsername,
      remoteUsername,
      iceControlling,
      localCandidate,
    });
  }

  #isConnected(): boolean {
    return this.#ice.state === 'connected' || this.#ice.state === 'completed';
  }
}

/** What is used of werift's private `StunProtocol` (werift 0.24.4). */
interface StunReceiver {
  readonly transport: unknown;
  readonly transactions: Readonly<
    Record<string, { responseReceived(message: Message, from: Address): void }>
  >;
  readonly onRequestReceived: { execute(message: Message, from: Address, data: Buffer): void };
  datagramReceived(data: Buffer, from: Address): void;
}

function pathOf(pair: CandidatePairInternals): 'shared' | 'relayed' {
  return pair.protocol.transport instanceof SharedTransport ? 'shared' : 'relayed';
}
