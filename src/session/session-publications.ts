import { randomUUID } from 'node:crypto';

import { settlesWithin } from '../base/deadline.js';
import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import { BITRATE_BOUNDS_BPS } from '../options/stream-kit-options.js';
import {
  expectation,
  isEndpoint,
  isPlainObject,
  isToken,
  MAX_ENDPOINT_CHARACTERS,
  MAX_TOKEN_CHARACTERS,
  refuseUnknownKeys,
} from '../options/option-checks.js';
import {
  isPushUrl,
  shownOrigin,
  type PublicationInfo,
  type PublicationRequest,
} from '../protocol/publications.js';
import type { MediaDiagnostics, PublicationDiagnostics } from '../protocol/session-diagnostics.js';
import { ROUTES } from '../protocol/routes.js';
import type { PublicationState } from '../protocol/state-document.js';
import { isVideoCodec, type VideoCodec } from '../protocol/video-codecs.js';
import type { Publication } from '../publish/publication.js';
import type { MediaShare } from './media-share.js';
import { codecsAmong, codecsToOffer, type RenderOptions } from './render-options.js';
import { NO_SHARE } from './session-diagnostics.js';
import type { SessionMedia } from './session-media.js';
import type { SessionParts } from './session-parts.js';

export interface SessionPublicationsParameters {
  readonly streamId: string;
  readonly parts: Pick<SessionParts, 'clock' | 'observe' | 'publishing'>;
  readonly renderOptions: Pick<RenderOptions, 'videoCodecs' | 'audio'>;
  /** @throws StreamKitError `unavailable` before the page is captured, `conflict` after the end. */
  readonly media: () => SessionMedia;
  readonly logger: Logger;
}

/** Finds our own ICE servers for one publication; never rejects. */
export type FindPublicationServers = () => Promise<readonly IceServerOption[]>;

/** What one is sent. */
interface PublicationShare extends Pick<MediaShare, 'close'> {
  diagnostics(): Omit<MediaDiagnostics, 'media' | 'ice'> & Pick<PublicationDiagnostics, 'layers'>;
}

interface Entry {
  readonly publication: Publication<PublicationShare>;
  readonly info: Pick<PublicationInfo, 'publicationId' | 'origin' | 'startTime'>;
  readonly request: PublicationRequest;
  /** It begins anew where the session moves to. */
  readonly moves: boolean;
}

/** How long ending one is waited for: an endpoint of WHIP has 5 s. */
const END_LIMIT_MS = 6000;
/** How many forgotten publications may still close: a hostile server of SRT can keep the thread of each busy for long. */
const MAX_LEAVING = 8;

/** What one session is published to. */
export class SessionPublications {
  readonly #parameters: SessionPublicationsParameters;
  readonly #onChange: () => void;
  /** In the order in which they were begun. */
  readonly #entries = new Map<string, Entry>();
  /** Those that are forgotten and still close. */
  readonly #leaving = new Set<Publication<PublicationShare>>();

  /** @param onChange - one has begun, ended or changed. */
  constructor(parameters: SessionPublicationsParameters, onChange: () => void) {
    this.#parameters = parameters;
    this.#onChange = onChange;
  }

