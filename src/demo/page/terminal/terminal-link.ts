import { textPieces } from './text-pieces.js';

/** What the server's state document says of a terminal, as far as this page reads it. */
export interface TerminalDocument {
  readonly status: string;
  readonly error?: string;
  readonly metadata?: {
    readonly viewers?: number;
    readonly terminal?: { readonly exitStatus: number | null; readonly exitSignal: string | null };
  };
}

/** How a terminal is reached. A test brings its own. */
export interface TerminalRoute {
  /** Opens the WebSocket of the session. */
  open(): WebSocket;
  /** Asks for the state of the session. `refusal`: there is none for this client, in the words of the server. */
  look(): Promise<{ readonly kind: 'there' | 'unreachable' } | { readonly kind: 'refusal'; message: string }>;
  /** @returns what calls it off. */
  after(delayMs: number, run: () => void): () => void;
}

/** Who types. */
export interface TerminalRole {
  readonly isController: boolean;
  /** Public ids: of the one that has control, and of this client. */
  readonly controllerId: string | undefined;
  readonly publicId: string | undefined;
}

export interface TerminalLinkListener {
  /** Connected, or not any more and to be connected again. */
  onLink(isUp: boolean): void;
  onSize(cols: number, rows: number): void;
  /** The next bytes that the program wrote: none is left out, none comes twice. */
  onOutput(bytes: Uint8Array): void;
  /** Output is missing; this draws the screen as it is. */
  onSnapshot(bytes: Uint8Array): void;
  onState(document: TerminalDocument): void;
  onRole(role: TerminalRole): void;
  /** Another client asks for control. */
  onAsked(publicId: string): void;
  /** Something was refused. */
  onRefused(message: string): void;
  /** It is over. @param message - in words, where the reason is no end of the session. */
  onEnded(reason: string, message?: string): void;
}

/** The server's bounds for one message (protocol, "Input"), bytes of UTF-8. */
const MAX_KEYS_BYTES = 16 * 1024;
const MAX_PASTE_BYTES = 64 * 1024;
/** What is pasted or typed at once at most, UTF-16 units: the server lets half a MiB wait. */
const MAX_INPUT_LENGTH = 128 * 1024;
/** Input beyond it is refused while the network takes none, bytes. */
const MAX_UNSENT_BYTES = 256 * 1024;
/** The first wait after a connection that broke, and the longest, ms. */
const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 8000;
const SEQUENCE_BYTES = 8;
/** RFC 6455 section 7.4.1. */
const CLOSE_NORMAL = 1000;

/** The WebSocket of one terminal: connects again after what was last seen, until the session is over. */
export class TerminalLink {
  readonly #route: TerminalRoute;
  readonly #listener: TerminalLinkListener;
  #socket: WebSocket | undefined;
  #cancelWait: (() => void) | undefined;
  /** Counts connections, so that what was asked for an earlier one is known as such. */
  #turn = 0;
  #failures = 0;
  #isUp = false;
  #isPaused = false;
  #isOver = false;
  /** Number of the last chunk that was handed on. */
  #lastSequence: number | null = null;
  #role: TerminalRole = { isController: false, controllerId: undefined, publicId: undefined };
  /** It had control when the connection broke, and shall have it again. */
  #wantsControl = false;

  constructor(route: TerminalRoute, listener: TerminalLinkListener) {
    this.#route = route;
    this.#listener = listener;
  }

  /** Whether what is typed here is taken. */
  get canType(): boolean {
    return this.#isUp && this.#role.isController;
  }

  start(): void {
    this.#connect();
  }

  /** The network has changed, or the page is looked at again: what is waited for may be there now. */
  wake(): void {
    if (this.#isOver || this.#isPaused || this.#isUp) return;
    this.#failures = 0;
    this.#reconnect(0);
  }

  /** Takes no more until {@link unpause}: the server holds what comes meanwhile, or what draws it. */
  pause(): void {
    if (this.#isOver || this.#isPaused) return;
    this.#isPaused = true;
    this.#disconnect();
  }

  unpause(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#reconnect(0);
  }

  /** Ends the connection, not the session. Idempotent. */
  close(): void {
    this.#isOver = true;
    this.#disconnect();
  }

  /** What a keyboard makes, literally. */
  type(data: string): void {
    this.#input('keys', data, MAX_KEYS_BYTES);
  }

  paste(data: string): void {
    this.#input('paste', data, MAX_PASTE_BYTES);
  }

  /** One key by its name, such as `C-c`. */
  press(name: string): void {
    if (this.canType) this.#send({ type: 'key', name });
  }

  resize(cols: number, rows: number): void {
    if (this.canType) this.#send({ type: 'resize', cols, rows });
  }

  requestControl(): void {
    this.#send({ type: 'request_control' });
  }

  releaseControl(): void {
    this.#wantsControl = false;
    this.#send({ type: 'release_control' });
  }

  #input(type: 'keys' | 'paste', data: string, maxBytes: number): void {
    if (!this.canType || data === '') return;
    if (data.length > MAX_INPUT_LENGTH || (this.#socket?.bufferedAmount ?? 0) > MAX_UNSENT_BYTES) {
      this.#listener.onRefused('That is too much at once.');
      return;
    }
    for (const piece of textPieces(data, maxBytes)) this.#send({ type, data: piece });
  }

  #send(message: Readonly<Record<string, unknown>>): void {
    // Sent while it is being opened it would throw, and afterwards be lost without a word.
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #disconnect(): void {
    this.#turn += 1;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    this.#setDown();
  }

  #setDown(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#wantsControl ||= this.#role.isController;
    this.#role = { isController: false, controllerId: undefined, publicId: undefined };
    if (!this.#isOver) this.#listener.onLink(false);
  }

  #reconnect(delayMs: number): void {
    this.#disconnect();
    if (!this.#isOver) this.#cancelWait = this.#route.after(delayMs, () => this.#connect());
  }

  #retry(): void {
    const delayMs = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    this.#reconnect(delayMs);
  }

