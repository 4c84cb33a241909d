import type { ViewerRole } from './rights.js';

/** Types of `custom_signal` events, server to client. */
export const SERVER_SIGNALS = [
  'session',
  'viewer',
  'ice_servers',
  'sdp_offer',
  'ice_candidate',
  'media_source',
  'role',
  'control_requested',
  'message',
  'closed',
] as const;
export type ServerSignalType = (typeof SERVER_SIGNALS)[number];

/** Types that `POST /:streamId/signal` takes, client to server. */
export const CLIENT_SIGNALS = [
  'sdp_answer',
  'ice_candidate',
  'ice_restart',
  'request_offer',
  'set_wishes',
  'message',
  'request_control',
  'release_control',
  'give_control',
] as const;
export type ClientSignalType = (typeof CLIENT_SIGNALS)[number];

/** The body of `POST /:streamId/signal`. */
export interface SignalRequest {
  /** The secret id of the viewer, from its signal `viewer`. */
  readonly viewerId: string;
  readonly type: ClientSignalType;
  /** An SDP for `sdp_answer`, an `RTCIceCandidateInit` or null for `ice_candidate`, a `ViewerBoundsChange` for `set_wishes`, and so on. */
  readonly payload?: unknown;
}

/** Payload of `viewer`, the first signal of every event stream. */
export interface ViewerSignal {
  /** A secret: whoever has it acts for this viewer. */
  readonly viewerId: string;
  readonly role: ViewerRole;
  /** As `RTCIceServer` of the W3C. */
  readonly iceServers: readonly unknown[];
  /** Names the viewer to others. */
  readonly publicId: string;
}

/** Payload of `role`. Without a controller nobody has control. */
export interface RoleSignal {
  readonly role: ViewerRole;
  /** Public id of the viewer that has control. */
  readonly controllerId?: string;
}

/**
 * Payload of `control_requested`, and of `give_control`, which takes either name: who asks for control, or gets it.
 * `viewerId` is the old name of the same public id. It is no secret here.
 */
export interface PublicIdPayload {
  readonly publicId: string;
  readonly viewerId: string;
}

export function publicIdPayload(publicId: string): PublicIdPayload {
  return { publicId, viewerId: publicId };
}
