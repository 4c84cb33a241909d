import type { PeerPath } from '../protocol/session-diagnostics.js';
import { randomInt } from 'node:crypto';

import { type Clock, systemClock, type Timer } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import { SerialQueue } from '../base/serial-queue.js';
import type { ConsumerParameters } from '../fanout/media-plane.js';
import {
  answerForOwnPeer,
  answerForPlayer,
  fragmentForPlayer,
  type OwnOffer,
  readOwnOffer,
} from './sdp/player-answer.js';
import { type PlayerMedia, type PlayerOffer, readPlayerOffer } from './sdp/player-offer.js';
import { readFragment } from './sdp/sdp-fragment.js';
import type {
  AnsweringPeer,
  AnsweringPeerParameters,
  ConnectedMedia,
  IceCandidateInit,
  OpenAnsweringPeer,
  OpenViewerPeer,
  ViewerPeer,
  ViewerPeerListener,
} from './viewer-peer.js';

/** How long an answer waits for candidates: all that it has are in it. Addresses of our own take some ms. */
const GATHERING_LIMIT_MS = 2000;
const MAX_SESSION_ID = 2 ** 31;

/** Makes peers that answer, of such that offer. */
export function createAnsweringPeerFactory(
  openViewerPeer: OpenViewerPeer,
  clock: Clock = systemClock,
): OpenAnsweringPeer {
  return (parameters, listener) => new WhepPeer(openViewerPeer, parameters, listener, clock);
}

/**
 * Answers a player by a peer that offers. The two descriptions are turned round: what the player asks for is told to
 * our peer as an answer to the offer that it has made, and what that offer says of our side is told to the player as
 * the answer to its own. From there on a player is a viewer like any other.
 */
class WhepPeer implements AnsweringPeer {
  readonly #offer: PlayerOffer;
  readonly #peer: ViewerPeer;
  readonly #listener: ViewerPeerListener;
  readonly #clock: Clock;
  #own: OwnOffer | undefined;
  #remoteUfrag: string;
  #candidates: string[] = [];
  #onGathered: () => void = () => undefined;
  #gathered: Promise<void> = Promise.resolve();
  #answer: Promise<string> | undefined;
  /** What the player asks for, one after the other. */
  readonly #work = new SerialQueue();

  constructor(
    openViewerPeer: OpenViewerPeer,
    parameters: AnsweringPeerParameters,
    listener: ViewerPeerListener,
    clock: Clock,
  ) {
    const { offer, videoCodecs, audio, ...rest } = parameters;
    this.#offer = readPlayerOffer(offer, videoCodecs, audio);
    this.#remoteUfrag = this.#offer.transport.iceUfrag;
    this.#listener = listener;
    this.#clock = clock;
    const { videoCodec } = this.#offer;
    // RFC 8445 section 6.1.1: the side that offers controls.
    const own = { ...rest, videoCodecs: [videoCodec], audio: this.#offer.audio !== null };
    this.#peer = openViewerPeer(
      { ...own, iceRole: 'controlled' },
      {
        onOffer: (sdp) => this.#onOwnOffer(sdp),
        onIceCandidate: (candidate) => this.#onOwnCandidate(candidate),
        onConnected: (media) => listener.onConnected(this.#asPlayerHasIt(media)),
        onIceStateChange: (state) => listener.onIceStateChange(state),
        onLeft: () => listener.onLeft(),
        onFailed: (error) => listener.onFailed(error),
      },
    );
  }

  get path(): PeerPath {
    return this.#peer.path;
  }

  async start(): Promise<void> {
    this.#answer ??= this.#negotiate();
    await this.#answer;
  }

  answer(): Promise<string> {
    this.#answer ??= this.#negotiate();
    return this.#answer;
  }

  isRestart(fragment: string): boolean {
    const { credentials } = readFragment(fragment);
    return credentials !== undefined && credentials.iceUfrag !== this.#remoteUfrag;
  }

  trickle(fragment: string): Promise<void> {
    return this.#work.run(async () => {
      for (const candidate of readFragment(fragment).candidates) await this.addIceCandidate({ candidate });
    });
  }

  restart(fragment: string): Promise<string> {
    return this.#work.run(async () => {
      const { credentials, candidates } = readFragment(fragment);
      if (credentials === undefined) {
        throw new StreamKitError('unprocessable', 'The SDP fragment has no ICE credentials');
      }
      await this.#peer.restartIce();
      const own = await this.#gatheredOffer();
      const transport = { ...this.#offer.transport, ...credentials };
      await this.#peer.acceptAnswer(answerForOwnPeer(own, this.#offer, transport, candidates));
      this.#remoteUfrag = credentials.iceUfrag;
      return fragmentForPlayer(own, this.#offer, this.#candidates);
    });
  }

  acceptAnswer(): Promise<void> {
    return Promise.reject(new StreamKitError('conflict', 'A player makes the offer'));
  }

  addIceCandidate(candidate: IceCandidateInit | null): Promise<void> {
    return this.#peer.addIceCandidate(candidate);
  }

  restartIce(): Promise<void> {
    return Promise.reject(new StreamKitError('conflict', 'A player restarts ICE by itself'));
  }

  close(): Promise<void> {
    this.#onGathered();
    return this.#peer.close();
  }

  async #negotiate(): Promise<string> {
    await this.#peer.start();
    const own = await this.#gatheredOffer();
    const { transport, candidates } = this.#offer;
    await this.#peer.acceptAnswer(answerForOwnPeer(own, this.#offer, transport, candidates));
    return answerForPlayer(own, this.#offer, this.#candidates, randomInt(1, MAX_SESSION_ID));
  }

  #onOwnOffer(sdp: string): void {
    this.#own = readOwnOffer(sdp);
    this.#candidates = [];
    this.#gathered = new Promise((resolve) => {
      this.#onGathered = resolve;
    });
  }

  #onOwnCandidate(candidate: IceCandidateInit | null): void {
    if (candidate?.candidate !== undefined) {
      this.#candidates.push(candidate.candidate);
    } else if (candidate === null) {
      this.#onGathered();
      this.#listener.onIceCandidate(null);
    }
  }

  async #gatheredOffer(): Promise<OwnOffer> {
    let limit: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      limit = this.#clock.after(GATHERING_LIMIT_MS, resolve);
    });
    await Promise.race([this.#gathered, late]);
    limit?.cancel();
    if (this.#own === undefined) {
      throw new StreamKitError('unavailable', 'The peer has been closed');
    }
    return this.#own;
  }

  #asPlayerHasIt(media: ConnectedMedia): ConnectedMedia {
    const { video, audio } = this.#offer;
    return {
      ...media,
      video: numbered(media.video, video),
      audio: media.audio === null || audio === null ? null : numbered(media.audio, audio),
    };
  }
}

/** Sources and timing are our peer's, numbers are those of the player's offer. */
function numbered(parameters: ConsumerParameters, media: PlayerMedia): ConsumerParameters {
  const { payloadType, rtxPayloadType, redPayloadType, fecPayloadType, packetTimeMaxMs } = media;
  const { mid, headerExtensions } = media;
  // Our own peer takes RED and FlexFEC; the player may not.
  const { redPayloadType: _red, fecPayloadType: _fec, ...own } = parameters;
  return {
    ...own,
    payloadType,
    mid,
    headerExtensions,
    ...(rtxPayloadType === undefined ? {} : { rtxPayloadType }),
    ...(redPayloadType === undefined ? {} : { redPayloadType }),
    ...(fecPayloadType === undefined ? {} : { fecPayloadType }),
    ...(packetTimeMaxMs === undefined ? {} : { packetTimeMaxMs }),
  };
}
