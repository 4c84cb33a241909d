import { Candidate, candidateFoundation, candidatePriority, serverReflexiveCandidate } from 'werift';

import type { Clock } from '../../base/clock.js';
import type { IceServerOption } from '../../options/ice-server-options.js';
import type { Logger } from '../../base/logger.js';
import type { IceEndpoint } from '../../fanout/media-plane.js';
import { reasonOf, TurnAllocation, type TurnServer } from './turn-allocation.js';
import { type IceServerLocation, readIceServerUrl } from './turn-url.js';
import { asKnownConnection, type IceConnectionInternals } from '../werift/werift-ice-connection.js';

export interface IceServerGatheringParameters {
  /** Address that ICE binds to, where that is one. */
  readonly localAddress: string | undefined;
  /** Opens sockets of the media plane to TURN servers. Default: werift reaches them. */
  readonly openRelaySocket?: IceEndpoint['openRelaySocket'];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Each of a viewer's TURN URLs may take so long before the next is tried, ms. */
const ALLOCATION_TIMEOUT_MS = 3000;
/** URLs beyond are not tried. */
const MAX_TURN_URLS = 8;

/**
 * What STUN and TURN servers add to the candidates of our end, for one viewer. It stands in for werift's own part (0.24.4),
 * which knows one TURN URL, does not pair a relay that is there later than the viewer's candidates, takes another relay with
 * each ICE restart without giving one back, and leaves reflexive addresses out of the restart.
 */
export class IceServerGathering {
  readonly #ice: IceConnectionInternals;
  #servers: readonly IceServerOption[] = [];
  #relay: TurnAllocation | undefined;
  /** That of before an ICE restart, which is not over. */
  #retired: TurnAllocation | undefined;
  #closed = false;

