import type { PublicationRequest } from '../protocol/publications.js';
import type { RecordingRequest } from '../protocol/recordings.js';
import type { SessionDiagnostics } from '../protocol/session-diagnostics.js';
import type { SessionChange } from '../protocol/session-requests.js';
import type { Browser, Page } from 'puppeteer';

import { StreamKitError } from '../base/errors.js';
import type { CallerLimits } from '../options/access-options.js';
import { integerBetween } from '../options/option-checks.js';
import { ROUTES } from '../protocol/routes.js';
import type { SessionProfile } from '../protocol/profiles.js';
import type { SessionUsage } from '../protocol/session-usage.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import type { ViewerBounds, ViewerBoundsChange } from '../protocol/viewer-bounds.js';
import type { SnapshotParameters } from '../render/capture/capture.js';
import type { ProgramControl } from './program-control.js';
import { Session } from './session.js';
import type { StreamKitSessionEventName, StreamKitSessionEvents } from './session-emitter.js';
import { applicationCaller } from './caller.js';
import type { IceServerSource } from './ice-server-source.js';
import { SessionPublication } from './session-publication.js';
import { SessionRecording } from './session-recording.js';
import { parseRecordingRequest } from './session-recordings.js';
import type { SessionRecordings } from './session-recordings.js';
import type { SessionViewer } from './session-viewer.js';
import type { StreamSession } from './stream-session.js';
import type { StreamTokenRequest } from '../options/stream-token-request.js';

/** What a session needs of the router that it belongs to. */
export interface StreamKitSessionParameters {
  readonly session: StreamSession;
  /** Undefined: there is no option `recording`. */
  readonly recordings: SessionRecordings | undefined;
  /** For publications. */
  readonly iceServers: IceServerSource;
  readonly createToken: (request: StreamTokenRequest) => string;
  /** Ends it and forgets it. */
  readonly end: (session: StreamSession, reason: SessionEndRequest) => Promise<void>;
}

/** Why an application ends a session; viewers read it in `closed`. */
export type SessionEndRequest = 'deleted' | 'timeout' | 'shutdown';

/** What `viewUrl` is asked for. */
export interface ViewUrlRequest extends Omit<StreamTokenRequest, 'streamId' | 'scope'> {
  /**
   * For a player: the place of the page's gamepads, 1–4, that the viewer's gamepad gets if it is free. `role` is then `controller` by
   * default. Several players at once need `control.shared`.
   */
  seat?: number;
}

/** Waiting can be given up. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
}

/**
 * One session as an object of the application. Get it from `router.sessions`. Methods that need a page throw `conflict` for a
 * terminal and after the end, and `unavailable` before the page is captured.
 */
export class StreamKitSession implements AsyncDisposable {
  /** The `streamId` of the protocol. */
  readonly id: string;
  readonly kind: 'page' | 'terminal';
  readonly #parameters: StreamKitSessionParameters;
  #browser: Promise<Browser> | undefined;

  /** For the router alone. */
  constructor(parameters: StreamKitSessionParameters) {
    this.#parameters = parameters;
    this.id = parameters.session.streamId;
    this.kind = parameters.session.hasMedia ? 'page' : 'terminal';
  }

  /** The state document as it is now; also after the end. Do not change it. */
  get state(): Readonly<StreamSessionState> {
    return this.#parameters.session.state;
  }

  /** What encoders, viewers and the paths to them do at this moment. @throws StreamKitError `conflict` for a terminal. */
  get diagnostics(): SessionDiagnostics {
    return this.#page.diagnostics;
  }

  /** The application's part in the control of the page. @throws StreamKitError `conflict` for a terminal. */
  get control(): ProgramControl {
    return this.#page.viewers.control.program;
  }

  /**
   * What the session has used until now, or until its end. Budgets go by it.
   *
   * @throws StreamKitError `conflict` for a terminal.
   */
  get usage(): SessionUsage {
    return this.#page.usage;
  }

  /**
   * The profile that it was created with, and after the end whether it was stored; undefined where it has none.
   *
   * @throws StreamKitError `conflict` for a terminal.
   */
  get profile(): SessionProfile | undefined {
    return this.#page.profile;
  }

  /**
   * Calls the listener for each event of this name from now on.
   *
   * @returns what removes the listener; idempotent.
   */
  on<E extends StreamKitSessionEventName>(
    name: E,
    listener: (event: StreamKitSessionEvents[E]) => void,
  ): () => void {
    return this.#parameters.session.events.on(name, listener);
  }

