import { asError, type ErrorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { InputMessage } from '../input/input-message.js';
import type {
  PublicationStatus,
  StreamSessionState,
  StreamSessionStatus,
} from '../protocol/state-document.js';
import type { SessionProfile } from '../protocol/profiles.js';
import type { SessionUsage } from '../protocol/session-usage.js';
import type { SessionEndReason } from './session-events.js';

/** What a session reports to the application, by the name of the event. */
export interface StreamKitSessionEvents {
  /** The state document changed; at most once per `stateUpdateInterval`. */
  state: Readonly<StreamSessionState>;
  status: { readonly status: StreamSessionStatus; readonly previous: StreamSessionStatus };
  /** A viewer came, connected, failed to connect or left. `publicId` is as in `viewers()`. */
  viewer: {
    readonly change: 'join' | 'connect' | 'first-frame' | 'fail' | 'leave';
    readonly publicId: string;
    /** Of a failure. */
    readonly code?: ErrorCode;
  };
  /** Another client has control, by its public id, or the application (`automation`), or nobody. */
  control: { readonly controllerId: string | null };
  /** A viewer asks for the control that the application has; see `session.control`. */
  control_requested: { readonly publicId: string };
  /** A controller sent input that the page gets. */
  input: { readonly publicId: string; readonly message: InputMessage };
  /** What the page sent with `streamKit.send`. */
  message: unknown;
  /** The browser is started again. */
  restart: { readonly code: ErrorCode | 'restart_requested' };
  /** A recording began or ended. */
  recording: { readonly change: 'start' | 'end'; readonly recordingId: string };
  /** A publication began, or its status changed. */
  publication: { readonly publicationId: string; readonly status: PublicationStatus };
  /** The profile was stored at the end of the session, or was not. */
  profile: SessionProfile;
  /** Everything that the session had is closed. Nothing comes after it. */
  ended: {
    readonly reason: SessionEndReason;
    readonly code?: ErrorCode;
    /** Undefined for a terminal. */
    readonly usage?: SessionUsage;
  };
}

export type StreamKitSessionEventName = keyof StreamKitSessionEvents;

type Listener = (event: never) => void;

/** Delivers the events of one session to its listeners, in the order in which they were added. */
export class SessionEmitter {
  readonly #listeners = new Map<StreamKitSessionEventName, Set<Listener>>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @returns what removes the listener; idempotent. */
  on<E extends StreamKitSessionEventName>(
    name: E,
    listener: (event: StreamKitSessionEvents[E]) => void,
  ): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    // Each call counts, also with a function that is there already.
    const own: Listener = (event) => listener(event);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  /** Never throws: an error of a listener is logged. */
  emit<E extends StreamKitSessionEventName>(name: E, event: StreamKitSessionEvents[E]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(event as never);
      } catch (thrown) {
        this.#logger.error({ err: asError(thrown), event: name }, 'a listener of a session threw');
      }
    }
  }
}
