import type { StreamKitSessionRequest } from '../protocol/session-requests.js';
import { cleanUp } from '../base/clean-up.js';
import type { Logger } from '../base/logger.js';
import { callerId } from '../options/access-options.js';
import type { StreamTokenRequest } from '../options/stream-token-request.js';
import type { TargetPolicy } from '../options/target-policy-options.js';
import type { ResolvedTerminalOptions } from '../options/terminal-options.js';
import type { StreamSessionStatus } from '../protocol/state-document.js';
import type { VideoCodec } from '../protocol/video-codecs.js';
import { StreamKitError } from '../base/errors.js';
import type { ProfileStore } from '../profiles/profile-store.js';
import { applicationCaller, type Caller, callerBindings, ownsSession, profileOwnerOf } from './caller.js';
import type { RenderOptionDefaults } from './render-options.js';
import { codecsToOffer } from './render-options.js';
import type { SessionEventName, SessionEvents } from './session-events.js';
import { SessionEventStream, type StreamKitEvent } from './session-event-stream.js';
import type { IceServerSource } from './ice-server-source.js';
import type { SessionRecordings } from './session-recordings.js';
import type { SessionRegistry } from './session-registry.js';
import { fitsPlacement, noSuitableNode, type ServerFeatures } from './placement.js';
import { parseSessionRequest } from './session-request.js';
import { StreamKitSession, type WaitOptions } from './stream-kit-session.js';
import type { StreamSession } from './stream-session.js';
import { asksForTerminal, parseTerminalRequest } from './terminal-request.js';

export interface SessionOwner {
  /** The `callerId` of `validateRequest` that may end, change and record the session. Default: nobody but operators. */
  readonly owner?: string;
}

/** Which sessions `sessions.list` gives; what is left out does not matter. */
export interface SessionFilter {
  readonly kind?: 'page' | 'terminal';
  readonly status?: StreamSessionStatus;
  /** A `callerId` that owns them. */
  readonly owner?: string;
}

export interface StreamKitSessionsParameters {
  readonly registry: SessionRegistry;
  /** Undefined: there is no option `recording`. */
  readonly recordings: SessionRecordings | undefined;
  readonly iceServers: IceServerSource;
  readonly defaults: RenderOptionDefaults;
  readonly targetPolicy: TargetPolicy;
  /** Undefined: there is no option `profileDirectory`. */
  readonly profiles: ProfileStore | undefined;
  /** Undefined: there are none. */
  readonly terminal: ResolvedTerminalOptions | undefined;
  readonly createToken: (request: StreamTokenRequest) => string;
  /** What this server has now. */
  readonly features: () => ServerFeatures;
  readonly logger: Logger;
}

/** A session that was asked for and checked, and is not made yet. */
export interface PreparedSession {
  /** @throws StreamKitError `conflict` where the session will not have the codec. */
  checkCodec(videoCodec: VideoCodec | undefined): void;
  /**
   * Makes it and begins to launch.
   *
   * @param isGone - whether whoever asked has gone: asked once the profile is open, which may take a while. Default: never.
   * @throws StreamKitError `at_capacity`, `bad_request` if it has gone, or as `ProfileStore.open`.
   */
  start(isGone?: () => boolean): Promise<StreamSession>;
}

/** The sessions of a router, as objects. The HTTP routes do what they do through this. */
export class StreamKitSessions implements AsyncIterable<StreamKitEvent> {
  readonly #parameters: StreamKitSessionsParameters;
  readonly #objects = new WeakMap<StreamSession, StreamKitSession>();
  readonly #events = new SessionEventStream();

  /** For the router alone. */
  constructor(parameters: StreamKitSessionsParameters) {
    this.#parameters = parameters;
  }

  /**
   * Makes a session. It resolves at once; the launch goes on, and `whenReady()` waits for it.
   *
   * @throws StreamKitError `bad_request`, `bad_target_url`, `too_large`, `forbidden`, `at_capacity`, `no_suitable_node`; with a profile `no_such_profile`,
   * `profile_in_use`, `limit_reached`.
   */
  async create(request: StreamKitSessionRequest, { owner }: SessionOwner = {}): Promise<StreamKitSession> {
    const caller = applicationCaller(owner === undefined ? undefined : callerId(owner, 'owner'));
    return this.#objectOf(await this.prepare(request, caller).start());
  }

  /** @throws StreamKitError `no_such_session`. */
  get(id: string): StreamKitSession {
    return this.#objectOf(this.#parameters.registry.get(id));
  }

  /** Those that there are, oldest first; one that failed is listed for 30 s more. */
  list({ kind, status, owner }: SessionFilter = {}): StreamKitSession[] {
    const { registry } = this.#parameters;
    const caller = owner === undefined ? undefined : applicationCaller(owner);
    return registry.all().flatMap((session) => {
      const creator = registry.creatorOf(session.streamId);
      const isOwn = caller === undefined || (creator !== undefined && ownsSession(creator, caller));
      const object = this.#objectOf(session);
      const fits =
        (kind ?? object.kind) === object.kind && (status ?? object.state.status) === object.state.status;
      return isOwn && fits ? [object] : [];
    });
  }

