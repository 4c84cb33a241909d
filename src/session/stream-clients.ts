import type { Clock } from '../clock.js';
import type { VideoCodec } from '../encode/encoded-frame.js';
import { asError, StreamKitError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { PacketSink, PacketSource } from '../recording/packet-source.js';
import type { Caller } from './caller.js';
import type { MessageSink } from './message-sink.js';
import { PageStream } from './page-stream.js';
import type { OpenSeat } from './session-control.js';
import type { SessionEndReason } from './session-events.js';
import type { StreamSessionState } from './session-state.js';
import { StreamClient } from './stream-client.js';
import type { ViewerJournal } from './viewer-journal.js';

export interface StreamClientsParameters {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long the stream goes on without a client, ms. */
  readonly graceMs: number;
  /** What is encoded if nobody has asked for another: the first that the session has. */
  readonly firstCodec: VideoCodec;
  readonly document: () => Readonly<StreamSessionState>;
  readonly snapshot: () => Promise<Uint8Array>;
  readonly openSource: (codec: VideoCodec | undefined, sink: PacketSink) => PacketSource;
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
  readonly #stream: PageStream;
  readonly #clients = new Map<StreamClient, Membership>();
  #isLive = false;
  #endReason: string | undefined;
  /** The message of the state as it was last published, made once for all. */
  #state: string | undefined;
  #meta = '';

  constructor(parameters: StreamClientsParameters) {
    this.#parameters = parameters;
    const { clock, graceMs, openSource } = parameters;
    this.#stream = new PageStream({ clock, graceMs, openSource });
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
    if (this.#endReason !== undefined) {
      client.close(CLOSE_NORMAL, this.#endReason);
      return;
    }
    this.#clients.set(client, { caller, journal });
    journal.join();
    client.arrive();
    onChange();
  }

  /** The page is captured. Once. */
  goLive(): void {
    this.#isLive = true;
    for (const client of [...this.#clients.keys()]) this.#follow(client);
  }

  /** The state has changed. */
  onStateChange(): void {
    this.#state = undefined;
    if (this.#clients.size === 0) return;
    const before = this.#meta;
    const meta = this.#sessionMeta();
    for (const client of this.#clients.keys()) {
      // The size of the picture, or its codec.
      if (meta !== before) client.sendText(meta);
      client.sendState();
    }
  }

  /** Closes every WebSocket with the reason. Idempotent. */
  close(reason: SessionEndReason): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    const code = closeCodes.get(reason) ?? CLOSE_NORMAL;
    for (const [client, { journal }] of [...this.#clients]) {
      // The first reason counts.
      journal.leave(reason);
      client.close(code, reason);
    }
    this.#stream.close();
  }

  #follow(client: StreamClient): void {
    if (!this.#isLive || !client.hasResumed || this.#endReason !== undefined) return;
    try {
      client.follow(this.#stream);
    } catch (thrown) {
      const error = asError(thrown);
      this.#parameters.logger.warn({ err: error }, 'a stream could not be opened');
      const reason = thrown instanceof StreamKitError ? thrown.code : 'internal';
      client.close(CLOSE_INTERNAL_ERROR, reason);
    }
  }

  #sessionMeta(): string {
    const { streamId, instanceInfo, metadata } = this.#parameters.document();
    const { width, height } = metadata.video;
    this.#meta = JSON.stringify({
      type: 'session-meta',
      name: streamId,
      createdAt: new Date(instanceInfo?.startTime ?? 0).toISOString(),
      kind: 'page',
      video: { codec: this.#stream.codec ?? this.#parameters.firstCodec, width, height },
      audio: metadata.audio,
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
