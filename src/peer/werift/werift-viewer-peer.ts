import type { PeerPath } from '../../protocol/session-diagnostics.js';
import type { RTCDtlsTransport, RTCIceTransport } from 'werift';

import { type Clock, systemClock, type Timer } from '../../base/clock.js';
import { asError, StreamKitError } from '../../base/errors.js';
import type { IceEndpoint, MediaPlane, MediaTransport } from '../../fanout/media-plane.js';
import type { IceServerOption } from '../../options/ice-server-options.js';
import type { Logger } from '../../base/logger.js';
import { announceCandidate, readCandidate } from '../ice/ice-candidate.js';
import { keepGenerationsApart } from '../ice/ice-generation.js';
import { IceServerGathering } from '../ice/ice-server-gathering.js';
import { consumerParametersOf } from '../consumer-parameters.js';
import { chooseSources, type OfferedSources } from '../sdp/offered-sources.js';
import { peerPath } from '../peer-path.js';
import { type AcceptedAnswer, readAnswer, sameMedia } from '../sdp/sdp-answer.js';
import { sameDtls } from '../sdp/sdp-transport.js';
import { writeOffer } from '../sdp/viewer-offer.js';
import type {
  IceCandidateInit,
  OpenViewerPeer,
  ViewerPeer,
  ViewerPeerListener,
  ViewerPeerParameters,
} from '../viewer-peer.js';
import { soleAddress, WeriftConnection } from './werift-connection.js';
import { PlaneDtls } from './plane-dtls.js';
import { prepareCertificate, WeriftHandshake } from './werift-handshake.js';
import { takeControlledRole } from './werift-ice-role.js';
import { admitSources } from './werift-sources.js';
import { WeriftInputChannel } from './werift-input-channel.js';
import { installUdpTransports, SharedPortIce } from './werift-udp-transport.js';
import { installStunMessages } from './werift-stun.js';
import { installX25519 } from './werift-x25519.js';

export interface ViewerPeerFactoryOptions {
  readonly mediaPlane: MediaPlane;
  readonly logger: Logger;
  /** Address that ICE binds to. Default: every address of the machine, or loopback where it has no other. */
  readonly listenAddress?: string | undefined;
  /** Addresses to announce instead of the local ones (1:1 NAT). */
  readonly announcedAddresses?: readonly string[];
  /** Viewers may hold pictures back for sound. */
  readonly holdsPictures: boolean;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** From the answer, or the answer to an ICE restart, to a connection; ms, default 30 000. */
  readonly connectTimeoutMs?: number;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 30_000;
/** Candidates that wait for the answer; more are dropped. */
const MAX_QUEUED_CANDIDATES = 64;
/** Candidates of one viewer between two answers. */
const MAX_CANDIDATES = 256;
/** How long close() waits for gathering, whose sockets are opened one by one. */
const GATHERING_GRACE_MS = 1000;

/** Makes viewer peers on werift whose media goes through `mediaPlane`. */
export function createViewerPeerFactory(options: ViewerPeerFactoryOptions): OpenViewerPeer {
  installUdpTransports();
  installX25519(options.logger);
  installStunMessages(options.logger);
  prepareCertificate();
  return (parameters, listener) => new WeriftViewerPeer(options, parameters, listener);
}

class WeriftViewerPeer implements ViewerPeer {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #connection: WeriftConnection;
  readonly #iceTransport: RTCIceTransport;
  readonly #dtlsTransport: RTCDtlsTransport;
  readonly #handshake: WeriftHandshake;
  /** Where the media plane has a UDP port of its own. */
  readonly #endpoint: IceEndpoint | undefined;
  readonly #sharedPort: SharedPortIce | undefined;
  readonly #gathering: IceServerGathering;
  #negotiation: 'new' | 'offering' | 'offered' | 'stable' = 'new';
  #offers = 0;
  #offerSdp = '';
  /** The same in every offer. */
  readonly #sources: OfferedSources;
  /** Transport addresses of this offer's candidates that stand for others. */
  readonly #announced = new Set<string>();
  #accepted: AcceptedAnswer | undefined;
  #gathered: Promise<unknown> = Promise.resolve();
  #queuedCandidates: string[] = [];
  #candidatesTaken = 0;
  #connectTimer: Timer | undefined;
  #mediaTransport: MediaTransport | undefined;
  #iceState = 'new';
  #closing: Promise<void> | undefined;

