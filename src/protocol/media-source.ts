/** Kinds of media servers that a client may be sent to for its media. */
export const MEDIA_SOURCE_KINDS = ['whep', 'livekit'] as const;
export type MediaSourceKind = (typeof MEDIA_SOURCE_KINDS)[number];

/** Payload of `media_source`: the viewer takes picture and sound from there, and everything else from this server. */
export interface MediaSource {
  readonly kind: MediaSourceKind;
  /** `whep`: the endpoint, http or https. `livekit`: the server, ws or wss. */
  readonly url: string;
  /** A secret of this viewer: a bearer token for the endpoint, or the access token of LiveKit. */
  readonly token?: string;
}
