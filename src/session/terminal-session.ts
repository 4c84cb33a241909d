import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { LeftTerminalEndedError } from '../base/left-terminal-ended-error.js';
import type { Terminal, TerminalExit, TerminalTarget } from '../terminal/terminal.js';
import type { TerminalInput } from '../terminal/terminal-input.js';
import type { ReplayFiles } from '../terminal/replay-files.js';
import type { TerminalParts } from '../terminal/open-terminals.js';
import type { Caller } from './caller.js';
import { closePart } from './close-part.js';
import { settlesWithin } from '../base/deadline.js';
import type { MessageSink } from './message-sink.js';
import type { SessionEmitter } from './session-emitter.js';
import type { SessionEndReason } from './session-events.js';
import { SessionLife } from './session-life.js';
import type { SessionParts, SessionSettings } from './session-parts.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import { AUTO_CODECS } from '../protocol/video-codecs.js';
import type { StreamSnapshot } from './websocket-link.js';
import { WebSocketLinks } from './websocket-links.js';
import type { SessionListener, StreamSession } from './stream-session.js';
import { TerminalStream } from './terminal-stream.js';
import type { EventStreamLink, ViewerRequest } from './event-stream-link.js';
import { ViewerGroup } from './viewer-group.js';

export interface TerminalSessionParameters {
  readonly streamId: string;
  readonly target: TerminalTarget;
  /** Who made it. */
  readonly caller: Caller;
  /** ms since the epoch. */
  readonly createdAtMs: number;
  readonly parts: SessionParts;
  readonly terminals: TerminalParts;
  readonly settings: SessionSettings;
}

/** How long the last screen may take to be read, ms. */
const LAST_SNAPSHOT_MS = 1000;

/** One terminal and its viewers. It has no media: viewers read its output over WebSockets. */
export class TerminalSession implements StreamSession {
  readonly streamId: string;
  readonly hasMedia = false;
  readonly viewers: ViewerGroup;
  readonly #parameters: TerminalSessionParameters;
  readonly #logger: Logger;
  readonly #life: SessionLife;
  readonly #stream: TerminalStream;
  readonly #input: TerminalInput;
  readonly #launchAbort = new AbortController();
  #launched: Promise<void> = Promise.resolve();
  /** It did not open, and may run all the same: an earlier run of the server has left it. */
  #mayBeLeft = false;
  #terminal: Terminal | undefined;
  #replay: ReplayFiles | undefined;
  /** The one that is being taken, for all who want one meanwhile. */
  #snapshot: Promise<StreamSnapshot> | undefined;