  /**
   * Resolves when the page is loaded and captured, or the terminal is open.
   *
   * @throws StreamKitError the session's own error if it fails, `conflict` if it ends before; the reason of `signal`.
   */
  whenReady(options: WaitOptions = {}): Promise<this> {
    return this.#whenStatus(['connecting', 'streaming'], options);
  }

  /** As {@link whenReady}, but resolves when a viewer is connected and gets the stream. */
  whenStreaming(options: WaitOptions = {}): Promise<this> {
    return this.#whenStatus(['streaming'], options);
  }

  /**
   * Sets the state of the page: `streamKit.on('state', …)` gets it, and a `message` event of `window` whose data is
   * `{"type":"state-update","state":…}` as JSON. The latest state also goes to every document that the page loads later.
   *
   * @param state - JSON, at most 256 KiB.
   * @throws StreamKitError `too_large`, `unprocessable`.
   */
  setPageState(state: unknown): void {
    this.#page.setPageState(state);
  }

  /**
   * Sends a message to the page: `streamKit.on('message', …)` gets it.
   *
   * @param value - JSON, at most 64 KiB.
   * @throws StreamKitError `too_large`, `unprocessable`.
   */
  message(value: unknown): void {
    this.#touchedPage().message(value);
  }

  /**
   * The picture as it is now.
   *
   * @param parameters - `format`, default `png`; `width` in pixels, default that of the session.
   * @throws StreamKitError `at_capacity` if too many are being taken.
   */
  snapshot({ format = 'png', ...rest }: Partial<SnapshotParameters> = {}): Promise<Uint8Array> {
    return settled(() => this.#touchedPage().snapshot({ format, ...rest }));
  }

  /**
   * Begins to record, from the next keyframe on.
   *
   * @throws StreamKitError `not_found` without the option `recording`, `conflict` for a format whose codec the session does not
   * have, `bad_request`, `at_capacity`.
   */
  async record(request: RecordingRequest = {}): Promise<SessionRecording> {
    const { recordings } = this.#parameters;
    if (recordings === undefined) throw new StreamKitError('not_found', 'There is no option recording');
    const info = await recordings.start(this.id, parseRecordingRequest(request));
    return new SessionRecording(recordings, this.id, info);
  }

  /**
   * Begins to publish the session to a WHIP endpoint, such as an SFU or a media server: what is encoded for the viewers goes there as
   * well. It goes on, with further attempts after failures, until it is stopped or the session ends; `info.status` says where it stands.
   *
   * @throws StreamKitError `not_found` where the option `publications` is false, `bad_request`, `bad_target_url`, `at_capacity`,
   * `conflict` for a codec that the session does not have.
   */
  publish(request: PublicationRequest): SessionPublication {
    const { publications } = this.#touchedPage();
    const { iceServers } = this.#parameters;
    const find = iceServers.finder(this.id, applicationCaller(undefined));
    const info = publications.start(request, async () => (await find()).server);
    return new SessionPublication(publications, info);
  }

  /**
   * Changes size, frame rate or bit rate. Viewers go on with a keyframe in the new size.
   *
   * @param limits - of the one who asks; default none.
   * @returns the values in force.
   * @throws StreamKitError `bad_request`, also for an unknown key; `forbidden` for what is beyond `limits`.
   */
  reconfigure(change: SessionChange, limits: Readonly<CallerLimits> = {}): Promise<Required<SessionChange>> {
    return settled(() => this.#page.reconfigure(change, limits));
  }

  /**
   * Starts the browser again and loads the page anew; viewers stay connected.
   *
   * @throws StreamKitError `not_found` if the option `restart` is false.
   */
  restart(): void {
    this.#page.restart();
  }

  /**
   * A Puppeteer `Browser` that is connected to the page, the same until it disconnects; it has the one page of the session.
   * What would break the capture is refused or has no effect. The option `cdp` does not matter. After a restart of the browser it
   * is disconnected: ask again.
   */
  puppeteer(): Promise<Browser> {
    this.#browser ??= settled(() => this.#connectPuppeteer()).catch((thrown: unknown) => {
      this.#browser = undefined;
      throw thrown;
    });
    return this.#browser;
  }

  /** The page, for Puppeteer. As {@link puppeteer}. */
  async page(): Promise<Page> {
    const [page] = await (await this.puppeteer()).pages();
    if (page === undefined) throw new StreamKitError('unavailable', 'The browser shows no page');
    return page;
  }

