export interface EscapeSequenceListener {
  /** Shift out (14) selects character set G1, shift in (15) G0. */
  onShift(set: 0 | 1): void;
  /** `ESC`, intermediate characters and a final one, such as `(0`. */
  onEscape(sequence: string): void;
  /** @param parameters - with the private marker, such as `?1049`, and any intermediate characters. */
  onControlSequence(parameters: string, final: string): void;
}

type ParserState = 'ground' | 'escape' | 'control' | 'string' | 'string-escape';

/** Longest control sequence that is read, bytes; tmux reads no longer ones either. */
const MAX_SEQUENCE_BYTES = 1024;
/** Most that is kept of a string such as a title (OSC) until it ends. */
const MAX_STRING_BYTES = 4096;

const BELL = 0x07;
const SHIFT_OUT = 0x0e;
const SHIFT_IN = 0x0f;
const CANCEL = 0x18;
const SUBSTITUTE = 0x1a;
const ESCAPE = 0x1b;

/** Finds the escape sequences (ECMA-48) in what a program writes in UTF-8. */
export class EscapeSequenceParser {
  readonly #listener: EscapeSequenceListener;
  #state: ParserState = 'ground';
  /** The unfinished sequence, as Latin-1, with its introducer. */
  #sequence = '';
  /** The string is longer than what is kept of it. */
  #overflowed = false;
  /** The last bytes of text: the beginning of a character may be among them. */
  #tail: number[] = [];

  constructor(listener: EscapeSequenceListener) {
    this.#listener = listener;
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (this.#state === 'ground') this.#ground(byte);
      else this.#inSequence(byte);
    }
  }

  /**
   * The beginning of a character or sequence whose end has not come yet: a terminal that is given these bytes first reads
   * what follows correctly.
   */
  unfinished(): Buffer {
    if (this.#state === 'ground') return Buffer.from(unfinishedCharacter(this.#tail));
    // A string without effect that ends where this one does: the whole of it is not there to be given.
    if (this.#overflowed)
      return Buffer.from(this.#sequence.startsWith('\u001b]') ? '\u001b]99999;' : '\u001b_');
    return Buffer.from(this.#sequence, 'latin1');
  }

  #ground(byte: number): void {
    if (byte >= 0x80) {
      if (this.#tail.length === 3) this.#tail.shift();
      this.#tail.push(byte);
      return;
    }
    if (this.#tail.length > 0) this.#tail = [];
    if (byte === ESCAPE) this.#begin();
    else if (byte === SHIFT_OUT) this.#listener.onShift(1);
    else if (byte === SHIFT_IN) this.#listener.onShift(0);
  }

  #begin(): void {
    this.#state = 'escape';
    this.#sequence = '\u001b';
    this.#overflowed = false;
  }

  #inSequence(byte: number): void {
    if (byte === CANCEL || byte === SUBSTITUTE) {
      this.#state = 'ground';
    } else if (this.#state === 'string' || this.#state === 'string-escape') {
      this.#inString(byte);
    } else if (byte === ESCAPE) {
      this.#begin();
    } else if (byte === SHIFT_OUT || byte === SHIFT_IN) {
      // Control characters within a sequence act as they do outside.
      this.#listener.onShift(byte === SHIFT_OUT ? 1 : 0);
    } else if (byte >= 0x20 && byte < 0x7f) {
      this.#sequence += String.fromCharCode(byte);
      if (this.#state === 'escape') this.#inEscape(byte);
      else this.#inControl(byte);
    }
  }

  #inEscape(byte: number): void {
    const isFirst = this.#sequence.length === 2;
    const character = String.fromCharCode(byte);
    if (isFirst && character === '[') this.#state = 'control';
    else if (isFirst && ']P^_X'.includes(character)) this.#state = 'string';
    else if (byte >= 0x30) {
      this.#state = 'ground';
      this.#listener.onEscape(this.#sequence.slice(1));
    } else if (this.#sequence.length > MAX_SEQUENCE_BYTES) this.#state = 'ground';
  }

  #inControl(byte: number): void {
    if (byte >= 0x40) {
      this.#state = 'ground';
      this.#listener.onControlSequence(this.#sequence.slice(2, -1), this.#sequence.slice(-1));
    } else if (this.#sequence.length > MAX_SEQUENCE_BYTES) this.#state = 'ground';
  }

  #inString(byte: number): void {
    if (this.#state === 'string-escape' && byte !== 0x5c) {
      // The escape has ended the string, and begins a sequence of its own.
      this.#begin();
      this.#inSequence(byte);
    } else if (this.#state === 'string-escape' || (byte === BELL && this.#sequence[1] === ']')) {
      this.#state = 'ground';
    } else {
      if (byte === ESCAPE) this.#state = 'string-escape';
      if (this.#sequence.length < MAX_STRING_BYTES) this.#sequence += String.fromCharCode(byte);
      else this.#overflowed = true;
    }
  }
}

/** The bytes at the end that begin a character of UTF-8 (RFC 3629 section 3) and lack its end. */
function unfinishedCharacter(tail: readonly number[]): readonly number[] {
  const start = tail.findLastIndex((byte) => byte >= 0xc0);
  const lead = tail[start] ?? 0;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  return start === -1 || tail.length - start >= length ? [] : tail.slice(start);
}
