import type { Clock } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ChunkStream } from './chunk-stream.js';
import type { MessageSink } from './message-sink.js';
import type { SessionEndReason } from './session-events.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import type { StreamSnapshot } from './websocket-link.js';
import { CLOSE_POLICY_VIOLATION, WebSocketLink } from './websocket-link.js';
import type { Viewer } from './viewer.js';

export interface WebSocketLinksParameters {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stream: ChunkStream;
  readonly kind: 'page' | 'terminal';
  readonly document: () => Readonly<StreamSessionState>;
  /** What `session-meta` says besides of this kind of session. */
  readonly meta: () => Readonly<Record<string, unknown>>;
  readonly snapshot: () => Promise<StreamSnapshot>;
  /** One has closed that belonged to a viewer. */
  readonly onClosed: (viewer: Viewer) => void;
  /** Bytes of the stream were sent to one of them. */
  readonly onSent?: (bytes: number) => void;
}

/** RFC 6455 section 7.4.1. */
const CLOSE_NORMAL = 1000;
const CLOSE_GOING_AWAY = 1001;
const CLOSE_INTERNAL_ERROR = 1011;
const CLOSE_SERVICE_RESTART = 1012;
/** Why the WebSocket of a viewer is closed while its session goes on. */
export const NO_SUCH_VIEWER = 'no_such_viewer';
const TAKEN_OVER = 'taken_over';

/** The WebSockets of one session, and the stream of chunks that they share. */
export class WebSocketLinks {
  readonly #parameters: WebSocketLinksParameters;
  readonly #viewers = new Map<WebSocketLink, Viewer>();
  #isLive = false;
  #endReason: SessionEndReason | undefined;
  /** What has ended by itself can still be read. */
  #isReadable = true;
  /** The message of the state as it was last published, made once for all. */
  #state: string | undefined;
  #meta = '';

  constructor(parameters: WebSocketLinksParameters) {
    this.#parameters = parameters;
  }

  /** There is one at least. */
  get isWatched(): boolean {
    return this.#viewers.size > 0;
  }

  /**
   * Takes a WebSocket. One that comes after the end is told so.
   *
   * @param claim - whom it belongs to; an earlier one of that viewer is closed.
   * @returns it belongs to that viewer now.
   */
  admit(sink: MessageSink, claim: () => Viewer): boolean {
    const { clock, snapshot, onSent } = this.#parameters;
    const link: WebSocketLink = new WebSocketLink(
      sink,
      { clock, snapshot, sessionMeta: () => this.#sessionMeta(), state: () => this.#stateMessage() },
      {
        onResumed: (resumed) => this.#follow(resumed),
        onClosed: (closed) => this.#onClosed(closed),
        onSent: (bytes) => onSent?.(bytes),
      },
    );
    if (!this.#isReadable) {
      link.close(CLOSE_NORMAL, this.#endReason ?? '');
      return false;
    }
    const viewer = claim();
    // It may have gone while the connection was being upgraded.
    if (viewer.gone) {
      link.close(CLOSE_POLICY_VIOLATION, NO_SUCH_VIEWER);
      return false;
    }
    this.#viewers.set(link, viewer);
    viewer.takeSocket(link)?.close(CLOSE_POLICY_VIOLATION, TAKEN_OVER);
    if (this.#endReason !== undefined) link.finish(CLOSE_NORMAL, this.#endReason);
    return true;
  }

  /** There is something to stream. Once. */
  goLive(): void {
    this.#isLive = true;
    for (const link of [...this.#viewers.keys()]) this.#follow(link);
  }

  /** The state has changed. */
  onStateChange(): void {
    this.#state = undefined;
    if (this.#viewers.size === 0) return;
    this.onMetaChange();
    for (const link of this.#viewers.keys()) link.sendState();
  }

  /** The size of the picture has changed, or its codec; or that of the terminal, before anything is drawn for it. */
  onMetaChange(): void {
    const before = this.#meta;
    const meta = this.#sessionMeta();
    if (meta === before) return;
    for (const link of this.#viewers.keys()) link.sendText(meta);
  }

  /** Nothing more comes. What is held can still be read, also by those that come now; then they are closed. */
  finish(reason: SessionEndReason): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    for (const link of [...this.#viewers.keys()]) link.finish(CLOSE_NORMAL, reason);
  }

  /** Closes every WebSocket with the reason. Idempotent. */
  close(reason: SessionEndReason): void {
    if (!this.#isReadable) return;
    this.#isReadable = false;
    this.#endReason ??= reason;
    const code = closeCodes.get(this.#endReason) ?? CLOSE_NORMAL;
    for (const link of [...this.#viewers.keys()]) link.close(code, this.#endReason);
    this.#parameters.stream.close();
  }

  #onClosed(link: WebSocketLink): void {
    const viewer = this.#viewers.get(link);
    if (viewer === undefined) return;
    this.#viewers.delete(link);
    viewer.dropSocket(link);
    this.#parameters.onClosed(viewer);
  }

  #follow(link: WebSocketLink): void {
    if (!this.#isLive || !link.hasResumed || !this.#isReadable) return;
    try {
      link.follow(this.#parameters.stream);
    } catch (thrown) {
      const error = asError(thrown);
      this.#parameters.logger.warn({ err: error }, 'a stream could not be opened');
      const reason = thrown instanceof StreamKitError ? thrown.code : 'internal';
      link.close(CLOSE_INTERNAL_ERROR, reason);
    }
  }

  #sessionMeta(): string {
    const { document, kind, meta } = this.#parameters;
    const { streamId, instanceInfo } = document();
    this.#meta = JSON.stringify({
      type: 'session-meta',
      name: streamId,
      createdAt: new Date(instanceInfo?.startTime ?? 0).toISOString(),
      kind,
      ...meta(),
    });
    return this.#meta;
  }

  #stateMessage(): string {
    const { document, clock } = this.#parameters;
    this.#state ??= JSON.stringify({ type: 'state', value: document(), ts: Math.round(clock.wallMs()) });
    return this.#state;
  }
}

const closeCodes = new Map<SessionEndReason, number>([
  ['shutdown', CLOSE_GOING_AWAY],
  ['error', CLOSE_INTERNAL_ERROR],
  ['moved', CLOSE_SERVICE_RESTART],
]);