  #end(reason: string, message?: string): void {
    if (this.#isOver) return;
    this.close();
    this.#listener.onEnded(reason, message);
  }

  #connect(): void {
    const socket = this.#route.open();
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => {
      if (this.#socket === socket) this.#send({ type: 'resume', lastSeq: this.#lastSequence });
    });
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (this.#socket !== socket) return;
      if (data instanceof ArrayBuffer) this.#onChunk(data);
      else if (typeof data === 'string') this.#onText(data);
    });
    socket.addEventListener('close', ({ code, reason }: CloseEvent) => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      if (code === CLOSE_NORMAL) this.#end(reason);
      else if (this.#isUp) this.#retry();
      else void this.#examine();
    });
  }

  /** A WebSocket that is refused does not tell a page why; the session does. */
  async #examine(): Promise<void> {
    const turn = this.#turn;
    const found = await this.#route.look();
    // Meanwhile another connection was begun, or none is wanted any more.
    if (turn !== this.#turn) return;
    if (found.kind === 'refusal') this.#end('refused', found.message);
    else this.#retry();
  }

  #onChunk(buffer: ArrayBuffer): void {
    if (buffer.byteLength <= SEQUENCE_BYTES) return;
    const sequence = Number(new DataView(buffer).getBigUint64(0));
    if (this.#lastSequence !== null && sequence <= this.#lastSequence) return;
    this.#lastSequence = sequence;
    this.#listener.onOutput(new Uint8Array(buffer, SEQUENCE_BYTES));
  }

  #onText(text: string): void {
    const message = JSON.parse(text) as ServerMessage;
    switch (message.type) {
      case 'session-meta':
        this.#onMeta(message);
        break;
      case 'state':
        this.#listener.onState(message.value);
        break;
      case 'snapshot':
        // It stands for all up to its number, and what comes after it is drawn on it: whatever was seen before.
        this.#lastSequence = message.seq;
        this.#listener.onSnapshot(Uint8Array.from(atob(message.data), (byte) => byte.charCodeAt(0)));
        break;
      case 'role':
        this.#onRole(message);
        break;
      case 'control_requested':
        this.#listener.onAsked(message.viewerId);
        break;
      case 'error':
        this.#listener.onRefused(message.message);
        break;
      default:
      // A later server may say more.
    }
  }

  #onMeta({ kind, cols, rows }: MetaMessage): void {
    if (kind !== 'terminal') {
      this.#end('refused', 'This session is a page, and no terminal.');
      return;
    }
    if (cols !== undefined && rows !== undefined) this.#listener.onSize(cols, rows);
    if (this.#isUp) return;
    this.#isUp = true;
    this.#failures = 0;
    this.#listener.onLink(true);
  }

  #onRole({ role, controllerId, publicId }: RoleMessage): void {
    this.#role = {
      isController: role === 'controller',
      controllerId,
      publicId: publicId ?? this.#role.publicId,
    };
    if (this.#role.isController) this.#wantsControl = false;
    else if (this.#wantsControl) {
      // The server may take its former connection for alive, and gives control back when it has missed it.
      this.#wantsControl = false;
      this.requestControl();
    }
    this.#listener.onRole(this.#role);
  }
}

interface MetaMessage {
  readonly type: 'session-meta';
  readonly kind: string;
  /** Absent until the terminal runs. */
  readonly cols?: number;
  readonly rows?: number;
}

interface RoleMessage {
  readonly type: 'role';
  readonly role: string;
  readonly controllerId?: string;
  /** Said once a connection. */
  readonly publicId?: string;
}

/** What the server says, as far as this page listens. */
type ServerMessage =
  | MetaMessage
  | RoleMessage
  | { readonly type: 'state'; readonly value: TerminalDocument }
  | { readonly type: 'snapshot'; readonly seq: number; readonly data: string }
  | { readonly type: 'control_requested'; readonly viewerId: string }
  | { readonly type: 'error'; readonly message: string };
