import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject } from '../options/option-checks.js';
import type { IceCandidateInit } from '../peer/viewer-peer.js';

/** An SDP of ours is about 4 KiB; one with every codec a browser knows is about 20 KiB. */
const MAX_SDP_BYTES = 64 * 1024;
const MAX_CANDIDATE_FIELD_LENGTH = 2048;

/** @throws StreamKitError `unprocessable` for what cannot be an SDP. */
export function parseSdpPayload(payload: unknown): string {
  if (typeof payload !== 'string' || payload.length === 0) {
    throw unprocessable('SDP', 'payload', payload);
  }
  if (Buffer.byteLength(payload) > MAX_SDP_BYTES) {
    throw new StreamKitError('unprocessable', `The SDP is larger than ${MAX_SDP_BYTES} bytes`);
  }
  return payload;
}

/** @throws StreamKitError `unprocessable` for what is neither an RTCIceCandidateInit nor null. */
export function parseCandidatePayload(payload: unknown): IceCandidateInit | null {
  if (payload === null) return null;
  if (!isPlainObject(payload)) throw unprocessable('RTCIceCandidateInit or null', 'payload', payload);
  const { candidate, sdpMLineIndex } = payload;
  if (candidate !== undefined && !isShortText(candidate)) {
    throw unprocessable('candidate attribute', 'payload.candidate', candidate);
  }
  if (sdpMLineIndex !== undefined && sdpMLineIndex !== null && !isLineIndex(sdpMLineIndex)) {
    throw unprocessable('integer between 0 and 255 or null', 'payload.sdpMLineIndex', sdpMLineIndex);
  }
  return {
    ...(candidate === undefined ? {} : { candidate }),
    ...(sdpMLineIndex === undefined ? {} : { sdpMLineIndex }),
    ...textField(payload, 'sdpMid'),
    ...textField(payload, 'usernameFragment'),
  };
}

function textField<K extends string>(
  payload: Readonly<Record<string, unknown>>,
  key: K,
): Partial<Record<K, string | null>> {
  const value = payload[key];
  if (value === undefined) return {};
  if (value !== null && !isShortText(value)) throw unprocessable('string or null', `payload.${key}`, value);
  return { [key]: value } as Partial<Record<K, string | null>>;
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_CANDIDATE_FIELD_LENGTH;
}

function isLineIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255;
}

function unprocessable(expected: string, name: string, value: unknown): StreamKitError {
  return new StreamKitError('unprocessable', expectation(expected, name, value));
}
