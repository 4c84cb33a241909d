import { StreamKitError } from '../base/errors.js';
import { expectation } from '../options/option-checks.js';
import { MEDIA_SOURCE_KINDS, type MediaSourceKind } from '../protocol/media-source.js';
import { ROUTES } from '../protocol/routes.js';
import type { VideoCodec } from '../protocol/video-codecs.js';
import type { ViewerWishes } from '../session/viewer-limits.js';

/** Query parameters of an event stream. */
export interface EventStreamQuery {
  readonly viewerId: string | undefined;
  readonly videoCodec: VideoCodec | undefined;
  readonly media: boolean;
  /** Where else its client can take its media from. Kinds that this server does not know are passed over. */
  readonly mediaSources: readonly MediaSourceKind[];
  /** What the viewer wants at most: pixels, bits/s. */
  readonly wishes: ViewerWishes;
}

export interface SnapshotQuery {
  readonly format: 'png' | 'jpeg';
  /** Pixels. */
  readonly width?: number;
}

/** @throws StreamKitError `bad_request` that names the parameter. */
export function parseEventStreamQuery(query: URLSearchParams): EventStreamQuery {
  const known = ROUTES.openEventStream.query;
  const maxHeight = integer(query, 'maxHeight', known.maxHeight);
  const maxBitrateBps = integer(query, 'maxBitrateBps', known.maxBitrateBps);
  const named = new Set(query.get('mediaSources')?.split(',', 8));
  return {
    viewerId: query.get('viewerId') ?? undefined,
    mediaSources: MEDIA_SOURCE_KINDS.filter((kind) => named.has(kind)),
    videoCodec: oneOf(query, 'videoCodec', known.videoCodec.among),
    wishes: { maxHeight, maxBitrateBps },
    media: oneOf(query, 'media', known.media.among) === undefined,
  };
}

/** Query parameters of a WebSocket. @returns the secret of the viewer that it belongs to, if it names one. */
export function parseStreamQuery(query: URLSearchParams): { readonly viewerId: string | undefined } {
  return { viewerId: query.get('viewerId') ?? undefined };
}

/** @throws StreamKitError `bad_request` that names the parameter. */
export function parseSnapshotQuery(query: URLSearchParams): SnapshotQuery {
  const known = ROUTES.takeSnapshot.query;
  const width = integer(query, 'width', known.width);
  return {
    format: oneOf(query, 'format', known.format.among) ?? 'png',
    ...(width === undefined ? {} : { width }),
  };
}

/** Looks at the seat in the address of a session's page, which the page itself reads. @throws StreamKitError `bad_request`. */
export function checkSeatQuery(query: URLSearchParams): void {
  integer(query, 'seat', ROUTES.readView.query.seat);
}

/** Which file of a recording is meant, from 1 on. @throws StreamKitError `bad_request`. */
export function parsePartQuery(query: URLSearchParams): number {
  return integer(query, 'part', ROUTES.readRecordingFile.query.part) ?? 1;
}

function oneOf<T extends string>(query: URLSearchParams, name: string, allowed: readonly T[]): T | undefined {
  const value = query.get(name);
  if (value === null) return undefined;
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new StreamKitError('bad_request', expectation(`one of ${allowed.join(', ')}`, name, value));
  }
  return found;
}

interface Bounds {
  readonly least: number;
  readonly most: number;
}

function integer(query: URLSearchParams, name: string, { least, most }: Bounds): number | undefined {
  const value = query.get(name);
  if (value === null) return undefined;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
  if (!(number >= least && number <= most)) {
    throw new StreamKitError('bad_request', expectation(`integer between ${least} and ${most}`, name, value));
  }
  return number;
}
