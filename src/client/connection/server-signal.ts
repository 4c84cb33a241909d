import type { MediaSource } from '../../protocol/media-source.js';
import type { ServerSignalType } from '../../protocol/signals.js';
import { StreamError } from './stream-error.js';
import type { ViewerRole } from './stream-events.js';

/** The `custom_signal` events that the client knows, by type. */
export type ServerSignal =
  | {
      type: 'viewer';
      viewerId: string;
      role: ViewerRole;
      iceServers: RTCIceServer[];
      publicId: string | undefined;
    }
  | { type: 'ice_servers'; iceServers: RTCIceServer[] }
  | { type: 'sdp_offer'; sdp: string }
  | { type: 'ice_candidate'; candidate: RTCIceCandidateInit | null }
  | { type: 'media_source'; source: MediaSource }
  | { type: 'role'; role: ViewerRole; controllerId: string | null }
  | { type: 'control_requested'; publicId: string }
  | { type: 'message'; message: unknown }
  | { type: 'closed'; reason: string };

/**
 * Reads the data of a `custom_signal` event.
 *
 * @returns undefined for a type this client does not know: a newer server may send more.
 * @throws StreamError `protocol` for what is no signal, or is a known one without what it must have.
 */
export function parseServerSignal(data: string): ServerSignal | undefined {
  let signal: unknown;
  try {
    signal = JSON.parse(data);
  } catch (cause) {
    throw new StreamError('protocol', 'A signal of the server is not JSON', { cause });
  }
  if (!isRecord(signal) || typeof signal.type !== 'string') {
    throw malformed('none');
  }
  const { type, payload } = signal;
  // With every type that there is, and no default: one that is forgotten is a fault of the lint.
  switch (type as ServerSignalType) {
    case 'viewer':
      if (!isRecord(payload) || typeof payload.viewerId !== 'string') throw malformed(type);
      return {
        type: 'viewer',
        viewerId: payload.viewerId,
        role: roleOf(payload.role),
        iceServers: iceServersOf(payload.iceServers),
        publicId: typeof payload.publicId === 'string' ? payload.publicId : undefined,
      };
    case 'ice_servers':
      if (!isRecord(payload)) throw malformed(type);
      return { type: 'ice_servers', iceServers: iceServersOf(payload.iceServers) };
    case 'sdp_offer':
      if (typeof payload !== 'string') throw malformed(type);
      return { type: 'sdp_offer', sdp: payload };
    case 'ice_candidate':
      if (payload !== null && !isRecord(payload)) throw malformed(type);
      return { type: 'ice_candidate', candidate: payload };
    case 'media_source':
      if (!isRecord(payload) || typeof payload.url !== 'string') throw malformed(type);
      return { type: 'media_source', source: payload as unknown as MediaSource };
    case 'role': {
      if (!isRecord(payload)) throw malformed(type);
      const { controllerId } = payload;
      return {
        type: 'role',
        role: roleOf(payload.role),
        controllerId: typeof controllerId === 'string' ? controllerId : null,
      };
    }
    case 'control_requested':
      if (!isRecord(payload) || typeof payload.publicId !== 'string') throw malformed(type);
      return { type: 'control_requested', publicId: payload.publicId };
    case 'message':
      return { type: 'message', message: payload };
    case 'closed':
      return {
        type: 'closed',
        reason: isRecord(payload) && typeof payload.reason === 'string' ? payload.reason : 'closed',
      };
    case 'session':
      // The client knows its session before it opens an event stream.
      break;
  }
  return undefined;
}

function iceServersOf(value: unknown): RTCIceServer[] {
  return Array.isArray(value) ? (value as RTCIceServer[]) : [];
}

function roleOf(value: unknown): ViewerRole {
  return value === 'controller' ? 'controller' : 'viewer';
}

function malformed(type: string): StreamError {
  return new StreamError('protocol', `A signal of type ${type} is malformed`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
