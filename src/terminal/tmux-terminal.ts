import type { Clock } from '../base/clock.js';
import { pause } from '../base/deadline.js';
import { StreamKitError } from '../base/errors.js';
import { InputError } from '../input/input-error.js';
import type { InputMessage } from '../input/input-message.js';
import type { Logger } from '../base/logger.js';
import { SerialQueue } from '../base/serial-queue.js';
import type { CommandReply } from './control-mode-parser.js';
import { killMarked, processSession, stillRunning } from './process-session.js';
import { parseScreenState, SCREEN_STATE_FORMAT, screenDrawing } from './screen-drawing.js';
import { keyboardTerminalKey, namedTerminalKey } from './terminal-keys.js';
import type { TerminalKey } from './terminal-keys.js';
import type { HeldModifiers, Terminal, TerminalExit, TerminalListener } from './terminal.js';
import type { TmuxControlListener, TmuxControlParameters } from './tmux-control.js';
import { TmuxControl } from './tmux-control.js';
import type { OutputSequences } from './output-state.js';
import { OutputState } from './output-state.js';
import { exitOf, paneFormat, parsePanes } from './tmux-pane.js';
import type { TmuxPane } from './tmux-pane.js';
import type { TmuxServer } from './tmux-server.js';

export interface TmuxTerminalParameters {
  readonly server: TmuxServer;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Its id: names change. */
  readonly session: string;
  /** How the first control client begins. */
  readonly start: Pick<TmuxControlParameters, 'words' | 'cwd'>;
  /** How one begins that comes later. */
  readonly attachWords: readonly string[];
  /** The tmux server is ours: it ends with the terminal. */
  readonly own: boolean;
  /** Removes what is left of the terminal's files. */
  readonly remove: () => Promise<void>;
}

