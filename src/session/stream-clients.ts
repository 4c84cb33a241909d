import type { Clock } from '../clock.js';
import { asError, StreamKitError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Caller } from './caller.js';
import type { ChunkStream } from './chunk-stream.js';
import type { MessageSink } from './message-sink.js';
import type { OpenSeat } from './session-control.js';
import type { SessionEndReason } from './session-events.js';
import type { StreamSessionState } from './session-state.js';
import type { StreamSnapshot } from './stream-client.js';
import { StreamClient } from './stream-client.js';
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
  /** Of one that is about to join. */
  readonly openJournal: () => Pick<ViewerJournal, 'publicId' | 'join' | 'leave'>;
  /** @param publicId - the public id of the client. */
  readonly openSeat: (publicId: string, caller: Caller) => OpenSeat;
  /** One came or went. */
  readonly onChange: () => void;
}

interface Membership {
  readonly caller: Caller;
  readonly journal: Pick<ViewerJournal, 'join' | 'leave'>;
}

/** RFC 6455 section 7.4.1. */
const CLOSE_NORMAL = 1000;
const CLOSE_GOING_AWAY = 1001;
const CLOSE_INTERNAL_ERROR = 1011;

/** The WebSockets of one session, and the stream of chunks that they share. */
export class StreamClients {
  readonly #parameters: StreamClientsParameters;
  readonly #clients = new Map<StreamClient, Membership>();
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

  get size(): number {
    return this.#clients.size;
  }

  /** How many a caller has. */
  countOf(callerKey: string): number {
    return [...this.#clients.values()].filter(({ caller }) => caller.key === callerKey).length;
  }

  /** Takes a WebSocket. One that comes after the end is told so. */
  admit(sink: MessageSink, caller: Caller): void {
    const { clock, snapshot, openJournal, openSeat, onChange } = this.#parameters;
    const journal = openJournal();
    const client: StreamClient = new StreamClient(
      sink,
      {
        clock,
        snapshot,
        openSeat: openSeat(journal.publicId, caller),
        sessionMeta: () => this.#sessionMeta(),
        state: () => this.#stateMessage(),
      },
      {
        onResumed: (resumed) => this.#follow(resumed),
        onClosed: (closed) => {
          const member = this.#clients.get(closed);
          if (member === undefined) return;
          this.#clients.delete(closed);
          member.journal.leave('gone');
          onChange();
        },
      },
    );
    if (!this.#isReadable) {
      client.close(CLOSE_NORMAL, this.#endReason ?? '');
      return;
    }
    this.#clients.set(client, { caller, journal });
    journal.join();
    client.arrive();
    if (this.#endReason !== undefined) client.finish(CLOSE_NORMAL, this.#endReason);
    onChange();
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
    for (const [client, { journal }] of [...this.#clients]) {
      // The first reason counts.
      journal.leave(reason);
      client.finish(CLOSE_NORMAL, reason);
    }
  }

  /** Closes every WebSocket with the reason. Idempotent. */
  close(reason: SessionEndReason): void {
    if (!this.#isReadable) return;
    this.#isReadable = false;
    this.#endReason ??= reason;
    const code = closeCodes.get(this.#endReason) ?? CLOSE_NORMAL;
    for (const [client, { journal }] of [...this.#clients]) {
      journal.leave(this.#endReason);
      client.close(code, this.#endReason);
    }
    this.#parameters.stream.close();
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
