import { FitAddon } from '@xterm/addon-fit';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { Terminal, type IFunctionIdentifier, type ITheme } from '@xterm/xterm';

/** What a {@link TerminalScreen} tells its owner. */
export interface TerminalScreenListener {
  /** What is typed, or made by the mouse where the program has asked for that. */
  onInput(data: string): void;
  onPaste(text: string): void;
  onTitle(title: string): void;
  /** Another size would fit the element. */
  onFit(cols: number, rows: number): void;
  /** More was written than could be drawn: it wants no more (true), or has drawn enough to go on (false). */
  onBehind(isBehind: boolean): void;
}

export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

/** What waits to be drawn, bytes: xterm.js itself drops what is beyond 50 MB. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const FEW_WAITING_BYTES = 256 * 1024;
/** A drag of the window asks for hundreds of sizes, and programs draw anew for each, ms. */
const SETTLE_MS = 80;
const SCROLLBACK_LINES = 10_000;
const LARGEST_FONT_PX = 14;
const SMALLEST_FONT_PX = 5;

const THEME: ITheme = {
  background: '#05070c',
  foreground: '#e6ebf4',
  cursor: '#5eead4',
  cursorAccent: '#05231f',
  selectionBackground: '#2dd4bf55',
  scrollbarSliderBackground: '#93a0b833',
  scrollbarSliderHoverBackground: '#93a0b866',
  scrollbarSliderActiveBackground: '#93a0b888',
  ...{ black: '#1f2a3d', red: '#fb7185', green: '#4ade80', yellow: '#fbbf24' },
  ...{ blue: '#60a5fa', magenta: '#c084fc', cyan: '#22d3ee', white: '#cbd5e1' },
  ...{ brightBlack: '#64748b', brightRed: '#fda4af', brightGreen: '#86efac', brightYellow: '#fde047' },
  ...{ brightBlue: '#93c5fd', brightMagenta: '#d8b4fe', brightCyan: '#67e8f9', brightWhite: '#ffffff' },
};

/** Questions of programs (xterm, Control Sequences): DA1, DA2, DSR, DECRQM. */
const QUESTIONS: readonly IFunctionIdentifier[] = [
  { final: 'c' },
  { prefix: '>', final: 'c' },
  { final: 'n' },
  { prefix: '?', final: 'n' },
  { intermediates: '$', final: 'p' },
  { prefix: '?', intermediates: '$', final: 'p' },
];
/** Colours that can be asked for by `?`: the palette, foreground, background, cursor. */
const COLOUR_COMMANDS = [4, 10, 11, 12];

/** A terminal drawn by xterm.js. */
export class TerminalScreen {
  readonly terminal: Terminal;
  readonly #listener: TerminalScreenListener;
  readonly #fit = new FitAddon();
  readonly #observer: ResizeObserver;
  #settleTimer: ReturnType<typeof setTimeout> | undefined;
  #waitingBytes = 0;
  #isBehind = false;
  /** The size of the session is that of this screen; otherwise the letters are made to fit. */
  #isMaster = true;

