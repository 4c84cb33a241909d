import { publicIdPayload } from '../protocol/signals.js';
import type { Clock } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { ControlSeat, SeatChannel, SeatChannelListener } from '../input/control-seat.js';
import type { Logger } from '../base/logger.js';
import type { Caller } from './caller.js';
import type { ChunkStream } from './chunk-stream.js';
import type { MessageSink } from './message-sink.js';
import type { OpenSeat } from './session-control.js';
import type { SessionEndReason } from './session-events.js';
import { NO_MEDIA } from './session-diagnostics.js';
import { type SessionViewer, sessionViewer } from './session-viewer.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import type { StreamSnapshot } from './stream-client.js';
import { CLOSE_POLICY_VIOLATION, StreamClient } from './stream-client.js';
import type { ViewerJournal } from './viewer-journal.js';

export interface StreamClientsParameters {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stream: ChunkStream;
  readonly kind: 'page' | 'terminal';
  readonly document: () => Readonly<StreamSessionState>;
  /** What `session-meta` says besides of this kind of session. */
  readonly meta: () => Readonly<Record<string, unknown>>;
  readonly snapshot: () => Promise<StreamSnapshot>;
  /** Of one that is about to join as a viewer of its own. */
  readonly openJournal: () => Pick<ViewerJournal, 'publicId' | 'join' | 'leave'>;
  /** @param publicId - the public id of the client. */
  readonly openSeat: (publicId: string, caller: Caller) => OpenSeat;
  /** One came or went. */
  readonly onChange: () => void;
  /** Bytes of the stream were sent to one of them. */
  readonly onSent?: (bytes: number) => void;
}

/** A viewer that a WebSocket may belong to. */
export interface StreamViewer {
  /** The session knows it no more. */
  readonly gone: boolean;
  /** Its WebSocket is open, one at a time. */
  openChannel(listener: SeatChannelListener): SeatChannel;
}

/** Whom a WebSocket belongs to. */
interface Membership {
  readonly viewer?: StreamViewer;
  /** It is a viewer of its own. */
  readonly own?: {
    readonly caller: Caller;
    readonly journal: Pick<ViewerJournal, 'publicId' | 'join' | 'leave'>;
    readonly seat: ControlSeat;
  };
}

/** RFC 6455 section 7.4.1. */
const CLOSE_NORMAL = 1000;
const CLOSE_GOING_AWAY = 1001;
const CLOSE_INTERNAL_ERROR = 1011;
/** Why the WebSocket of a viewer is closed while its session goes on. */
const NO_SUCH_VIEWER = 'no_such_viewer';
const TAKEN_OVER = 'taken_over';

/**
 * The WebSockets of one session, and the stream of chunks that they share. Each is a viewer of its own, unless it belongs to one
 * that there is already: that one has it as its other way to the session, and no more than one.
 */
export class StreamClients {
  readonly #parameters: StreamClientsParameters;
  readonly #clients = new Map<StreamClient, Membership>();
  /** Those that belong to a viewer. */
  readonly #ofViewers = new Map<StreamViewer, StreamClient>();
  #isLive = false;
  #endReason: SessionEndReason | undefined;
  /** What has ended by itself can still be read. */
  #isReadable = true;
  /** The message of the state as it was last published, made once for all. */
  #state: string | undefined;
  #meta = '';

  constructor(parameters: StreamClientsParameters) {
    this.#parameters = parameters;
  }

  /** How many are viewers of their own. */
  get size(): number {
    return this.#clients.size - this.#ofViewers.size;
  }