  /**
   * The events of all sessions from now on: `for await (const event of router.sessions.events())`. It ends with `signal`, and
   * when the router closes. A reader that is more than 1000 events behind loses the oldest.
   */
  events({ signal }: WaitOptions = {}): AsyncIterableIterator<StreamKitEvent> {
    return this.#events.open(signal);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<StreamKitEvent> {
    return this.events();
  }

  /**
   * Checks what is asked for. For the routes.
   *
   * @throws StreamKitError as {@link create}.
   */
  prepare(body: unknown, caller: Caller): PreparedSession {
    const { registry, terminal, targetPolicy, logger } = this.#parameters;
    const created = (session: StreamSession): StreamSession => {
      logger.info({ streamId: session.streamId, ...callerBindings(caller) }, 'session created');
      return session;
    };
    if (asksForTerminal(body)) {
      const request = parseTerminalRequest(body, terminal);
      return {
        checkCodec: () => undefined,
        // What is thrown rejects.
        start: () => new Promise((resolve) => resolve(created(registry.createTerminal(request, caller)))),
      };
    }
    const defaults = { ...this.#parameters.defaults, limits: caller.limits };
    const request = parseSessionRequest(body, defaults, targetPolicy);
    if (!fitsPlacement(this.#parameters.features(), request.placement)) throw noSuitableNode();
    const { profile: wanted } = request;
    const { profiles } = this.#parameters;
    if (wanted !== undefined && profiles === undefined)
      throw new StreamKitError('forbidden', 'This server keeps no profiles');
    const owner = wanted && profileOwnerOf(caller);
    return {
      checkCodec: (videoCodec) => void codecsToOffer(request.renderOptions, videoCodec),
      start: async (isGone = () => false) => {
        const lease = owner === undefined ? undefined : await (wanted && profiles?.open(owner, wanted));
        try {
          // Nobody would ever know the id of this session, which would hold the profile.
          if (isGone()) throw new StreamKitError('bad_request', 'The request was aborted');
          return created(registry.create(request, caller, lease));
        } catch (thrown) {
          await cleanUp(lease?.release(), 'the lease of a profile', logger);
          throw thrown;
        }
      },
    };
  }

  /** For the router alone: what is observed of sessions. */
  observe<T extends SessionEventName>(name: T, event: SessionEvents[T]): void {
    this.#events.publish(name, event);
    // The registry emits `ended`: by then another session may have the id.
    const events = this.#parameters.registry.find(event.streamId)?.events;
    if (events === undefined) return;
    const observed = { name, event } as {
      [N in SessionEventName]: { readonly name: N; readonly event: SessionEvents[N] };
    }[SessionEventName];
    switch (observed.name) {
      case 'session:status': {
        const { status, previous } = observed.event;
        events.emit('status', { status, previous });
        break;
      }
      case 'session:restart':
        events.emit('restart', { code: observed.event.code });
        break;
      case 'viewer:join':
      case 'viewer:connect':
      case 'viewer:first-frame':
      case 'viewer:leave':
        events.emit('viewer', {
          change: VIEWER_CHANGES[observed.name],
          publicId: String(observed.event.viewer),
        });
        break;
      case 'viewer:fail': {
        const { viewer, code } = observed.event;
        events.emit('viewer', { change: 'fail', publicId: String(viewer), code });
        break;
      }
      case 'recording:start':
        events.emit('recording', { change: 'start', recordingId: observed.event.recordingId });
        break;
      case 'recording:end':
        events.emit('recording', { change: 'end', recordingId: observed.event.recordingId });
        break;
      case 'publication:status': {
        const { publicationId, status } = observed.event;
        events.emit('publication', { publicationId, status });
        break;
      }
      case 'session:create':
      case 'session:end':
      case 'publication:fail':
      case 'encoder:start':
      case 'encoder:stop':
      case 'encoder:replace':
      case 'keyframe:request':
      case 'frame':
        break;
    }
  }

  /** Ends a session whose id nobody will ever be told. */
  discard(session: StreamSession): void {
    const { registry, logger } = this.#parameters;
    void cleanUp(registry.end(session, 'deleted'), 'a session that nobody knows of', logger);
  }

  /** For the router alone: ends what iterates. */
  close(): void {
    this.#events.close();
  }

  #objectOf(session: StreamSession): StreamKitSession {
    const known = this.#objects.get(session);
    if (known !== undefined) return known;
    const { recordings, createToken, registry, iceServers } = this.#parameters;
    const made = new StreamKitSession({
      session,
      recordings,
      createToken,
      iceServers,
      end: (ending, reason) => registry.end(ending, reason),
    });
    this.#objects.set(session, made);
    return made;
  }
}

const VIEWER_CHANGES = {
  'viewer:join': 'join',
  'viewer:connect': 'connect',
  'viewer:first-frame': 'first-frame',
  'viewer:leave': 'leave',
} as const;
