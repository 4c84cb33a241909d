import { StreamKitError } from '../base/errors.js';
import { isPlainObject } from '../options/option-checks.js';
import type { PassingProfile } from '../profiles/passing-profile.js';
import type { PublicationRequest } from '../protocol/publications.js';
import type { StreamKitSessionRequest } from '../protocol/session-requests.js';
import type { SessionUsage } from '../protocol/session-usage.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import type { RenderOptions } from './render-options.js';
import type { SessionRequest } from './session-request.js';

/** A page session on its way from one server to another, as JSON: what outlives its page, besides what that has stored. */
export interface MovedSession {
  /** What a client would ask for to get the session as it is now. */
  readonly request: StreamKitSessionRequest;
  /** Number of the last patch of the state. */
  readonly sequence: number;
  readonly metadata: Pick<StreamSessionState['metadata'], 'page' | 'restarts' | 'fault'>;
  /** Absent: none was set. */
  readonly pageState?: unknown;
  readonly usage: SessionUsage;
  readonly publications: readonly PublicationRequest[];
}

/** With what a session begins that had a page before. */
export interface SessionArrival {
  readonly moved: MovedSession;
  /** Removed with the session. Undefined: nothing could be stored. */
  readonly archive: PassingProfile | undefined;
}

/** @param current - the options in force. */
export function movedRequest(request: SessionRequest, current: RenderOptions): StreamKitSessionRequest {
  const { targetUrl, initialData, budget, placement, profile, asked } = request;
  const { width, height, frameRate, maxBitrateBps } = current;
  return {
    targetUrl,
    ...(initialData === null ? {} : { initialData }),
    renderOptions: { ...asked, resolution: `${width}x${height}`, frameRate, maxBitrateBps },
    ...{ budget, placement },
    ...(profile === undefined ? {} : { profile }),
  };
}

/**
 * Checks what another server has sent, which may be one of another version. The request is checked as any.
 *
 * @throws StreamKitError `bad_request`.
 */
export function parseMovedSession(value: unknown): MovedSession {
  const given = isPlainObject(value) ? value : {};
  const { metadata, usage } = given;
  const isKnown =
    isPlainObject(given.request) &&
    isCount(given.sequence) &&
    isPlainObject(metadata) &&
    isPlainObject(metadata.page) &&
    isCount(metadata.restarts) &&
    (metadata.fault === null || isPlainObject(metadata.fault)) &&
    isPlainObject(usage) &&
    Object.values(usage).every((one) => one === null || typeof one === 'number') &&
    Array.isArray(given.publications);
  if (!isKnown)
    throw new StreamKitError('bad_request', 'Expected a session of another server of the cluster');
  return given as unknown as MovedSession;
}

/** The document of a session that goes on, whose new page has begun to load. */
export function continuedState(initial: StreamSessionState, { metadata }: MovedSession): StreamSessionState {
  const { page, restarts, fault } = metadata;
  return { ...initial, metadata: { ...initial.metadata, page, fault, restarts: restarts + 1 } };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
