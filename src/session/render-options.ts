import type { VideoCodecChoice } from '../protocol/session-requests.js';
import { AUTO_CODECS, isVideoCodec, VIDEO_CODECS, type VideoCodec } from '../protocol/video-codecs.js';
import type { CallerLimits } from '../options/access-options.js';
import { CLIENT_NAMES, type ClientPageOptions, clientPageOptions } from '../options/page-options.js';
import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject, refuseUnknownKeys } from '../options/option-checks.js';
import { BITRATE_BOUNDS_BPS } from '../options/stream-kit-options.js';
import type { Viewport } from '../options/stream-kit-options.js';
import { defaultBitrateBps } from './default-bitrate.js';

/** `renderOptions` of a session, with defaults filled in. */
export interface RenderOptions {
  /** Size of the picture, pixels, even. */
  readonly width: number;
  readonly height: number;
  /** Most pictures a second. */
  readonly frameRate: number;
  readonly videoCodec: VideoCodecChoice;
  /** All that the session may be encoded to, best first; never none. */
  readonly videoCodecs: readonly VideoCodec[];
  readonly maxBitrateBps: number;
  readonly deviceScaleFactor: number;
  readonly audio: boolean;
  /** What the client has chosen of the page's world. */
  readonly page: ClientPageOptions;
}

export interface RenderOptionDefaults {
  readonly viewport: Viewport;
  /** The server's own upper limit, bits/s; undefined: by size and frame rate. */
  readonly maxBitrateBps: number | undefined;
  /** What a session with `videoCodec: 'auto'` may be encoded to. Default H.264 and VP8. */
  readonly videoCodecs?: readonly VideoCodec[];
  /** Of who asks. Default none. */
  readonly limits?: Readonly<CallerLimits>;
}

/**
 * Checks `renderOptions`. Keys that it does not know are ignored.
 *
 * @throws StreamKitError `bad_request` that names the key, `forbidden` for a size or a rate that this caller may not ask
 * for.
 */
export function parseRenderOptions(value: unknown, defaults: RenderOptionDefaults): RenderOptions {
  const given = value === undefined ? {} : value;
  if (!isPlainObject(given)) throw bad('object', undefined, given);
  const { limits = {} } = defaults;
  const { maxPixels = Infinity, maxFrameRate = Infinity, maxBitrateBps = Infinity } = limits;
  const { width, height } = resolution(given.resolution, fitting(defaults.viewport, maxPixels));
  if (width * height > maxPixels) throw beyond('resolution', `${maxPixels} pixels`);
  const frameRate = numberBetween(given, 'frameRate', 1, 60, true) ?? Math.min(30, maxFrameRate);
  if (frameRate > maxFrameRate) throw beyond('frameRate', String(maxFrameRate));
  const limitBps = Math.min(defaults.maxBitrateBps ?? Infinity, maxBitrateBps);
  const choice = videoCodec(given.videoCodec);
  return {
    width,
    height,
    frameRate,
    videoCodec: choice,
    videoCodecs: choice === 'auto' ? (defaults.videoCodecs ?? AUTO_CODECS) : [choice],
    maxBitrateBps: bitrate(given, limitBps, width * height * frameRate),
    deviceScaleFactor: numberBetween(given, 'deviceScaleFactor', 0.5, 4, false) ?? 1,
    audio: audio(given.audio),
    page: clientPageOptions(given),
  };
}

const KNOWN_KEYS = [
  'resolution',
  'frameRate',
  'videoCodec',
  'maxBitrateBps',
  'deviceScaleFactor',
  'audio',
  ...CLIENT_NAMES,
] as const;

/** Of `renderOptions` that {@link parseRenderOptions} has checked: what is not ignored, as it was given. */
export function knownRenderOptions(value: unknown): Readonly<Record<string, unknown>> {
  const given = isPlainObject(value) ? value : {};
  const known = KNOWN_KEYS.filter((key) => given[key] !== undefined);
  return Object.fromEntries(known.map((key) => [key, given[key]]));
}

/** What can change of a session that runs, checked. */
export type RenderChange = Pick<RenderOptions, 'width' | 'height' | 'frameRate' | 'maxBitrateBps'>;

/** What a client may ask to change, by `PATCH` and `session.reconfigure`. */
const CHANGE_KEYS = ['resolution', 'frameRate', 'maxBitrateBps'];

/**
 * Checks `resolution`, `frameRate` and `maxBitrateBps` of a session that runs; what is left out stays. A bit rate that went
 * by size and frame rate still does.
 *
 * @param server.maxBitrateBps - the server's own upper limit, bits/s.
 * @throws StreamKitError `bad_request` that names the key, also one that is unknown; `forbidden` for what the caller may
 * not ask for.
 */
