import type { Clock } from '../base/clock.js';
import { abortingAfter, settlesWithin } from '../base/deadline.js';
import { StreamKitError } from '../base/errors.js';
import { MAX_CANDIDATES } from '../peer/sdp/sdp-answer.js';
import { candidateFragment, withCandidates } from '../peer/sdp/candidate-lines.js';
import type {
  ConnectedMedia,
  IceCandidateInit,
  OpenViewerPeer,
  ViewerPeer,
  ViewerPeerParameters,
} from '../peer/viewer-peer.js';
import type { PeerPath } from '../protocol/session-diagnostics.js';
import { PublicationFailure } from './publication-failure.js';
import type { WhipEndpoint, WhipResource } from './whip-endpoint.js';

export interface WhipConnectionParameters {
  readonly openPeer: OpenViewerPeer;
  readonly peer: ViewerPeerParameters;
  readonly endpoint: Pick<WhipEndpoint, 'publish'>;
  /** Gives up telling the endpoint of the end. */
  readonly hurry: AbortSignal;
  readonly clock: Clock;
}

export interface WhipConnectionListener {
  /** ICE and DTLS are up. At most once. */
  onConnected(media: ConnectedMedia): void;
  /** The endpoint has answered. At most once. */
  onResource(resource: WhipResource): void;
  /** It cannot go on, and is to be closed. At most once. */
  onFailed(failure: PublicationFailure): void;
}

/** How long the offer waits for candidates: those of our own addresses take some ms. Later ones are trickled. */
const GATHERING_LIMIT_MS = 1500;
/** From the start to a connection. */
const CONNECT_TIMEOUT_MS = 20_000;
/** What telling the endpoint of the end may take: the name, TCP, TLS and redirects once more. */
const DELETE_TIMEOUT_MS = 5000;

/** One attempt to publish, and the connection that comes of it: our peer offers, a WHIP endpoint answers. */
export class WhipConnection {
  readonly #parameters: WhipConnectionParameters;
  readonly #listener: WhipConnectionListener;
  readonly #peer: ViewerPeer;
  readonly #abort = new AbortController();
  #offer = '';
  #candidates: string[] = [];
  #isGathered = false;
  #onGathered: () => void = () => undefined;
  #isOver = false;
  #isConnected = false;
  #resource: WhipResource | undefined;
  #opening: Promise<void> = Promise.resolve();
  #trickling: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parameters: WhipConnectionParameters, listener: WhipConnectionListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    this.#peer = parameters.openPeer(parameters.peer, {
      onOffer: (sdp) => void (this.#offer = sdp),
      onIceCandidate: (candidate) => this.#onCandidate(candidate),
      onConnected: (media) => {
        this.#isConnected = true;
        if (!this.#isOver) listener.onConnected(media);
      },
      onIceStateChange: () => undefined,
      onLeft: () => this.#fail(new PublicationFailure('The endpoint has closed the connection')),
      onFailed: (cause) =>
        this.#fail(new PublicationFailure('The connection to the endpoint failed', { cause })),
    });
  }

  get path(): PeerPath {
    return this.#peer.path;
  }

  /** Begins. Once. */
  open(): void {
    this.#opening = this.#open().catch((thrown: unknown) => this.#fail(failureOf(thrown)));
  }

  /** Tells the endpoint, for a while, and closes the peer. Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#isOver = true;
    this.#abort.abort();
    this.#onGathered();
    await Promise.all([this.#peer.close().catch(() => undefined), this.#delete()]);
  }

  async #delete(): Promise<void> {
    await this.#opening;
    await this.#trickling;
    const resource = this.#resource;
    if (resource === undefined) return;
    const { clock, hurry } = this.#parameters;
    await abortingAfter(clock, DELETE_TIMEOUT_MS, hurry, (until) => resource.delete(until));
  }

  async #open(): Promise<void> {
    const { clock, endpoint } = this.#parameters;
    const { signal } = this.#abort;
    const late = clock.after(CONNECT_TIMEOUT_MS, () => {
      if (!this.#isConnected) this.#fail(new PublicationFailure('The endpoint did not connect in time'));
    });
    signal.addEventListener('abort', () => late.cancel());
    const gathered = new Promise<void>((resolve) => {
      this.#onGathered = resolve;
    });
    await this.#peer.start();
    await settlesWithin(clock, GATHERING_LIMIT_MS, this.#isGathered ? Promise.resolve() : gathered);
    signal.throwIfAborted();
    const sent = this.#candidates.splice(0);
    const resource = await endpoint.publish(withCandidates(this.#offer, sent, this.#isGathered), signal);
    this.#resource = resource;
    if (this.#isOver) return;
    this.#listener.onResource(resource);
    await this.#peer.acceptAnswer(resource.answer);
    this.#trickle();
  }

  #onCandidate(candidate: IceCandidateInit | null): void {
    if (candidate === null) this.#isGathered = true;
    else if (candidate.candidate !== undefined && this.#candidates.length < MAX_CANDIDATES) {
      this.#candidates.push(candidate.candidate);
    }
    if (candidate === null) this.#onGathered();
    this.#trickle();
  }

  /** Sends what has come since the offer, one fragment after the other. An endpoint that takes none is asked no more. */
  #trickle(): void {
    const resource = this.#resource;
    if (resource === undefined || this.#trickling !== undefined || this.#candidates.length === 0) return;
    const candidates = this.#candidates.splice(0);
    const fragment = candidateFragment(this.#offer, candidates, this.#isGathered);
    this.#trickling = resource.trickle(fragment, this.#abort.signal).then((isTaken) => {
      if (!isTaken) return;
      this.#trickling = undefined;
      this.#trickle();
    });
  }

  #fail(failure: PublicationFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onFailed(failure);
  }
}

function failureOf(thrown: unknown): PublicationFailure {
  if (thrown instanceof PublicationFailure) return thrown;
  // Of the answer: it names what is wrong with it.
  const isAnswer = thrown instanceof StreamKitError && thrown.code === 'unprocessable';
  const message = isAnswer ? thrown.message : 'The connection to the endpoint could not be opened';
  return new PublicationFailure(message, { isFinal: isAnswer, cause: thrown });
}
