import type { SessionChange } from '../protocol/session-requests.js';
import { StreamKitError } from '../base/errors.js';
import type { CallerLimits } from '../options/access-options.js';
import { expectation, isPlainObject } from '../options/option-checks.js';
import { defaultBitrateBps } from '../session/default-bitrate.js';

const MOST_FRAMES_PER_SECOND = 60;

const SIZES: Readonly<Record<string, string>> = {
  '720p': '1280x720',
  '1080p': '1920x1080',
  '1440p': '2560x1440',
  '4k': '3840x2160',
};

/** Of the default bit rate. */
const QUALITIES: Readonly<Record<string, number>> = { low: 0.5, medium: 0.75, high: 1, ultra: 1.5 };

/** @throws StreamKitError `bad_request`. */
export function jsonObject(body: unknown): Record<string, unknown> {
  if (!isPlainObject(body)) throw new StreamKitError('bad_request', expectation('JSON object', 'body', body));
  return body;
}

/**
 * Translates the `renderOptions` of stream-kit-web. They are wishes, and that client always asks for 1080p and 60 pictures per second:
 * what exceeds a limit of the caller is lowered to it instead of refused.
 *
 * @param current - of the session; undefined for one that is about to be created, where the defaults of the server fill in.
 * @throws StreamKitError `bad_request` that names the key.
 */
export function translateRenderOptions(
  value: unknown,
  limits: Readonly<CallerLimits>,
  current?: { readonly width: number; readonly height: number },
): SessionChange {
  const given = value === undefined ? {} : value;
  if (!isPlainObject(given)) throw bad('object', 'renderOptions', given);
  const { maxPixels = Infinity, maxFrameRate = MOST_FRAMES_PER_SECOND } = limits;
  const size = sizeOf(given.resolution);
  const fits = size !== undefined && size.width * size.height <= maxPixels;
  const frameRate = frameRateOf(given.targetFps, Math.min(MOST_FRAMES_PER_SECOND, maxFrameRate));
  const factor = qualityOf(given.quality);
  const { width, height } = (fits ? size : current) ?? { width: 1280, height: 720 };
  const bitrateBps = Math.round(factor * defaultBitrateBps(width * height * (frameRate ?? 30)));
  return {
    ...(fits ? { resolution: `${size.width}x${size.height}` } : {}),
    ...(frameRate === undefined ? {} : { frameRate }),
    ...(factor === 1 ? {} : { maxBitrateBps: bitrateBps }),
  };
}

function sizeOf(value: unknown): { readonly width: number; readonly height: number } | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? (SIZES[value.toLowerCase()] ?? value) : '';
  const [, width = '', height = ''] = /^(\d{2,4})x(\d{2,4})$/.exec(text) ?? [];
  if (width === '') throw bad(`one of ${Object.keys(SIZES).join(', ')}, or a size`, 'resolution', value);
  return { width: Number(width), height: Number(height) };
}

function frameRateOf(value: unknown, most: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= 1)) throw bad('number of at least 1', 'targetFps', value);
  return Math.min(Math.floor(value), most);
}

function qualityOf(value: unknown): number {
  if (value === undefined) return 1;
  const factor = typeof value === 'string' && Object.hasOwn(QUALITIES, value) ? QUALITIES[value] : undefined;
  if (factor === undefined) throw bad(`one of ${Object.keys(QUALITIES).join(', ')}`, 'quality', value);
  return factor;
}

function bad(expected: string, key: string, value: unknown): StreamKitError {
  const name = key === 'renderOptions' ? key : `renderOptions.${key}`;
  return new StreamKitError('bad_request', expectation(expected, name, value));
}