export function parseRenderChange(
  value: unknown,
  current: RenderOptions,
  server: Partial<Omit<RenderOptionDefaults, 'viewport'>> = {},
): RenderChange {
  if (!isPlainObject(value)) throw bad('object', undefined, value);
  refuseUnknownKeys(value, CHANGE_KEYS);
  const { maxPixels = Infinity, maxFrameRate = Infinity, ...limits } = server.limits ?? {};
  const { width, height } = resolution(value.resolution, current);
  if (value.resolution !== undefined && width * height > maxPixels) {
    throw beyond('resolution', `${maxPixels} pixels`);
  }
  const frameRate = numberBetween(value, 'frameRate', 1, 60, true) ?? current.frameRate;
  if (value.frameRate !== undefined && frameRate > maxFrameRate) {
    throw beyond('frameRate', String(maxFrameRate));
  }
  const limitBps = Math.min(server.maxBitrateBps ?? Infinity, limits.maxBitrateBps ?? Infinity);
  if (value.maxBitrateBps !== undefined) {
    return { width, height, frameRate, maxBitrateBps: bitrate(value, limitBps, width * height * frameRate) };
  }
  const { maxBitrateBps } = current;
  const bySize = defaultBitrateBps(current.width * current.height * current.frameRate);
  return {
    ...{ width, height, frameRate },
    maxBitrateBps:
      maxBitrateBps === bySize
        ? Math.min(defaultBitrateBps(width * height * frameRate), limitBps)
        : maxBitrateBps,
  };
}

/** Of a session: what it may be encoded to. */
type SessionCodecs = Pick<RenderOptions, 'videoCodecs'>;

/**
 * The codecs that a viewer is offered, best first: of H.264 and VP8 those that the session may be encoded to, or else all of its
 * own.
 *
 * @param asked - the one codec that the viewer wants.
 * @throws StreamKitError `conflict` for a codec that the session is not encoded to.
 */
export function codecsToOffer(
  { videoCodecs }: SessionCodecs,
  asked: VideoCodec | undefined,
): readonly VideoCodec[] {
  if (asked !== undefined) return codecsAmong({ videoCodecs }, [asked]);
  const usual = AUTO_CODECS.filter((codec) => videoCodecs.includes(codec));
  return usual.length > 0 ? usual : videoCodecs;
}

/**
 * Of the codecs that a recorder or a player can take, those that the session can be encoded to, best first.
 *
 * @throws StreamKitError `conflict` if there is none.
 */
export function codecsAmong(
  { videoCodecs }: SessionCodecs,
  asked: readonly VideoCodec[],
): readonly VideoCodec[] {
  const found = videoCodecs.filter((codec) => asked.includes(codec));
  if (found.length > 0) return found;
  throw new StreamKitError(
    'conflict',
    `The session is encoded as ${videoCodecs.join(' or ')} and not as ${asked.join(' or ')}`,
  );
}

function bad(expected: string, key: string | undefined, value: unknown): StreamKitError {
  const name = key === undefined ? 'renderOptions' : `renderOptions.${key}`;
  return new StreamKitError('bad_request', expectation(expected, name, value));
}

function beyond(key: string, most: string): StreamKitError {
  return new StreamKitError('forbidden', `Expected at most ${most} for renderOptions.${key} of this caller`);
}

/** The size, or the largest of about its shape that has no more pixels than there may be. */
function fitting({ width, height }: Viewport, maxPixels: number): Viewport {
  if (width * height <= maxPixels) return { width, height };
  const even = (pixels: number): number => Math.max(64, Math.floor(pixels / 2) * 2);
  const scale = Math.sqrt(maxPixels / (width * height));
  const narrow = even(width * scale);
  const low = Math.min(even(height * scale), even(maxPixels / narrow));
  // A side that is as short as it may be takes more than its share.
  return { width: Math.min(narrow, even(maxPixels / low)), height: low };
}

function resolution(value: unknown, fallback: Viewport): Viewport {
  if (value === undefined) return fallback;
  const match = typeof value === 'string' ? /^(\d{2,4})x(\d{2,4})$/.exec(value) : null;
  const width = Number(match?.[1]);
  const height = Number(match?.[2]);
  const even = width % 2 === 0 && height % 2 === 0;
  if (!even || width < 64 || width > 3840 || height < 64 || height > 2160) {
    throw bad('even size between 64x64 and 3840x2160', 'resolution', value);
  }
  return { width, height };
}

function videoCodec(value: unknown): VideoCodecChoice {
  if (value === undefined) return 'auto';
  if (value !== 'auto' && !isVideoCodec(value)) {
    throw bad(`one of ${[...VIDEO_CODECS, 'auto'].join(', ')}`, 'videoCodec', value);
  }
  return value;
}

function audio(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'boolean') throw bad('boolean', 'audio', value);
  return value;
}

/** What a client asks for can lower the server's own limit, not lift it. */
function bitrate(given: Readonly<Record<string, unknown>>, limitBps: number, pixelRate: number): number {
  const { least, most } = BITRATE_BOUNDS_BPS;
  const asked = numberBetween(given, 'maxBitrateBps', least, most, true);
  return Math.min(asked ?? defaultBitrateBps(pixelRate), limitBps, most);
}

function numberBetween(
  given: Readonly<Record<string, unknown>>,
  key: string,
  least: number,
  most: number,
  integer: boolean,
): number | undefined {
  const value = given[key];
  if (value === undefined) return undefined;
  const fits = typeof value === 'number' && value >= least && value <= most;
  if (!fits || (integer && !Number.isInteger(value))) {
    throw bad(`${integer ? 'integer' : 'number'} between ${least} and ${most}`, key, value);
  }
  return value;
}