  readonly #parameters: IceServerGatheringParameters;
  /**
   * @param connection - of a werift `RTCIceTransport`, before it gathers
   * @throws StreamKitError `internal` where werift is not as it is known here
   */
  constructor(connection: unknown, parameters: IceServerGatheringParameters) {
    this.#parameters = parameters;
    const ice = asKnownConnection(connection);
    this.#ice = ice;
    const gather = ice.getCandidatePromises.bind(ice);
    ice.getCandidatePromises = (addresses, timeoutSeconds) => {
      const kept = [...ice.protocols];
      return [
        ...gather(addresses, timeoutSeconds),
        ...kept.map((protocol) => this.#reflectAgain(protocol)),
        this.#gatherRelay(),
      ];
    };
    this.use([]);
  }

  /** The servers to use from the next gathering on. */
  use(servers: readonly IceServerOption[]): void {
    this.#servers = servers;
    const ice = this.#ice;
    // Where none is named werift asks a public one.
    const stun = locationsOf(servers).find(({ location }) => location.kind === 'stun')?.location;
    ice.stunServer = stun === undefined ? undefined : [stun.host, stun.port];
    ice.turnServer = undefined;
  }

  /**
   * Before a restart gathers: the browser takes new relays too, and the credentials of this one may have ended. If the media plane
   * sends over it, it goes on to do so until there is another way; see {@link connected}.
   */
  dropRelay(): void {
    const relay = this.#relay;
    const ice = this.#ice;
    this.#relay = undefined;
    if (relay === undefined) return;
    ice.protocols = ice.protocols.filter((protocol) => protocol !== relay.protocol);
    // One that is retired already still has the media: there has been no other pair since.
    if (relay.isOnPlane && this.#retired === undefined) this.#retired = relay;
    else void relay.close();
  }

  /** There is a pair since the last restart: the relay of before is given back. */
  connected(): void {
    void this.#closeRetired();
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#relay?.close(), this.#closeRetired()]);
  }

  /** After an ICE restart werift tells of the host candidates of the sockets that it has kept, and of nothing else. */
  async #reflectAgain(protocol: IceConnectionInternals['protocols'][number]): Promise<void> {
    const ice = this.#ice;
    const { type, transport } = protocol.localCandidate ?? {};
    if (ice.stunServer === undefined || type !== 'host' || transport !== 'udp') return;
    const { generation } = ice;
    try {
      const candidate = await serverReflexiveCandidate(protocol as never, ice.stunServer);
      if (candidate === undefined || this.#closed || ice.generation !== generation) return;
      candidate.ufrag = ice.localUsername;
      candidate.generation = generation;
      ice.appendLocalCandidate(candidate);
    } catch {
      // It has no answer for this socket.
    }
  }

  async #gatherRelay(): Promise<void> {
    const ice = this.#ice;
    const { generation } = ice;
    for (const server of turnServersOf(this.#servers).slice(0, MAX_TURN_URLS)) {
      let relay: TurnAllocation;
      try {
        const { localAddress, clock, openRelaySocket: openSocket } = this.#parameters;
        const timeoutMs = ALLOCATION_TIMEOUT_MS;
        relay = await TurnAllocation.open(server, { localAddress, timeoutMs, clock, openSocket });
      } catch (thrown) {
        const { host, port, transport } = server;
        const reason = reasonOf(thrown);
        this.#parameters.logger.warn(
          { host, port, transport, reason },
          'a TURN server gave no relay address',
        );
        if (this.#closed || ice.generation !== generation) return;
        continue;
      }
      // The viewer has gone, or ICE was restarted, which gathers anew.
      if (this.#closed || ice.generation !== generation) await relay.close();
      else this.#announce(relay, server);
      return;
    }
  }

  #announce(relay: TurnAllocation, server: TurnServer): void {
    const ice = this.#ice;
    const { relayedAddress, mappedAddress } = relay.turn;
    const { protocol } = relay;
    this.#relay = relay;
    relay.onEnded = (reason) => this.#onEnded(relay, server, reason);
    protocol.localCandidate = new Candidate(
      candidateFoundation('relay', 'udp', relayedAddress[0]),
      1,
      'udp',
      candidatePriority('relay'),
      ...relayedAddress,
      'relay',
      ...mappedAddress,
      undefined,
      ice.generation,
      ice.localUsername,
    );
    ice.ensureProtocol(protocol);
    ice.protocols.push(protocol);
    ice.appendLocalCandidate(protocol.localCandidate);
    // The viewer's candidates may all have come while the server was being asked.
    ice.pairLocalProtocol(protocol);
  }

  /** What goes over it has no way any more. */
  #onEnded(relay: TurnAllocation, { host, port, transport }: TurnServer, reason: string): void {
    const ice = this.#ice;
    this.#parameters.logger.warn({ host, port, transport, reason }, 'a relay address has ended');
    if (this.#retired === relay) this.#retired = undefined;
    if (this.#relay === relay) this.#relay = undefined;
    ice.protocols = ice.protocols.filter((protocol) => protocol !== relay.protocol);
    if (this.#closed || ice.nominated?.protocol !== relay.protocol) return;
    ice.stopConsentLifecycle();
    ice.setState('failed');
  }

  async #closeRetired(): Promise<void> {
    const retired = this.#retired;
    this.#retired = undefined;
    await retired?.close();
  }
}

function locationsOf(
  servers: readonly IceServerOption[],
): { readonly location: IceServerLocation; readonly server: IceServerOption }[] {
  return servers.flatMap((server) =>
    (typeof server.urls === 'string' ? [server.urls] : server.urls).flatMap((url) => {
      const location = readIceServerUrl(url);
      return location === undefined ? [] : [{ location, server }];
    }),
  );
}

function turnServersOf(servers: readonly IceServerOption[]): TurnServer[] {
  return locationsOf(servers).flatMap(({ location, server: { username, credential } }) =>
    location.kind === 'turn' && username !== undefined && credential !== undefined
      ? [{ ...location, username, credential }]
      : [],
  );
}