  constructor(parameters: TerminalSessionParameters, listener: SessionListener) {
    const { streamId, parts, terminals, settings } = parameters;
    this.streamId = streamId;
    this.#parameters = parameters;
    this.#logger = parts.logger.child({ streamId });
    const logger = this.#logger;
    const { clock } = parts;
    this.#life = new SessionLife(
      { initial: initialState(parameters), parts, settings, logger },
      {
        onPatch: () => this.viewers.sendPatches(),
        isUsed: () => false,
        shutDown: (reason) => this.#shutDown(reason),
        onFailed: (error) => listener.onFailed(this, error),
        onEnded: (reason) => listener.onEnded(this, reason),
      },
    );
    this.#stream = new TerminalStream({
      clock,
      replayBytes: terminals.options.replayBytes,
      snapshot: () => this.#takeSnapshot(),
      onAppended: (sequence, data) => this.#replay?.append(sequence, data),
    });
    this.viewers = new ViewerGroup(
      {
        ...{ streamId, parts, settings, logger },
        publisher: this.#life.publisher,
        renderOptions: { videoCodecs: AUTO_CODECS, audio: false },
        openSockets: (hooks) =>
          new WebSocketLinks({
            ...{ clock, logger, ...hooks },
            stream: this.#stream,
            kind: 'terminal',
            document: () => this.state,
            meta: () => {
              const { cols, rows } = this.state.metadata.terminal ?? {};
              return { cols, rows };
            },
            snapshot: () => this.#takeSnapshot(),
          }),
      },
      {
        onActivity: () => this.touch(),
        onChange: () => this.#onViewerChange(),
        onController: (id) => {
          this.#life.publisher.update(({ metadata }) => void (metadata.controllerId = id));
          this.events.emit('control', { controllerId: id });
        },
        onInput: (publicId, message) => this.events.emit('input', { publicId, message }),
        // A terminal is resized as its input is taken.
        resize: () => Promise.resolve(),
      },
    );
    this.#input = terminals.createInput(() => this.touch());
    this.viewers.control.setTarget(this.#input);
  }

  get state(): Readonly<StreamSessionState> {
    return this.#life.publisher.document;
  }

  get events(): SessionEmitter {
    return this.#life.events;
  }

  get endReason(): SessionEndReason | undefined {
    return this.#life.endReason;
  }

  get error(): StreamKitError | undefined {
    return this.#life.error;
  }

  launch(): void {
    this.#launched = this.#launch();
  }

  touch(): void {
    this.#life.touch();
  }

  admit(request: ViewerRequest): EventStreamLink {
    return this.viewers.admit(request);
  }

  prepareSocket(caller: Caller, viewerId?: string): (sink: MessageSink) => void {
    this.touch();
    return this.viewers.prepareSocket(caller, viewerId);
  }

  close(reason: 'deleted' | 'timeout' | 'shutdown'): Promise<void> {
    return this.#life.end(reason);
  }

  readonly fail = (error: StreamKitError): void => this.#life.fail(error);

  release(): void {
    this.viewers.sockets.close('deleted');
  }

  async #launch(): Promise<void> {
    const { target, parts, terminals, settings, streamId } = this.#parameters;
    const { launchTimeoutMs } = settings;
    const { signal } = this.#launchAbort;
    const timer = parts.clock.after(launchTimeoutMs, () =>
      this.#launchAbort.abort(
        new StreamKitError('terminal_failed', `The terminal was not ready within ${launchTimeoutMs} ms`),
      ),
    );
    try {
      await this.#openReplay();
      const terminal = await terminals.openTerminal(
        target,
        {
          onOutput: (bytes) => this.#stream.append(bytes),
          onGap: () => this.#stream.gap(),
          onResize: (cols, rows) => this.#onResize(cols, rows),
          onExit: (exit) => void this.#onExit(exit),
          onFailed: (error) => this.#life.fail(error),
        },
        signal,
        { streamId },
      );
      this.#terminal = terminal;
      if (this.#life.endReason === undefined) this.#goLive(terminal);
    } catch (thrown) {
      this.#mayBeLeft = target.kind === 'left' && !(thrown instanceof LeftTerminalEndedError);
      this.#life.fail(signal.aborted ? asError(signal.reason) : asError(thrown));
    } finally {
      timer.cancel();
    }
  }

  /** Where terminals outlive the server: what is known of this one is kept, and what an earlier run has kept is read. */
  async #openReplay(): Promise<void> {
    const { target, terminals, streamId, caller, createdAtMs } = this.#parameters;
    // What was on the screen before is nowhere in the output that is to come.
    if (target.kind === 'attached') this.#stream.gap();
    if (terminals.folder === undefined || target.kind === 'attached') return;
    const { key, id, role } = caller;
    if (target.kind === 'new') {
      await terminals.folder.keep({ id: streamId, createdAtMs, owner: { key, id, role } });
    }
    const { files, records } = await terminals.folder.openReplay(streamId);
    this.#replay = files;
    if (target.kind === 'left') this.#stream.restore(records);
  }

  #goLive(terminal: Terminal): void {
    const { pid, cols, rows } = terminal;
    this.#life.publisher.update((document) => {
      if (document.instanceInfo !== undefined) document.instanceInfo.pid = pid;
    });
    this.#onResize(cols, rows);
    this.#input.begin(terminal);
    this.viewers.sockets.goLive();
    this.#onViewerChange();
    this.#logger.info({ pid }, 'terminal is live');
  }

  #onResize(cols: number, rows: number): void {
    this.#life.publisher.update(({ metadata }) => {
      if (metadata.terminal !== undefined) Object.assign(metadata.terminal, { cols, rows });
    });
    // The state comes later, after what the program draws for the new size.
    this.viewers.sockets.onMetaChange();
  }

  #onViewerChange(): void {
    const { attached, streaming } = this.viewers.summary();
    this.#life.publisher.update((document) => {
      document.metadata.viewers = attached;
      document.clientConnected = attached > 0;
      if (this.#life.endReason === undefined && this.#terminal !== undefined) {
        document.status = streaming ? 'streaming' : 'connecting';
      }
    });
    this.#life.setWatched(attached > 0);
  }

  /** @throws StreamKitError `unavailable`, `terminal_failed`. */
  #takeSnapshot(): Promise<StreamSnapshot> {
    const terminal = this.#terminal;
    if (terminal === undefined || this.#life.endReason !== undefined) {
      return Promise.reject(new StreamKitError('unavailable', 'There is no terminal'));
    }
    this.#snapshot ??= this.#readScreen(terminal).finally(() => {
      this.#snapshot = undefined;
    });
    return this.#snapshot;
  }

  async #readScreen(terminal: Terminal): Promise<StreamSnapshot> {
    let seq = 0;
    const data = await terminal.snapshot(() => {
      seq = this.#stream.lastSequence;
    });
    return { seq, data };
  }

  async #onExit({ status, signal }: TerminalExit): Promise<void> {
    // A snapshot that is being taken may be older than the last output.
    let last: StreamSnapshot | undefined;
    const read = (this.#snapshot ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => this.#takeSnapshot())
      .then(
        (snapshot) => {
          last = snapshot;
        },
        () => undefined,
      );
    await settlesWithin(this.#parameters.parts.clock, LAST_SNAPSHOT_MS, read);
    this.#life.publisher.update(({ metadata }) => {
      if (metadata.terminal === undefined) return;
      metadata.terminal.exitStatus = status;
      metadata.terminal.exitSignal = signal;
    });
    this.#stream.end(last);
    await this.#life.end('exited');
  }

  async #shutDown(reason: SessionEndReason): Promise<void> {
    const { target, terminals, streamId } = this.#parameters;
    const by = { clock: this.#parameters.parts.clock, logger: this.#logger };
    this.#launchAbort.abort();
    this.#stream.end(undefined);
    await closePart('viewers', this.viewers.close(reason), by);
    this.#onViewerChange();
    // The next run of the server may find it. What could not be reached cannot be ended either.
    const outlives = (): boolean =>
      (reason === 'shutdown' || this.#mayBeLeft) && terminals.folder !== undefined;
    const closing = this.#launched.then(() => this.#terminal?.close(outlives() ? 'leave' : 'kill'));
    await closePart('terminal', closing, by);
    await closePart('replay', this.#replay?.close(), by);
    if (!outlives() && target.kind !== 'attached') await terminals.folder?.remove(streamId);
    this.#life.publisher.update((document) => {
      delete document.instanceInfo?.pid;
    });
  }
}

function initialState({
  streamId,
  target,
  parts,
  createdAtMs,
}: TerminalSessionParameters): StreamSessionState {
  const { cols, rows } = target.kind === 'new' ? target : { cols: 80, rows: 24 };
  return {
    streamId,
    status: 'initializing',
    targetUrl: '',
    clientConnected: false,
    instanceInfo: { startTime: createdAtMs, viewport: { width: 0, height: 0 } },
    metadata: {
      viewers: 0,
      controllerId: null,
      video: null,
      audio: null,
      capture: null,
      rendering: null,
      responsive: true,
      restarts: 0,
      fault: null,
      mediaPlane: parts.mediaPlane.name,
      page: {},
      terminal: { cols, rows, attached: target.kind === 'attached', exitStatus: null, exitSignal: null },
    },
    lastActivityTime: Math.round(parts.clock.wallMs()),
  };
}
