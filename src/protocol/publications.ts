import type { PublicationStatus } from './state-document.js';
import type { VideoCodec } from './video-codecs.js';

const PUSH_PROTOCOLS = ['rtmp:', 'rtmps:', 'srt:'];

/** Whether a URL is one of RTMP or SRT; if not, it is a WHIP endpoint's. */
export function isPushUrl(url: URL): boolean {
  return PUSH_PROTOCOLS.includes(url.protocol);
}

/** What may be shown of a URL: scheme, host and port. */
export function shownOrigin(url: URL): string {
  return `${url.protocol}//${url.host}`;
}

/** Where a session is to be published, and how. */
export interface PublicationRequest {
  /**
   * A WHIP endpoint (RFC 9725) by http or https, or a server of RTMP (`rtmp`, `rtmps`) or SRT (`srt`), which get H.264 and AAC. At most
   * 2048 characters, without credentials.
   */
  readonly url: string;
  /**
   * Goes to the endpoint as a bearer token, and is told to nobody else. Printable ASCII, at most 8192 characters. With RTMP and SRT neither
   * this nor `maxHeight`, `maxBitrateBps` or `simulcast` is permitted.
   */
  readonly token?: string;
  /** Default: those of the session, the one that is encoded already first. With RTMP and SRT only `h264` is permitted. */
  readonly videoCodec?: VideoCodec;
  /** Most lines of the picture, pixels. */
  readonly maxHeight?: number;
  /** Most that is sent of each layer, bits/s. */
  readonly maxBitrateBps?: number;
  /**
   * Whether pictures are offered in up to three sizes at once (RFC 8853), each encoded once. An endpoint that takes no simulcast gets
   * one stream. Default false.
   */
  readonly simulcast?: boolean;
}

/** Why a publication failed, or is tried again; the message is written for the client. */
export interface PublicationError {
  readonly code: 'bad_target_url' | 'publication_failed';
  readonly message: string;
}

/** What is told of a publication. The path of its URL may be a secret, so only the origin is. */
export interface PublicationInfo {
  readonly publicationId: string;
  readonly streamId: string;
  readonly status: PublicationStatus;
  /** Scheme, host and port of the endpoint. */
  readonly origin: string;
  /** When it was begun, ms since the epoch. */
  readonly startTime: number;
  /** Since when it is live, ms since the epoch; null while it is not. */
  readonly liveSince: number | null;
  /** Attempts since it was last live for a while, the present one among them. */
  readonly attempts: number;
  /** Of the last attempt that failed. */
  readonly error?: PublicationError;
}