  readonly #options: ViewerPeerFactoryOptions;
  readonly #parameters: ViewerPeerParameters;
  readonly #listener: ViewerPeerListener;
  constructor(
    options: ViewerPeerFactoryOptions,
    parameters: ViewerPeerParameters,
    listener: ViewerPeerListener,
  ) {
    this.#options = options;
    this.#parameters = parameters;
    this.#listener = listener;
    if (parameters.videoCodecs.length === 0) {
      throw new StreamKitError('bad_option', 'Expected at least one video codec to offer');
    }
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger.child({ ...parameters.logContext });
    this.#connection = new WeriftConnection(options.listenAddress);
    this.#sources = chooseSources(parameters.simulcast ?? []);
    this.#iceTransport = this.#connection.iceTransport;
    this.#dtlsTransport = this.#connection.dtlsTransport;
    if (parameters.iceRole === 'controlled') {
      takeControlledRole(this.#iceTransport.connection);
    }
    this.#endpoint = options.mediaPlane.openIceEndpoint?.();
    this.#sharedPort =
      this.#endpoint === undefined
        ? undefined
        : new SharedPortIce(this.#iceTransport.connection, this.#endpoint, this.#clock);
    keepGenerationsApart(this.#iceTransport.connection);
    admitSources(this.#iceTransport.connection, this.#sharedPort === undefined ? 'everywhere' : 'on relays');
    this.#gathering = new IceServerGathering(this.#iceTransport.connection, {
      localAddress: options.listenAddress ?? soleAddress(),
      openRelaySocket: (...to) => this.#sharedPort?.openRelaySocket(...to),
      clock: this.#clock,
      logger: this.#logger,
    });
    this.#gathering.use(parameters.iceServers);
    this.#handshake = new WeriftHandshake(this.#dtlsTransport, this.#clock);
    if (this.#sharedPort !== undefined) {
      new PlaneDtls(this.#dtlsTransport, this.#sharedPort, this.#logger);
    }
    if (parameters.input === true) {
      new WeriftInputChannel(this.#connection.openDataChannel('input'), listener, this.#clock, this.#logger);
    }
    this.#listen();
  }

  get path(): PeerPath {
    return peerPath(this.#iceState, this.#iceTransport);
  }

  async start(): Promise<void> {
    if (this.#negotiation !== 'new' || this.#closing !== undefined) {
      throw new StreamKitError('conflict', 'The peer has been started already');
    }
    await this.#offer(false);
  }

  async acceptAnswer(sdp: string): Promise<void> {
    if (this.#negotiation !== 'offered' || this.#closing !== undefined) {
      throw new StreamKitError('conflict', 'There is no offer to answer');
    }
    const answer = readAnswer(sdp, this.#offerSdp);
    if (this.#accepted !== undefined && !sameMedia(this.#accepted, answer)) {
      throw new StreamKitError('unprocessable', 'The answer to an ICE restart changes the media');
    }
    if (this.#accepted !== undefined && !sameDtls(this.#accepted.transport, answer.transport)) {
      const message = 'The answer to an ICE restart changes the DTLS role or certificate; connect anew';
      throw new StreamKitError('unprocessable', message);
    }
    this.#connection.accept(answer.transport);
    this.#accepted ??= answer;
    this.#negotiation = 'stable';
    this.#candidatesTaken = 0;
    this.#startConnectTimer();
    const candidates = [...answer.candidates, ...this.#queuedCandidates];
    this.#queuedCandidates = [];
    await Promise.all(candidates.map((candidate) => this.#apply(candidate)));
    this.#connection.connect().catch((error: unknown) => {
      this.#fail('The connection to the viewer failed', error);
    });
  }

  async addIceCandidate(candidate: IceCandidateInit | null): Promise<void> {
    // The end of candidates is not passed on: werift would then give up at once where all candidates were names,
    // although the viewer's own checks are still to come.
    if (candidate === null || (candidate.candidate ?? '') === '') {
      return;
    }
    const usable = readCandidate(candidate.candidate ?? '');
    if (usable === undefined || this.#closing !== undefined) {
      return;
    }
    if (this.#negotiation === 'stable') {
      await this.#apply(usable);
    } else if (this.#queuedCandidates.length < MAX_QUEUED_CANDIDATES) {
      this.#queuedCandidates.push(usable);
    } else {
      this.#logger.debug({ limit: MAX_QUEUED_CANDIDATES }, 'addIceCandidate() | too many before the answer');
    }
  }

  async restartIce(renewIceServers?: () => Promise<readonly IceServerOption[]>): Promise<void> {
    if (this.#negotiation !== 'stable' || this.#mediaTransport === undefined || this.#closing !== undefined) {
      throw new StreamKitError('conflict', 'ICE can be restarted once the viewer is connected');
    }
    this.#negotiation = 'offering';
    const iceServers = await renewIceServers?.();
    if (this.#isClosing()) {
      return;
    }
    if (iceServers !== undefined) {
      this.#gathering.use(iceServers);
    }
    this.#gathering.dropRelay();
    await this.#offer(true);
  }

  close(): Promise<void> {
    this.#closing ??= this.#shut();
    return this.#closing;
  }

  #listen(): void {
    this.#connection.listenToCandidates((candidate) => {
      if (this.#closing !== undefined) {
        return;
      }
      if (candidate === null) {
        this.#listener.onIceCandidate(null);
        return;
      }
      const { announcedAddresses = [] } = this.#options;
      for (const announced of announceCandidate(candidate, announcedAddresses, this.#announced)) {
        this.#listener.onIceCandidate(announced);
      }
    });
    this.#iceTransport.onStateChange.subscribe((state) => {
      this.#onIceState(state);
    });
    this.#dtlsTransport.onStateChange.subscribe((state) => {
      if (state === 'connected') {
        this.#onDtlsConnected();
      } else if (state === 'closed') {
        this.#leave();
      } else if (state === 'failed') {
        this.#fail('The DTLS handshake failed');
      }
    });
  }

  async #offer(iceRestart: boolean): Promise<void> {
    this.#negotiation = 'offering';
    this.#announced.clear();
    const transport = await this.#connection.describe(iceRestart);
    if (this.#closing !== undefined) {
      return;
    }
    const { videoCodecs, audio, input = false, simulcast: rids = [] } = this.#parameters;
    const sources = this.#sources;
    const sdp = writeOffer({ version: this.#offers, videoCodecs, audio, input, rids, sources, transport });
    this.#offers += 1;
    this.#offerSdp = sdp;
    this.#negotiation = 'offered';
    // Candidates follow the offer as they are found.
    this.#gathered = Promise.resolve()
      .then(() => this.#connection.gather())
      .catch((error: unknown) => {
        this.#fail('No candidates can be gathered', error);
      });
    this.#listener.onOffer(sdp);
  }

  async #apply(candidate: string): Promise<void> {
    if (this.#candidatesTaken >= MAX_CANDIDATES || this.#closing !== undefined) {
      return;
    }
    this.#candidatesTaken += 1;
    try {
      await this.#connection.addCandidate(candidate);
    } catch (error) {
      throw new StreamKitError('unprocessable', 'The ICE candidate cannot be used', { cause: error });
    }
  }

  #onIceState(state: string): void {
    const nominated = this.#iceTransport.connection.nominated !== undefined;
    // werift says "completed" when gathering ends, connected or not.
    const shown = state === 'completed' ? (nominated ? 'connected' : this.#iceState) : state;
    if (shown === this.#iceState || this.#closing !== undefined) {
      return;
    }
    this.#iceState = shown;
    switch (shown) {
      case 'checking':
      case 'disconnected':
        this.#listener.onIceStateChange(shown);
        break;
      case 'connected':
        this.#gathering.connected();
        if (this.#mediaTransport !== undefined) {
          this.#stopConnectTimer();
        }
        this.#listener.onIceStateChange(shown);
        break;
      case 'failed':
        this.#listener.onIceStateChange(shown);
        this.#fail('No path to the viewer works');
        break;
      default:
        break;
    }
  }

  #onDtlsConnected(): void {
    const accepted = this.#accepted;
    if (this.#mediaTransport !== undefined || accepted === undefined || this.#closing !== undefined) {
      return;
    }
    this.#stopConnectTimer();
    try {
      this.#mediaTransport = this.#options.mediaPlane.createTransport(
        this.#dtlsTransport,
        this.#sharedPort?.choosePath(),
        this.#parameters.logContext,
      );
    } catch (error) {
      this.#fail('The media transport cannot be opened', error);
      return;
    }
    const { videoCodec } = accepted;
    const { holdsPictures } = this.#options;
    const consumers = consumerParametersOf(accepted, holdsPictures, this.#sources);
    this.#listener.onConnected({ transport: this.#mediaTransport, videoCodec, ...consumers });
  }

  #startConnectTimer(): void {
    this.#stopConnectTimer();
    const timeoutMs = this.#options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    this.#connectTimer = this.#clock.after(timeoutMs, () => {
      this.#fail('The viewer did not connect in time');
    });
  }

  #stopConnectTimer(): void {
    this.#connectTimer?.cancel();
    this.#connectTimer = undefined;
  }

  #isClosing(): boolean {
    return this.#closing !== undefined;
  }

  #leave(): void {
    if (this.#endByItself()) {
      this.#listener.onLeft();
    }
  }

  #fail(message: string, cause?: unknown): void {
    if (this.#endByItself()) {
      this.#logger.debug({ ...(cause === undefined ? {} : { err: asError(cause) }) }, `fail() | ${message}`);
      this.#listener.onFailed(new StreamKitError('unavailable', message, { cause }));
    }
  }

  /** @returns false where the end has begun already. */
  #endByItself(): boolean {
    if (this.#closing !== undefined) {
      return false;
    }
    this.close().catch((error: unknown) => {
      this.#logger.warn({ err: asError(error) }, 'close() | the peer did not close cleanly');
    });
    return true;
  }

  async #shut(): Promise<void> {
    this.#stopConnectTimer();
    this.#queuedCandidates = [];
    try {
      // Its BYE needs the transport.
      this.#mediaTransport?.close();
      await this.#gathering.close();
      await this.#connection.close();
      // A socket that gathering opened meanwhile belongs to nobody but the ICE connection.
      await this.#gatheringEnded();
      await this.#iceTransport.connection.close();
    } finally {
      this.#handshake.end();
      this.#endpoint?.close();
      this.#listener.onIceStateChange('closed');
    }
  }

  async #gatheringEnded(): Promise<void> {
    let grace: Timer | undefined;
    const graceOver = new Promise<void>((resolve) => {
      grace = this.#clock.after(GATHERING_GRACE_MS, resolve);
    });
    await Promise.race([this.#gathered, graceOver]);
    grace?.cancel();
  }
}
