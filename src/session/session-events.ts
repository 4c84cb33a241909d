import type { VideoCodec } from '../render/encode/encoded-frame.js';
import type { FrameRecord } from '../render/encode/frame-record.js';
import type { ErrorCode } from '../base/errors.js';
import type { RecordingStatus } from '../recording/recording.js';
import type { SessionUsage } from '../protocol/session-usage.js';
import type { PublicationError } from '../protocol/publications.js';
import type { PublicationStatus, StreamSessionStatus } from '../protocol/state-document.js';

/**
 * Why a session ended; viewers read it in `closed`. `exited`: the command of a terminal ended by itself. `moved`: it goes on at another server
 * of the cluster; its viewers are told to connect again.
 */
export type SessionEndReason = 'deleted' | 'timeout' | 'error' | 'shutdown' | 'exited' | 'moved';

interface OfSession {
  readonly streamId: string;
}

interface OfViewer extends OfSession {
  /** 1 for the first viewer of the session, and so on. It opens nothing: the id with which a viewer speaks is a secret. */
  readonly viewer: number;
}

interface OfCodec extends OfSession {
  readonly codec: VideoCodec;
}

interface OfPublication extends OfSession {
  readonly publicationId: string;
}

/** What sessions tell whoever watches over the server, by name. There is no secret in it. */
export interface SessionEvents {
  'session:create': OfSession;
  'session:status': OfSession & {
    readonly status: StreamSessionStatus;
    readonly previous: StreamSessionStatus;
    /** Since the session was made. */
    readonly ageMs: number;
  };
  /** Its browser is started again, after a fault or because a client asked for it. */
  'session:restart': OfSession & { readonly code: ErrorCode | 'restart_requested' };
  /** Everything that it had is closed. */
  'session:end': OfSession & {
    readonly reason: SessionEndReason;
    /** Why, where the reason is `error`. */
    readonly code?: ErrorCode;
    /** Since the session was made. */
    readonly ageMs: number;
    /** Undefined for a terminal. */
    readonly usage?: SessionUsage;
  };
  'viewer:join': OfViewer;
  /** ICE and DTLS are up; again for each new connection of the viewer, not for an ICE restart. */
  'viewer:connect': OfViewer & {
    readonly codec: VideoCodec;
    /** Since the offer was begun. */
    readonly connectMs: number;
  };
  /** The first picture that it can decode is on its way. */
  'viewer:first-frame': OfViewer & {
    readonly codec: VideoCodec;
    /** Since the offer was begun. */
    readonly firstFrameMs: number;
  };
  /** Its connection failed, or none came about; it may make another. */
  'viewer:fail': OfViewer & { readonly code: ErrorCode };
  'viewer:leave': OfViewer & {
    /** Why the session let it go: `gone` for one that went by itself, else the reason for which the session ended. */
    readonly reason: SessionEndReason | 'gone';
    /** Since it joined. */
    readonly ageMs: number;
  };
  'encoder:start': OfCodec & {
    /** FFmpeg's name. */
    readonly encoder: string;
  };
  'encoder:stop': OfCodec & { readonly encoder: string };
  /** An encoder broke, or did not open, and another one goes on in its place. */
  'encoder:replace': OfCodec & { readonly failed: string; readonly next: string };
  /** The encoder was asked for a keyframe: once for all viewers that want one. */
  'keyframe:request': OfCodec;
  /** A frame was encoded and handed to the media plane. Events of the last second come together. */
  frame: OfCodec & FrameRecord;
  'publication:status': OfPublication & { readonly status: PublicationStatus };
  /** An attempt to publish, or the connection that came of it, failed. */
  'publication:fail': OfPublication & { readonly code: PublicationError['code'] };
  'recording:start': OfSession & { readonly recordingId: string; readonly format: 'mp4' | 'webm' };
  'recording:end': OfSession & {
    readonly recordingId: string;
    readonly status: RecordingStatus;
    readonly durationMs: number;
    readonly bytes: number;
  };
}

export type SessionEventName = keyof SessionEvents;

/** Told of each event as it happens. It must not throw, and not take long. */
export type ObserveSession = <T extends SessionEventName>(name: T, event: SessionEvents[T]) => void;