  /**
   * Ends the session and forgets it. Resolves when its viewers, processes and files are gone. Idempotent. After a move that nobody took it
   * ends the session that goes on here.
   *
   * @param reason - what viewers are told. Default `deleted`.
   * @throws StreamKitError `unavailable` while the session is moving, `no_such_session` after it has moved to another server.
   */
  end(reason: SessionEndRequest = 'deleted'): Promise<void> {
    return this.#parameters.end(this.#parameters.session, reason);
  }

  /** `await using session = …` ends it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  /** Its viewers at this moment, in the order in which they came. */
  viewers(): SessionViewer[] {
    return this.#parameters.session.viewers.list();
  }

  /**
   * Changes what one viewer gets at most. The lower of this and what the viewer itself wants counts. Its pictures go on without a gap; those
   * of the others stay as they are. It holds until the viewer leaves, and for pictures by WebRTC alone: viewers by WebSocket share theirs.
   *
   * @param publicId - as {@link viewers} names it.
   * @param change - what is left out stays; null lifts a bound.
   * @returns the bounds in force.
   * @throws StreamKitError `no_such_viewer`; `bad_request`, also for an unknown key; `conflict` for a viewer that has a WebSocket alone.
   */
  setViewerBounds(publicId: string, change: ViewerBoundsChange): ViewerBounds {
    return this.#touchedPage().viewers.setBounds(publicId, change);
  }

  /**
   * As `router.createStreamToken`, for this session.
   *
   * @throws StreamKitError `not_found` without the option `streamTokens`, `bad_option`.
   */
  createStreamToken(request: Omit<StreamTokenRequest, 'streamId'> = {}): string {
    return this.#parameters.createToken({ ...request, streamId: this.id });
  }

  /**
   * The address of a page that shows the session, for an iframe, `<stream-view>` or a browser. Whoever has it may watch until the token
   * in it expires.
   *
   * @param baseUrl - where clients reach the router: `https://example.org/stream`.
   * @param request - as {@link createStreamToken}; with `role: 'controller'` the page also takes input.
   * @throws StreamKitError `not_found` without the option `streamTokens`, `bad_option`.
   */
  viewUrl(baseUrl: string, { seat, ...request }: ViewUrlRequest = {}): string {
    if (!URL.canParse(baseUrl)) throw new StreamKitError('bad_option', 'Expected a URL for baseUrl');
    if (seat !== undefined) {
      const { least, most } = ROUTES.readView.query.seat;
      integerBetween(least, most)(seat, 'seat');
    }
    const url = new URL(baseUrl);
    url.pathname = `${url.pathname.replace(/\/+$/, '')}/${this.id}/view`;
    const role = request.role ?? (seat === undefined ? 'viewer' : 'controller');
    const token = this.createStreamToken({ ...request, role, scope: ['sse', 'signal', 'stream'] });
    url.searchParams.set('token', token);
    if (seat !== undefined) url.searchParams.set('seat', String(seat));
    return url.href;
  }

  /** @throws StreamKitError `conflict` for a terminal. */
  get #page(): Session {
    const { session } = this.#parameters;
    if (session instanceof Session) return session;
    throw new StreamKitError(
      'conflict',
      'The session is a terminal: it has no pictures and takes no signals',
    );
  }

  async #connectPuppeteer(): Promise<Browser> {
    const page = this.#page;
    const path = await page.openDebugger();
    // Loaded when it is first asked for: most servers never are.
    const { connectPuppeteer } = await import('./puppeteer-connection.js');
    const browser = await connectPuppeteer(path);
    const release = page.debuggers.hold();
    browser.once('disconnected', () => {
      this.#browser = undefined;
      release();
    });
    return browser;
  }

  #touchedPage(): Session {
    const page = this.#page;
    page.touch();
    return page;
  }

  #whenStatus(wanted: readonly StreamSessionState['status'][], { signal }: WaitOptions): Promise<this> {
    const { session } = this.#parameters;
    return new Promise((resolve, reject) => {
      const look = (): boolean => {
        if (signal?.aborted === true) reject(signal.reason as Error);
        else if (session.endReason !== undefined) {
          reject(session.error ?? new StreamKitError('conflict', 'The session has ended'));
        } else if (wanted.includes(session.state.status)) resolve(this);
        else return false;
        return true;
      };
      if (look()) return;
      const onChange = (): void => {
        if (!look()) return;
        for (const stop of stops) stop();
        signal?.removeEventListener('abort', onChange);
      };
      // The status of one that moves stays as it was.
      const stops = [session.events.on('status', onChange), session.events.on('ended', onChange)];
      signal?.addEventListener('abort', onChange);
    });
  }
}

/** What is thrown at once rejects as well. */
function settled<T>(work: () => Promise<T>): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}
