import { StreamKitError } from '../base/errors.js';
import { expectation } from '../options/option-checks.js';

/** Query parameters of an event stream. */
export interface EventStreamQuery {
  readonly viewerId: string | undefined;
  readonly videoCodec: 'h264' | 'vp8' | undefined;
  readonly media: boolean;
  /** What the viewer wants at most: pixels, bits/s. */
  readonly wishes: { readonly maxHeight?: number; readonly maxBitrateBps?: number };
}

export interface SnapshotQuery {
  readonly format: 'png' | 'jpeg';
  /** Pixels. */
  readonly width?: number;
}

const MAX_HEIGHT = 4320;
const MAX_BITRATE_BPS = 999_999_999;
const SNAPSHOT_WIDTH = { least: 16, most: 3840 } as const;

/** @throws StreamKitError `bad_request` that names the parameter. */
export function parseEventStreamQuery(query: URLSearchParams): EventStreamQuery {
  const maxHeight = integer(query, 'maxHeight', 1, MAX_HEIGHT);
  const maxBitrateBps = integer(query, 'maxBitrateBps', 1, MAX_BITRATE_BPS);
  return {
    viewerId: query.get('viewerId') ?? undefined,
    videoCodec: oneOf(query, 'videoCodec', ['h264', 'vp8']),
    wishes: {
      ...(maxHeight === undefined ? {} : { maxHeight }),
      ...(maxBitrateBps === undefined ? {} : { maxBitrateBps }),
    },
    media: oneOf(query, 'media', ['none']) === undefined,
  };
}

/** Query parameters of a WebSocket. @returns the secret of the viewer that it belongs to, if it names one. */
export function parseStreamQuery(query: URLSearchParams): { readonly viewerId: string | undefined } {
  return { viewerId: query.get('viewerId') ?? undefined };
}

/** @throws StreamKitError `bad_request` that names the parameter. */
export function parseSnapshotQuery(query: URLSearchParams): SnapshotQuery {
  const width = integer(query, 'width', SNAPSHOT_WIDTH.least, SNAPSHOT_WIDTH.most);
  return {
    format: oneOf(query, 'format', ['png', 'jpeg']) ?? 'png',
    ...(width === undefined ? {} : { width }),
  };
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

function integer(query: URLSearchParams, name: string, least: number, most: number): number | undefined {
  const value = query.get(name);
  if (value === null) return undefined;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
  if (!(number >= least && number <= most)) {
    throw new StreamKitError('bad_request', expectation(`integer between ${least} and ${most}`, name, value));
  }
  return number;
}
