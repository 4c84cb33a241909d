/** What tmux answered to one command. */
export interface CommandReply {
  readonly ok: boolean;
  /** Whether the command came from this client. */
  readonly own: boolean;
  /** Without line breaks; those beyond the bound are missing. */
  readonly lines: readonly string[];
}

export interface ControlModeListener {
  /** @param pane - such as `%0`. @param bytes - as the program wrote them; the parser does not touch them again. */
  onOutput(pane: string, bytes: Uint8Array): void;
  onReply(reply: CommandReply): void;
  /** Anything else, such as `window-close` with `@0`. */
  onNotification(name: string, rest: string): void;
}

/** Longest line, bytes. tmux writes a few KiB at a time, four bytes for each that is escaped. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Most that is kept of one reply; what is asked for is a line or a few. */
const MAX_REPLY_LINES = 1024;
const MAX_REPLY_BYTES = 256 * 1024;

const LINE_FEED = 0x0a;
const BACKSLASH = 0x5c;
const SPACE = 0x20;

/**
 * Reads what a tmux client in control mode writes (tmux(1), CONTROL MODE): replies between `%begin` and `%end` or
 * `%error`, notifications, and output with escapes. It works on bytes: a character may be split over two outputs.
 */
export class ControlModeParser {
  readonly #listener: ControlModeListener;
  #partial: Uint8Array[] = [];
  #partialBytes = 0;
  /** Time, number and flags of the reply that is being read. */
  #guard: string | undefined;
  #lines: string[] = [];
  #replyBytes = 0;

  constructor(listener: ControlModeListener) {
    this.#listener = listener;
  }

  /** @throws RangeError for a line that is longer than any of tmux. */
  push(bytes: Uint8Array): void {
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
      this.#line(this.#joined(bytes.subarray(start, end)));
      start = end + 1;
    }
    if (start < bytes.byteLength) this.#keep(bytes.subarray(start));
  }

  #keep(bytes: Uint8Array): void {
    this.#partialBytes += bytes.byteLength;
    if (this.#partialBytes > MAX_LINE_BYTES) throw new RangeError('A line of tmux is too long');
    this.#partial.push(bytes);
  }

  #joined(end: Uint8Array): Buffer {
    if (this.#partial.length > 0) this.#keep(end);
    const line = this.#partial.length > 0 ? Buffer.concat(this.#partial) : bufferOf(end);
    this.#partial = [];
    this.#partialBytes = 0;
    return line;
  }

  #line(line: Buffer): void {
    if (this.#guard !== undefined) {
      this.#replyLine(line, this.#guard);
      return;
    }
    const [name, rest] = splitAtSpace(line);
    switch (name) {
      case '%output': {
        const [pane, data] = splitAtSpace(rest);
        if (isPane(pane)) this.#listener.onOutput(pane, unescaped(data));
        return;
      }
      case '%extended-output': {
        // `%extended-output %0 12 … : data`: what stands before the colon may become more.
        const colon = rest.indexOf(' : ');
        const [pane] = splitAtSpace(rest);
        if (isPane(pane) && colon !== -1) this.#listener.onOutput(pane, unescaped(rest.subarray(colon + 3)));
        return;
      }
      case '%begin':
        this.#guard = rest.toString('latin1');
        this.#lines = [];
        this.#replyBytes = 0;
        return;
      default:
        if (/^%[a-z-]{1,40}$/.test(name)) {
          this.#listener.onNotification(name.slice(1), rest.subarray(0, 1024).toString());
        }
    }
  }

  #replyLine(line: Buffer, guard: string): void {
    const [name, rest] = splitAtSpace(line);
    if ((name === '%end' || name === '%error') && rest.toString('latin1') === guard) {
      this.#guard = undefined;
      const lines = this.#lines;
      this.#lines = [];
      // The flags: 1 for a command that was read from this client.
      this.#listener.onReply({ ok: name === '%end', own: guard.endsWith(' 1'), lines });
      return;
    }
    this.#replyBytes += line.byteLength;
    if (this.#lines.length < MAX_REPLY_LINES && this.#replyBytes <= MAX_REPLY_BYTES) {
      this.#lines.push(line.toString());
    }
  }
}

function isPane(text: string): boolean {
  return /^%\d{1,10}$/.test(text);
}

/** What stands before the first space, as text if it is short enough for a name, and what stands after it. */
function splitAtSpace(line: Buffer): [string, Buffer] {
  const space = line.indexOf(SPACE);
  const end = space === -1 ? line.byteLength : space;
  return [end > 64 ? '' : line.toString('latin1', 0, end), line.subarray(Math.min(end + 1, line.byteLength))];
}

/** Bytes below 32 and the backslash are written as `\ooo`; what is no such escape is left as it is. */
function unescaped(data: Buffer): Uint8Array {
  const bytes = Buffer.allocUnsafe(data.byteLength);
  let length = 0;
  let start = 0;
  for (let at = data.indexOf(BACKSLASH); at !== -1; at = data.indexOf(BACKSLASH, start)) {
    length += data.copy(bytes, length, start, at);
    const value = octal(data, at + 1);
    bytes[length++] = value ?? BACKSLASH;
    start = value === undefined ? at + 1 : at + 4;
  }
  length += data.copy(bytes, length, start);
  return bytes.subarray(0, length);
}

function octal(data: Buffer, at: number): number | undefined {
  let value = 0;
  for (let index = at; index < at + 3; index++) {
    const digit = (data[index] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) return undefined;
    value = value * 8 + digit;
  }
  return value <= 0xff ? value : undefined;
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