  /** Those that are viewers of their own. */
  list(): SessionViewer[] {
    return [...this.#clients.values()].flatMap(({ own }) => {
      if (own === undefined) return [];
      const { caller, journal, seat } = own;
      const { role } = seat;
      return [sessionViewer(caller, { publicId: journal.publicId, attached: true, role, ...NO_MEDIA })];
    });
  }

  /** There is one at least, whomever it belongs to. */
  get isWatched(): boolean {
    return this.#clients.size > 0;
  }

  /** How many a caller has that are viewers of their own. */
  countOf(callerKey: string): number {
    return [...this.#clients.values()].filter(({ own }) => own?.caller.key === callerKey).length;
  }

  /** The viewer has one. */
  serves(viewer: StreamViewer): boolean {
    return this.#ofViewers.has(viewer);
  }

  /**
   * Takes a WebSocket. One that comes after the end is told so.
   *
   * @param viewer - whom it belongs to; an earlier one of it is closed. Default: it is a viewer of its own.
   */
  admit(sink: MessageSink, caller: Caller, viewer?: StreamViewer): void {
    const { clock, snapshot, onChange } = this.#parameters;
    const client: StreamClient = new StreamClient(
      sink,
      { clock, snapshot, sessionMeta: () => this.#sessionMeta(), state: () => this.#stateMessage() },
      {
        onResumed: (resumed) => this.#follow(resumed),
        onClosed: (closed) => this.#onClosed(closed),
        onSent: (bytes) => this.#parameters.onSent?.(bytes),
      },
    );
    if (!this.#isReadable) {
      client.close(CLOSE_NORMAL, this.#endReason ?? '');
      return;
    }
    // It may have gone while the connection was being upgraded.
    if (viewer?.gone === true) {
      client.close(CLOSE_POLICY_VIOLATION, NO_SUCH_VIEWER);
      return;
    }
    if (viewer === undefined) this.#join(client, caller);
    else this.#joinTo(viewer, client);
    if (this.#endReason !== undefined) client.finish(CLOSE_NORMAL, this.#endReason);
    onChange();
  }

  /** Closes the WebSocket of a viewer that is gone, if it has one. */
  dismiss(viewer: StreamViewer): void {
    this.#ofViewers.get(viewer)?.close(CLOSE_POLICY_VIOLATION, NO_SUCH_VIEWER);
  }

  /** There is something to stream. Once. */
  goLive(): void {
    this.#isLive = true;
    for (const client of [...this.#clients.keys()]) this.#follow(client);
  }

  /** The state has changed. */
  onStateChange(): void {
    this.#state = undefined;
    if (this.#clients.size === 0) return;
    this.onMetaChange();
    for (const client of this.#clients.keys()) client.sendState();
  }

  /** The size of the picture has changed, or its codec; or that of the terminal, before anything is drawn for it. */
  onMetaChange(): void {
    const before = this.#meta;
    const meta = this.#sessionMeta();
    if (meta === before) return;
    for (const client of this.#clients.keys()) client.sendText(meta);
  }

  /** Nothing more comes. What is held can still be read, also by those that come now; then they are closed. */
  finish(reason: SessionEndReason): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    for (const [client, { own }] of [...this.#clients]) {
      // The first reason counts.
      own?.journal.leave(reason);
      client.finish(CLOSE_NORMAL, reason);
    }
  }

  /** Closes every WebSocket with the reason. Idempotent. */
  close(reason: SessionEndReason): void {
    if (!this.#isReadable) return;
    this.#isReadable = false;
    this.#endReason ??= reason;
    const code = closeCodes.get(this.#endReason) ?? CLOSE_NORMAL;
    for (const [client, { own }] of [...this.#clients]) {
      own?.journal.leave(this.#endReason);
      client.close(code, this.#endReason);
    }
    this.#parameters.stream.close();
  }

  /** As a viewer of its own. */
  #join(client: StreamClient, caller: Caller): void {
    const { openJournal, openSeat } = this.#parameters;
    const journal = openJournal();
    client.arrive((listener) => {
      const seat = openSeat(
        journal.publicId,
        caller,
      )({
        onRole: () => undefined,
        onAsked: (publicId) =>
          void listener.send(JSON.stringify({ type: 'control_requested', ...publicIdPayload(publicId) })),
      });
      this.#clients.set(client, { own: { caller, journal, seat } });
      journal.join();
      seat.arrive();
      return seat.openChannel(listener);
    });
  }

  /** As another way of the viewer; the one that it had is closed. */
  #joinTo(viewer: StreamViewer, client: StreamClient): void {
    const previous = this.#ofViewers.get(viewer);
    this.#clients.set(client, { viewer });
    this.#ofViewers.set(viewer, client);
    client.arrive((listener) => viewer.openChannel(listener));
    if (previous === undefined) return;
    this.#clients.delete(previous);
    previous.close(CLOSE_POLICY_VIOLATION, TAKEN_OVER);
  }

  #onClosed(client: StreamClient): void {
    const member = this.#clients.get(client);
    if (member === undefined) return;
    const { viewer, own } = member;
    this.#clients.delete(client);
    if (viewer !== undefined) this.#ofViewers.delete(viewer);
    own?.seat.leave();
    own?.journal.leave('gone');
    this.#parameters.onChange();
  }

  #follow(client: StreamClient): void {
    if (!this.#isLive || !client.hasResumed || !this.#isReadable) return;
    try {
      client.follow(this.#parameters.stream);
    } catch (thrown) {
      const error = asError(thrown);
      this.#parameters.logger.warn({ err: error }, 'a stream could not be opened');
      const reason = thrown instanceof StreamKitError ? thrown.code : 'internal';
      client.close(CLOSE_INTERNAL_ERROR, reason);
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
]);