  constructor(container: HTMLElement, listener: TerminalScreenListener) {
    this.#listener = listener;
    this.terminal = new Terminal({
      // What the widths of characters are, which is settled all the same.
      allowProposedApi: true,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--mono'),
      fontSize: LARGEST_FONT_PX,
      lineHeight: 1.15,
      scrollback: SCROLLBACK_LINES,
      theme: THEME,
      disableStdin: true,
      cursorBlink: true,
      cursorInactiveStyle: 'outline',
      macOptionIsMeta: true,
    });
    this.terminal.loadAddon(this.#fit);
    // As wide as tmux and shells take them: emoji have two columns.
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = '11';
    this.terminal.open(container);
    this.#leaveQuestions();
    this.terminal.onData((data) => listener.onInput(data));
    this.terminal.onTitleChange((title) => listener.onTitle(title));
    this.terminal.attachCustomKeyEventHandler((event) => this.#acceptKey(event));
    // The server knows whether the program wants a paste marked, so it is left to it. Before xterm.js sees it.
    container.addEventListener('paste', (event) => this.#onPaste(event), { capture: true });
    this.#observer = new ResizeObserver(() => {
      clearTimeout(this.#settleTimer);
      this.#settleTimer = setTimeout(() => this.#refit(), SETTLE_MS);
    });
    this.#observer.observe(container);
  }

  /** What fits the element now, with letters of their full size. */
  measure(): TerminalSize {
    this.#setFont(LARGEST_FONT_PX);
    const { cols, rows } = this.#fit.proposeDimensions() ?? this.terminal;
    return { cols: Math.max(2, cols || 80), rows: Math.max(2, rows || 24) };
  }

  write(bytes: Uint8Array): void {
    this.#waitingBytes += bytes.byteLength;
    this.terminal.write(bytes, () => {
      this.#waitingBytes -= bytes.byteLength;
      if (this.#isBehind && this.#waitingBytes < FEW_WAITING_BYTES) this.#setBehind(false);
    });
    if (!this.#isBehind && this.#waitingBytes > MAX_WAITING_BYTES) this.#setBehind(true);
  }

  /** The size of the session. */
  setSize(cols: number, rows: number): void {
    if (this.terminal.cols !== cols || this.terminal.rows !== rows) this.terminal.resize(cols, rows);
    if (!this.#isMaster) this.#shrink();
  }

  /** Whether what is typed here is taken. */
  setTyping(isTaken: boolean): void {
    this.terminal.options.disableStdin = !isTaken;
    this.terminal.options.cursorBlink = isTaken;
  }

  /** Whether the size of the session is to be that of the element. */
  setMaster(isMaster: boolean): void {
    this.#isMaster = isMaster;
    this.#refit();
  }

  focus(): void {
    this.terminal.focus();
  }

  dispose(): void {
    clearTimeout(this.#settleTimer);
    this.#observer.disconnect();
    this.terminal.dispose();
  }

  #setBehind(isBehind: boolean): void {
    this.#isBehind = isBehind;
    this.#listener.onBehind(isBehind);
  }

  #refit(): void {
    const { cols, rows } = this.measure();
    if (!this.#isMaster) this.#shrink();
    else if (cols !== this.terminal.cols || rows !== this.terminal.rows) this.#listener.onFit(cols, rows);
  }

  /** Letters as large as lets the whole of another's screen be seen. */
  #shrink(): void {
    const { cols, rows } = this.measure();
    const share = Math.min(1, cols / this.terminal.cols, rows / this.terminal.rows);
    this.#setFont(Math.max(SMALLEST_FONT_PX, Math.floor(LARGEST_FONT_PX * share * 2) / 2));
  }

  #setFont(px: number): void {
    if (this.terminal.options.fontSize !== px) this.terminal.options.fontSize = px;
  }

  /**
   * tmux has answered what a program asks of its terminal. A second answer, and one each time the output is read again,
   * would be typed into whatever runs then.
   */
  #leaveQuestions(): void {
    const { parser } = this.terminal;
    for (const question of QUESTIONS) parser.registerCsiHandler(question, () => true);
    // DECRQSS.
    parser.registerDcsHandler({ intermediates: '$', final: 'q' }, () => true);
    for (const command of COLOUR_COMMANDS) parser.registerOscHandler(command, (data) => data.includes('?'));
  }

  /** Keys that are the browser's: to copy, to paste, and to leave the terminal without a mouse. */
  #acceptKey(event: KeyboardEvent): boolean {
    const { type, ctrlKey, metaKey, shiftKey, code } = event;
    if (shiftKey && event.key === 'Escape') {
      if (type === 'keydown') this.terminal.blur();
      return false;
    }
    if (!(ctrlKey && shiftKey) || metaKey) return true;
    if (code === 'KeyC') {
      // Browsers have tools of their own on it.
      event.preventDefault();
      const selected = this.terminal.getSelection();
      if (type === 'keydown' && selected !== '')
        void navigator.clipboard.writeText(selected).catch(() => undefined);
      return false;
    }
    return code !== 'KeyV';
  }

  #onPaste(event: ClipboardEvent): void {
    event.preventDefault();
    event.stopImmediatePropagation();
    this.#listener.onPaste(event.clipboardData?.getData('text/plain') ?? '');
  }
}