/** Most output that is made one chunk, bytes. */
const MAX_CHUNK_BYTES = 64 * 1024;
/** Bytes of input in one command: each takes three of its line. */
const KEYS_PER_COMMAND = 256;
/** Most input that waits for tmux, bytes; beyond it it is refused. */
const MAX_WAITING_INPUT_BYTES = 512 * 1024;
/** How often a client is begun anew at once within {@link REOPEN_WINDOW_MS}; after that it waits. */
const MAX_REOPENINGS = 3;
const REOPEN_WINDOW_MS = 10_000;
const REOPEN_PAUSE_MS = 1000;
/** At the end tmux is asked again until it has had nothing to send this often, after this many ms each, but no more often. */
const QUIET_ROUNDS = 2;
const ROUND_MS = 10;
const MAX_ROUNDS = 200;
/** Programs have this long to end after tmux has hung up on them, ms. */
const HANGUP_GRACE_MS = 300;
const HANGUP_LOOK_MS = 20;
/** The end of a bracketed paste, in 7 and 8 bits: what is pasted must not end it. */
// oxlint-disable-next-line no-control-regex
const PASTE_END = /\u001b\[201~|\u009b201~/;

/** One pane of a tmux session, read and written through a client in control mode. */
export class TmuxTerminal implements Terminal {
  readonly #parameters: TmuxTerminalParameters;
  readonly #listener: TerminalListener;
  #control: TmuxControl;
  #pane: TmuxPane | undefined;
  #output: Uint8Array[] = [];
  #outputBytes = 0;
  readonly #outputState = new OutputState();
  readonly #work = new SerialQueue();
  #waitingInputBytes = 0;
  #buffers = 0;
  #looking = false;
  #lookAgain = false;
  #reopenings: number[] = [];
  /** Input waits for it. */
  #reopened: Promise<void> = Promise.resolve();
  /** Bytes of output so far. */
  #received = 0;
  #ended = false;
  #closing: Promise<void> | undefined;

  private constructor(parameters: TmuxTerminalParameters, listener: TerminalListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    this.#control = this.#openControl(parameters.start);
  }

  /** @throws StreamKitError `terminal_failed`. */
  static async open(parameters: TmuxTerminalParameters, listener: TerminalListener): Promise<TmuxTerminal> {
    const terminal = new TmuxTerminal(parameters, listener);
    const [pane] = await terminal.#panes().catch(() => []);
    if (pane === undefined) {
      await terminal.close('kill');
      throw new StreamKitError('terminal_failed', 'The terminal could not be opened');
    }
    terminal.#pane = pane;
    terminal.#flush();
    terminal.#watch();
    return terminal;
  }

  get pid(): number {
    return this.#known.pid;
  }

  get cols(): number {
    return this.#known.cols;
  }

  get rows(): number {
    return this.#known.rows;
  }

  input(message: InputMessage, held: HeldModifiers): Promise<void> {
    switch (message.type) {
      case 'keys':
        return this.#type(Buffer.from(message.data));
      case 'text':
        return this.#type(Buffer.from(message.text));
      case 'key':
        return this.#press(namedTerminalKey(message.named));
      case 'keyboard': {
        const key = keyboardTerminalKey(message, held);
        return key === undefined ? Promise.resolve() : this.#press(key);
      }
      case 'paste':
        return this.#paste(message.data);
      case 'resize':
        if (message.unit !== 'cells') break;
        return this.#inOrder(0, () => this.#command(`refresh-client -C ${message.cols}x${message.rows}`));
      // What an input method shows before it commits is for the client alone.
      case 'composition':
        return Promise.resolve();
      case 'pointer':
      case 'wheel':
      case 'touch':
      case 'gamepad':
      case 'select':
      case 'picker':
      case 'dialog':
      case 'file_chooser':
      case 'drop':
      case 'pointer_lock':
      case 'tab':
        break;
    }
    throw new InputError('bad_input', `A terminal takes no such ${message.type}`);
  }

  async snapshot(onTaken: () => void): Promise<Uint8Array> {
    const { id } = this.#known;
    const [shown, normal] = [this.#nextBuffer(), this.#nextBuffer()];
    let output: OutputSequences | undefined;
    // tmux reads these at once, so nothing comes between them.
    const [{ ok }, , { lines }] = await Promise.all([
      this.#control.command(`capture-pane -e -N -b ${shown} -t ${id}`, (reply) => {
        this.#flush();
        output = this.#outputState.sequences();
        if (reply.ok) onTaken();
      }),
      // Fails where there is no alternate screen.
      this.#control.command(`capture-pane -a -q -e -N -b ${normal} -t ${id}`),
      this.#control.command(`display-message -p -t ${id} '${SCREEN_STATE_FORMAT}'`),
    ]);
    const state = parseScreenState(lines[0] ?? '');
    // A screen may contain what looks like a reply, so its text does not come through the control client.
    const text = ok ? await this.#takeBuffer(shown) : undefined;
    const normalText = state?.alternate_on === 1 ? await this.#takeBuffer(normal) : undefined;
    if (text === undefined || state === undefined || output === undefined) {
      throw new StreamKitError('terminal_failed', 'The screen could not be read');
    }
    return screenDrawing({ text, normalText: normalText ?? new Uint8Array(), state, output });
  }

  /** Reads a buffer of tmux and removes it. */
  async #takeBuffer(name: string): Promise<Uint8Array | undefined> {
    const { ok, output } = await this.#parameters.server.run(['save-buffer', '-b', name, '-']);
    void this.#control.command(`delete-buffer -b ${name}`).catch(() => undefined);
    return ok ? output : undefined;
  }

  close(end: 'kill' | 'leave'): Promise<void> {
    this.#ended = true;
    this.#closing ??= this.#close(end);
    return this.#closing;
  }

  get #known(): TmuxPane {
    if (this.#pane === undefined) throw new StreamKitError('unavailable', 'The terminal is not open yet');
    return this.#pane;
  }

  #openControl(start: TmuxTerminalParameters['start']): TmuxControl {
    const { server, clock } = this.#parameters;
    const listener: TmuxControlListener = {
      onOutput: (pane, bytes) => this.#onOutput(pane, bytes),
      // Whatever happened to windows and panes may have happened to ours.
      onNotification: (name) => {
        if (/^(?:window|unlinked-window|layout|session-window|subscription)-/.test(name)) this.#look();
      },
      onIdle: () => this.#flush(),
      onGone: () => {
        // The next client cannot be started: the system has no memory or descriptors for it.
        this.#reopened = this.#reopen().catch(() => this.#lose());
      },
    };
    return new TmuxControl({ ...start, server, clock, env: {} }, listener);
  }

  #onOutput(pane: string, bytes: Uint8Array): void {
    // Before it is known which pane is ours there is one.
    if (this.#pane !== undefined && pane !== this.#pane.id) return;
    this.#received += bytes.byteLength;
    this.#outputState.push(bytes);
    this.#output.push(bytes);
    this.#outputBytes += bytes.byteLength;
    if (this.#outputBytes >= MAX_CHUNK_BYTES) this.#flush();
  }

  #flush(): void {
    if (this.#output.length === 0) return;
    const [first] = this.#output;
    const bytes = this.#output.length === 1 && first !== undefined ? first : Buffer.concat(this.#output);
    this.#output = [];
    this.#outputBytes = 0;
    if (!this.#ended) this.#listener.onOutput(bytes);
  }

  async #panes(onReply?: (reply: CommandReply) => void): Promise<TmuxPane[]> {
    // Without a name tmux takes the session that was used last, before the client has attached.
    const line = `list-panes -s -t '${this.#parameters.session}' -F '${paneFormat}'`;
    const { ok, lines } = await this.#control.command(line, onReply);
    return ok ? parsePanes(lines) : [];
  }

  /** Asks to be told within a second of the end of the pane, which may have come already. */
  #watch(): void {
    void this.#control.command("refresh-client -B 'ended::#{pane_dead}'").catch(() => undefined);
    this.#look();
  }

  /** Looks what has become of the pane. One look at a time; what happens meanwhile is looked at after it. */
  #look(): void {
    if (this.#pane === undefined || this.#ended) return;
    this.#lookAgain = this.#looking;
    if (this.#looking) return;
    this.#looking = true;
    this.#panes(() => this.#flush())
      .then(
        (panes) => this.#onPanes(panes),
        // The client is gone, which is told by itself.
        () => undefined,
      )
      .finally(() => {
        this.#looking = false;
        if (this.#lookAgain) this.#look();
      });
  }

  #onPanes(panes: readonly TmuxPane[]): void {
    if (this.#ended) return;
    const before = this.#known;
    const active = panes.find((pane) => pane.active) ?? panes[0];
    const same = panes.find((pane) => pane.id === before.id);
    // A session of ours has the one pane, whatever its program adds; of others the one is shown that they look at.
    const pane = this.#parameters.own ? same : active;
    if (pane === undefined || pane.dead) {
      this.#exit(pane === undefined ? { status: null, signal: null } : exitOf(pane));
      return;
    }
    if (pane.status !== null) {
      void this.#drain().then(() => this.#exit(exitOf(pane)));
      return;
    }
    this.#pane = pane;
    if (pane.id !== before.id) this.#listener.onGap();
    if (pane.cols !== before.cols || pane.rows !== before.rows) this.#listener.onResize(pane.cols, pane.rows);
  }

  /** The command has ended: waits until tmux has read and sent what it wrote, which shows in that nothing more comes. */
  async #drain(): Promise<void> {
    const { clock } = this.#parameters;
    for (let quiet = 0, round = 0; quiet < QUIET_ROUNDS && round < MAX_ROUNDS; round++) {
      const before = this.#received;
      const answered = await this.#panes().catch(() => undefined);
      if (answered === undefined) return;
      await pause(clock, ROUND_MS);
      quiet = this.#received === before ? quiet + 1 : 0;
    }
  }

  #exit(exit: TerminalExit): void {
    if (this.#ended) return;
    this.#flush();
    this.#ended = true;
    this.#listener.onExit(exit);
  }

  #lose(): void {
    if (this.#ended || this.#isClosing()) return;
    this.#flush();
    this.#ended = true;
    this.#listener.onFailed(new StreamKitError('terminal_failed', 'The terminal was lost'));
  }

  /** The client is gone: the session may be there still, for anybody may detach a client. */
  async #reopen(): Promise<void> {
    const { attachWords, server, clock, logger, own } = this.#parameters;
    if (this.#ended || this.#pane === undefined) return;
    const nowMs = clock.nowUs() / 1000;
    this.#reopenings = this.#reopenings.filter((atMs) => nowMs - atMs < REOPEN_WINDOW_MS);
    const target = ['list-panes', '-s', '-t', this.#pane.session, '-F', paneFormat];
    const { ok } = await server.run(target);
    if (this.#isClosing()) return;
    if (!ok && !own) {
      this.#exit({ status: null, signal: null });
      return;
    }
    if (!ok) {
      this.#lose();
      return;
    }
    if (this.#reopenings.length >= MAX_REOPENINGS) {
      await pause(clock, REOPEN_PAUSE_MS);
      if (this.#isClosing()) return;
    }
    this.#reopenings.push(nowMs);
    logger.warn({}, 'tmux client was lost; another one attaches');
    this.#control = this.#openControl({ words: attachWords, cwd: '/' });
    this.#listener.onGap();
    this.#watch();
  }

  #isClosing(): boolean {
    return this.#closing !== undefined;
  }

  async #press(key: TerminalKey): Promise<void> {
    if (key.kind === 'bytes') return this.#type(key.bytes);
    // A name is one of our own table.
    return this.#inOrder(0, () => this.#command(`send-keys -t ${this.#known.id} ${key.name}`));
  }

  /** As hexadecimal numbers: nothing that a client types is ever part of a command. */
  #type(bytes: Uint8Array): Promise<void> {
    return this.#inOrder(bytes.byteLength, async () => {
      const replies: Promise<void>[] = [];
      for (let at = 0; at < bytes.byteLength; at += KEYS_PER_COMMAND) {
        const keys = Array.from(bytes.subarray(at, at + KEYS_PER_COMMAND), (byte) => byte.toString(16));
        replies.push(this.#command(`send-keys -t ${this.#known.id} -H ${keys.join(' ')}`));
      }
      await Promise.all(replies);
    });
  }

  /** Through a buffer of tmux: it knows whether the program has asked for bracketed paste. */
  #paste(text: string): Promise<void> {
    let data = text;
    // What is left after one removal may come to another.
    while (PASTE_END.test(data)) data = data.replace(PASTE_END, '');
    const bytes = Buffer.from(data);
    if (bytes.byteLength === 0) return Promise.resolve();
    return this.#inOrder(bytes.byteLength, async () => {
      const buffer = this.#nextBuffer();
      const { ok } = await this.#parameters.server.run(['load-buffer', '-b', buffer, '-'], bytes);
      if (!ok) throw notTaken();
      await this.#command(`paste-buffer -p -d -b ${buffer} -t ${this.#known.id}`);
    });
  }

  /** One after the other, in the order in which it came. */
  #inOrder(bytes: number, work: () => Promise<void>): Promise<void> {
    if (this.#ended) throw new InputError('bad_input', 'The terminal has ended');
    // Commands count as well.
    const size = bytes + 64;
    if (this.#waitingInputBytes + size > MAX_WAITING_INPUT_BYTES) {
      throw new InputError('bad_input', 'Too much input waits for the terminal');
    }
    this.#waitingInputBytes += size;
    return this.#work.run(work).finally(() => {
      this.#waitingInputBytes -= size;
    });
  }

  async #command(line: string): Promise<void> {
    await this.#reopened;
    const { ok } = await this.#control.command(line).catch(() => ({ ok: false }));
    if (!ok) throw notTaken();
  }

  /** Names of buffers are of this process alone: a tmux server of others has buffers of its own. */
  #nextBuffer(): string {
    this.#buffers += 1;
    return `stream-kit-${process.pid}-${this.#buffers}`;
  }

  async #close(end: 'kill' | 'leave'): Promise<void> {
    const { own, server, clock, remove } = this.#parameters;
    const { pid } = this.#pane ?? {};
    if (end === 'leave' || !own) {
      await this.#control.close();
      return;
    }
    const members = pid === undefined ? [] : await processSession(pid);
    await server.run(['kill-server']);
    await this.#control.close();
    if (pid !== undefined) {
      let left = members;
      for (let waitedMs = 0; left.length > 0 && waitedMs < HANGUP_GRACE_MS; waitedMs += HANGUP_LOOK_MS) {
        await pause(clock, HANGUP_LOOK_MS);
        left = await stillRunning(left, pid);
      }
      await killMarked(left, pid);
    }
    await remove();
  }
}

function notTaken(): InputError {
  return new InputError('bad_input', 'The terminal did not take it');
}
