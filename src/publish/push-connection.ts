import type { Clock, Timer } from '../base/clock.js';
import type { EgressClient } from '../egress/egress-client.js';
import { Refusal } from '../egress/egress-dialer.js';
import { type MuxThread, muxThreadOpener, type OpenMuxThread } from '../recording/mux-thread.js';
import { PacketFeed } from '../recording/packet-feed.js';
import type { OpenPacketSource } from '../recording/packet-source.js';
import type { ConnectionListener, PublicationConnection } from './publication.js';
import { PublicationFailure } from './publication-failure.js';
import type { PushReport, PushThreadData } from './push-messages.js';
import type { PushTarget } from './push-target.js';
import { RtmpRelay } from './rtmp-relay.js';

export type OpenPushThread = OpenMuxThread<PushThreadData, PushReport>;

export const openPushThread: OpenPushThread = muxThreadOpener('../publish/push-worker.js');

export interface PushConnectionParameters<Share> {
  readonly target: PushTarget;
  readonly client: Pick<EgressClient, 'dial' | 'addressOf'>;
  readonly openThread: OpenPushThread;
  readonly openSource: OpenPacketSource;
  readonly attach: () => Share;
  /** Ends it at once. */
  readonly hurry: AbortSignal;
  readonly clock: Clock;
}

/** From the start until the server takes the stream. */
const CONNECT_TIMEOUT_MS = 20_000;
/** Servers want a keyframe at least so often. */
const KEYFRAME_INTERVAL_MS = 2000;
/** What may wait for a slow server; then pictures and sound are dropped up to a keyframe. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
/** A server that has taken nothing for so long, although something waits, is gone. */
const STALL_MS = 10_000;
const CHECK_INTERVAL_MS = 1000;
/** How long the server may take to hear of the end. */
const GOODBYE_MS = 1000;

const SENTENCES = {
  refused: 'The server refused the stream, or does not answer',
  broken: 'The connection to the server broke',
  changed: 'The picture format has changed',
} as const;

/** One attempt to push the session to a server of RTMP or SRT, and the connection that comes of it. */
export class PushConnection<Share> implements PublicationConnection {
  readonly path = null;
  readonly #parameters: PushConnectionParameters<Share>;
  readonly #listener: ConnectionListener<Share>;
  readonly #abort = new AbortController();
  #relay: RtmpRelay | undefined;
  #feed: PacketFeed | undefined;
  #thread: MuxThread | undefined;
  #connectTimer: Timer | undefined;
  #stallTimer: Timer | undefined;
  #isLive = false;
  #isOver = false;
  #takenBytes = 0;
  #takenAtUs = 0;
  #opening: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(parameters: PushConnectionParameters<Share>, listener: ConnectionListener<Share>) {
    this.#parameters = parameters;
    this.#listener = listener;
  }

  open(): void {
    const { clock } = this.#parameters;
    this.#connectTimer = clock.after(CONNECT_TIMEOUT_MS, () =>
      this.#fail(new PublicationFailure('The server did not take the stream in time')),
    );
    this.#opening = this.#open().catch((thrown: unknown) => this.#fail(failureOf(thrown)));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { clock, hurry } = this.#parameters;
    this.#isOver = true;
    this.#abort.abort();
    this.#connectTimer?.cancel();
    this.#stallTimer?.cancel();
    this.#feed?.close();
    // Frees the thread if it is blocked on a server that takes nothing.
    const letGo = (): void => this.#relay?.close();
    if (hurry.aborted || !this.#isLive) letGo();
    hurry.addEventListener('abort', letGo);
    const goodbye = clock.after(GOODBYE_MS, letGo);
    await this.#opening;
    await this.#thread?.close();
    goodbye.cancel();
    hurry.removeEventListener('abort', letGo);
    letGo();
  }

  async #open(): Promise<void> {
    const { clock, openSource, openThread } = this.#parameters;
    const url = await this.#connect().catch((thrown: unknown) => {
      throw unreachable(thrown);
    });
    if (this.#isOver) return;
    const feed = new PacketFeed(
      { clock, keyframeIntervalMs: KEYFRAME_INTERVAL_MS, maxBacklogBytes: MAX_BACKLOG_BYTES },
      openSource,
      {
        onPacket: (packet) => this.#thread?.send(packet),
        // The publication ends with its session.
        onSourceEnded: () => Promise.resolve(),
      },
    );
    this.#feed = feed;
    this.#thread = openThread(
      { ...url, hasAudio: feed.hasAudio },
      {
        onReport: (report) => this.#onReport(report),
        onGone: () => this.#fail(new PublicationFailure(SENTENCES.broken)),
      },
    );
    this.#takenAtUs = clock.nowUs();
    this.#stallTimer = clock.every(CHECK_INTERVAL_MS, () => this.#check());
  }

  /** To the address that was checked: FFmpeg resolves nothing. */
  async #connect(): Promise<Pick<PushThreadData, 'url' | 'container'>> {
    const { target, client, clock } = this.#parameters;
    const { signal } = this.#abort;
    if (target.kind === 'srt') {
      const address = await client.addressOf(target.host, target.port, signal);
      const authority = address.includes(':') ? `[${address}]` : address;
      return { url: `srt://${authority}:${target.port}${target.rest}`, container: 'mpegts' };
    }
    const relay = await RtmpRelay.open(client, target, signal, clock);
    this.#relay = relay;
    return { url: `${relay.origin}${target.rest}`, container: 'flv' };
  }

  #onReport(report: PushReport): void {
    if (this.#isOver) return;
    switch (report.type) {
      case 'progress':
        this.#feed?.noteTaken(report.takenBytes);
        if (report.takenBytes === this.#takenBytes) return;
        this.#takenBytes = report.takenBytes;
        this.#takenAtUs = this.#parameters.clock.nowUs();
        return;
      case 'live':
        this.#isLive = true;
        this.#connectTimer?.cancel();
        this.#takenAtUs = this.#parameters.clock.nowUs();
        this.#listener.onConnected(this.#parameters.attach);
        return;
      case 'ended': {
        const cause = report.detail === undefined ? undefined : new Error(report.detail);
        this.#fail(new PublicationFailure(SENTENCES[report.reason ?? 'broken'], { cause }));
      }
    }
  }

  #check(): void {
    const silentMs = (this.#parameters.clock.nowUs() - this.#takenAtUs) / 1000;
    if (!this.#isLive || silentMs < STALL_MS || this.#feed?.isBehind !== true) return;
    this.#fail(new PublicationFailure('The server has taken nothing for a while'));
  }

  #fail(failure: PublicationFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onFailed(failure);
  }
}

function failureOf(thrown: unknown): PublicationFailure {
  if (thrown instanceof PublicationFailure) return thrown;
  return new PublicationFailure('The session could not be sent', { cause: thrown });
}

function unreachable(thrown: unknown): PublicationFailure {
  if (thrown instanceof Refusal) {
    return new PublicationFailure('The server may not publish to this URL, or to where it leads', {
      code: 'bad_target_url',
      isFinal: true,
      cause: thrown,
    });
  }
  return new PublicationFailure('The server cannot be reached', { cause: thrown });
}