  /** One needs the session. */
  get isActive(): boolean {
    return [...this.#entries.values()].some(({ publication }) => publication.isActive);
  }

  /** One is sent media. */
  get isLive(): boolean {
    return [...this.#entries.values()].some(({ publication }) => publication.status === 'live');
  }

  /** What those are asked for with that begin anew where the session moves to; their tokens are secrets. */
  get requests(): PublicationRequest[] {
    const all = [...this.#entries.values()];
    return all.flatMap(({ publication, request, moves }) => (moves && publication.isActive ? [request] : []));
  }

  /** What the state document says of them. */
  get states(): PublicationState[] {
    return [...this.#entries.values()].map(({ publication: { status, error }, info }) => ({
      publicationId: info.publicationId,
      status,
      startTime: info.startTime,
      ...(error === undefined ? {} : { errorCode: error.code }),
    }));
  }

  diagnostics(): PublicationDiagnostics[] {
    return [...this.#entries.values()].map(({ publication, info }) => ({
      publicationId: info.publicationId,
      status: publication.status,
      attempts: publication.attempts,
      media: publication.status === 'live' ? 'connected' : publication.isActive ? 'negotiating' : 'closed',
      ice: publication.path,
      ...(publication.share?.diagnostics() ?? NO_SHARE),
    }));
  }

  list(): PublicationInfo[] {
    return [...this.#entries.values()].map((entry) => this.#infoOf(entry));
  }

  /** @throws StreamKitError `no_such_publication`. */
  get(publicationId: string): PublicationInfo {
    return this.#infoOf(this.#find(publicationId));
  }

  /**
   * Begins to publish.
   *
   * @param moves - it begins anew at the server to which the session moves. Default true.
   * @throws StreamKitError `not_found` without the option, `bad_request`, `bad_target_url`, `conflict` for a codec that the session
   * does not have and after the end, `unavailable` before the page is captured, `at_capacity`.
   */
  start(body: unknown, findIceServers: FindPublicationServers, moves = true): PublicationInfo {
    const { streamId, parts, renderOptions, logger } = this.#parameters;
    const { publishing, clock, observe } = parts;
    if (publishing === undefined) throw new StreamKitError('not_found', 'There is no option publications');
    const { url, token, videoCodec, simulcast, ...wishes } = parsePublicationRequest(body);
    const isPush = isPushUrl(url);
    const media = this.#parameters.media();
    const codecs = isPush ? codecsAmong(renderOptions, ['h264']) : codecsToOffer(renderOptions, videoCodec);
    const publicationId = randomUUID();
    const origin = shownOrigin(url);
    const log = logger.child({ publicationId, origin });
    const publication = publishing.open<PublicationShare>(
      {
        target: { url, token },
        findIceServers,
        peer: () => ({
          // What is encoded already costs nothing more.
          videoCodecs: [...new Set([media.runningOrFirst(codecs), ...codecs])],
          audio: renderOptions.audio,
          simulcast: simulcast === true ? media.layersOf(wishes) : undefined,
          logContext: { streamId, publicationId },
        }),
        attach: (connected) => media.attach(connected, { wishes, bounds: {} }),
        openSource: (sink) => this.#parameters.media().tap(codecs, sink),
        attachSource: () => ({
          diagnostics: () => ({ ...NO_SHARE, videoCodec: 'h264' }),
          close: () => undefined,
        }),
        logger: log,
      },
      {
        onChange: () => {
          observe('publication:status', { streamId, publicationId, status: publication.status });
          this.#onChange();
        },
        onFailed: ({ code }) => observe('publication:fail', { streamId, publicationId, code }),
      },
    );
    this.#makeRoom(publishing.maxPerSession);
    const startTime = Math.round(clock.wallMs());
    const info = { publicationId, origin, startTime };
    const entry = { publication, info, request: body as PublicationRequest, moves };
    this.#entries.set(publicationId, entry);
    publication.start();
    observe('publication:status', { streamId, publicationId, status: publication.status });
    this.#onChange();
    return this.#infoOf(entry);
  }

  /** Ends one and forgets it, after 6 s even if it still closes. @throws StreamKitError `no_such_publication`. */
  async end(publicationId: string): Promise<void> {
    const { publication } = this.#find(publicationId);
    await settlesWithin(this.#parameters.parts.clock, END_LIMIT_MS, this.#leave(publication));
    this.#entries.delete(publicationId);
    this.#onChange();
  }

  /** Ends all of them. Idempotent. */
  async close(): Promise<void> {
    const all = [...[...this.#entries.values()].map(({ publication }) => publication), ...this.#leaving];
    await Promise.all(all.map((publication) => publication.close()));
  }

  #makeRoom(most: number): void {
    if (this.#leaving.size >= MAX_LEAVING)
      throw atCapacity(`Publications of the session that were ended still close: ${this.#leaving.size}`);
    if (this.#entries.size < most) return;
    const gone = [...this.#entries].find(([, { publication }]) => !publication.isActive);
    if (gone === undefined) throw atCapacity(`The session has as many publications as it may: ${most}`);
    const [publicationId, { publication }] = gone;
    this.#entries.delete(publicationId);
    void this.#leave(publication);
  }

  async #leave(publication: Publication<PublicationShare>): Promise<void> {
    this.#leaving.add(publication);
    await publication.end();
    this.#leaving.delete(publication);
  }

  #find(publicationId: string): Entry {
    const entry = this.#entries.get(publicationId);
    if (entry === undefined) throw new StreamKitError('no_such_publication', 'There is no such publication');
    return entry;
  }

  #infoOf({ publication, info }: Entry): PublicationInfo {
    const { status, attempts, error, liveSince = null } = publication;
    const { streamId } = this.#parameters;
    return { ...info, streamId, status, liveSince, attempts, ...(error === undefined ? {} : { error }) };
  }
}

function atCapacity(sentence: string): StreamKitError {
  return new StreamKitError('at_capacity', sentence, { headers: { 'Retry-After': '5' } });
}

interface ParsedRequest extends Omit<PublicationRequest, 'url' | 'token'> {
  readonly url: URL;
  readonly token: string | undefined;
}

const REQUEST_KEYS = ['url', 'token', 'videoCodec', 'maxHeight', 'maxBitrateBps', 'simulcast'];

/**
 * Checks what a client asks for. Unknown keys are refused; neither the URL nor the token is shown.
 *
 * @throws StreamKitError `bad_request` that names the key.
 */
export function parsePublicationRequest(body: unknown): ParsedRequest {
  if (!isPlainObject(body)) throw new StreamKitError('bad_request', expectation('JSON object', 'body', body));
  refuseUnknownKeys(body, REQUEST_KEYS);
  const { url, token, videoCodec, maxHeight, maxBitrateBps, simulcast } = body;
  const { least, most } = ROUTES.openEventStream.query.maxHeight;
  const lines = integer(maxHeight, 'maxHeight', least, most);
  const bitrate = integer(maxBitrateBps, 'maxBitrateBps', BITRATE_BOUNDS_BPS.least, BITRATE_BOUNDS_BPS.most);
  const codec = codecOf(videoCodec);
  const endpoint = endpointOf(url);
  if (isPushUrl(endpoint)) checkForPush(codec, { token, maxHeight, maxBitrateBps, simulcast });
  if (simulcast !== undefined && typeof simulcast !== 'boolean')
    throw new StreamKitError('bad_request', expectation('boolean', 'simulcast', simulcast));
  return {
    url: endpoint,
    token: tokenOf(token),
    ...(codec === undefined ? {} : { videoCodec: codec }),
    ...(lines === undefined ? {} : { maxHeight: lines }),
    ...(bitrate === undefined ? {} : { maxBitrateBps: bitrate }),
    ...(simulcast === undefined ? {} : { simulcast }),
  };
}

/** The session's own encoding is sent as it is. @throws StreamKitError `bad_request`. */
function checkForPush(codec: VideoCodec | undefined, wishes: Readonly<Record<string, unknown>>): void {
  const [unknown] = Object.keys(wishes).filter((key) => wishes[key] !== undefined);
  if (unknown !== undefined)
    throw new StreamKitError('bad_request', `Expected no ${unknown} in a publication by RTMP or SRT`);
  if (codec !== undefined && codec !== 'h264')
    throw new StreamKitError('bad_request', 'Expected h264 for videoCodec in a publication by RTMP or SRT');
}

function endpointOf(value: unknown): URL {
  if (!isEndpoint(value, /^(?:https?|rtmps?|srt):$/)) {
    throw new StreamKitError(
      'bad_request',
      `Expected an http, https, rtmp, rtmps or srt URL of at most ${MAX_ENDPOINT_CHARACTERS} characters without credentials for url`,
    );
  }
  const url = new URL(value);
  url.hash = '';
  return url;
}

function tokenOf(value: unknown): string | undefined {
  if (value === undefined || isToken(value)) return value;
  throw new StreamKitError(
    'bad_request',
    `Expected 1 to ${MAX_TOKEN_CHARACTERS} printable ASCII characters for token`,
  );
}

function codecOf(value: unknown): VideoCodec | undefined {
  if (value === undefined || (typeof value === 'string' && isVideoCodec(value))) return value;
  throw new StreamKitError('bad_request', expectation('video codec', 'videoCodec', value));
}

function integer(value: unknown, key: string, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most)
    return value;
  throw new StreamKitError('bad_request', expectation(`integer from ${least} to ${most}`, key, value));
}
