import type { StreamKitError } from '../base/errors.js';
import type { Caller } from './caller.js';
import type { MessageSink } from './message-sink.js';
import type { SessionEmitter } from './session-emitter.js';
import type { SessionUsage } from '../protocol/session-usage.js';
import type { SessionEndReason } from './session-events.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import type { UsageMeter } from './usage-meter.js';
import type { ViewerGroup } from './viewer-group.js';
import type { EventStreamLink, ViewerRequest } from './event-stream-link.js';

/** What a session tells the one who has made it. */
export interface SessionListener {
  /** It ended by an error; its processes are being closed. */
  onFailed(session: StreamSession, error: StreamKitError): void;
  /** Everything it had is closed. */
  onEnded(session: StreamSession, reason: SessionEndReason): void;
}

/** What sessions of every kind have: a state, event streams and WebSockets. */
export interface StreamSession {
  readonly streamId: string;
  /** It can be watched over a peer. */
  readonly hasMedia: boolean;
  /** The state document as it is now. */
  readonly state: Readonly<StreamSessionState>;
  readonly viewers: Pick<ViewerGroup, 'has' | 'countOf' | 'addCounts' | 'list'>;
  /** What the application listens to. */
  readonly events: SessionEmitter;
  /** Why it ended; undefined while it lives. */
  readonly endReason: SessionEndReason | undefined;
  /** Why it failed; undefined where it did not. */
  readonly error: StreamKitError | undefined;
  /** What it has used; undefined for one that has no media. */
  readonly usage?: SessionUsage;
  /** What measures that; undefined for one that has no media. */
  readonly meter?: Pick<UsageMeter, 'pid' | 'sample'>;
  /** Begins to launch. What comes of it shows in the state. Once. */
  launch(): void;
  /** Notes that somebody asked for this session. */
  touch(): void;
  /** As {@link ViewerGroup.admit}. */
  admit(request: ViewerRequest): EventStreamLink;
  /** As {@link ViewerGroup.prepareSocket}. */
  prepareSocket(caller: Caller, viewerId?: string): (sink: MessageSink) => void;
  /** Ends the session: status `terminated`. Idempotent; a session that has ended is only waited for. */
  close(reason: 'deleted' | 'timeout' | 'shutdown'): Promise<void>;
  /** Ends the session: status `error`. Idempotent. */
  readonly fail: (error: StreamKitError) => void;
  /** Of one that has ended: nothing of it can be read any more. Idempotent. */
  release(): void;
}
