import { EscapeSequenceParser } from './escape-sequence-parser.js';
import { TerminalPen } from './terminal-pen.js';

/** Character sets: which one G0 and G1 are (the final character of its designation), and which of the two is in use. */
interface CharacterSets {
  readonly g0: string;
  readonly g1: string;
  readonly shift: 0 | 1;
}

/** What a program draws with. */
interface DrawingState {
  readonly pen: TerminalPen;
  readonly sets: CharacterSets;
}

/** What brings a terminal to the state of the output, whatever was set on it before. */
export interface OutputSequences {
  /** Modes and the shape of the cursor. */
  readonly modes: string;
  /** Pen and character sets. */
  readonly drawing: string;
  /** Pen and character sets of the normal screen while the program shows the alternate one. */
  readonly savedDrawing: string;
  /** The beginning of a character or sequence; what follows in the output is its end. */
  readonly unfinished: Buffer;
}

const ASCII: CharacterSets = { g0: 'B', g1: 'B', shift: 0 };
/** DEC private modes that tmux cannot be asked for: bracketed paste and focus events. */
const MODES = ['2004', '1004'] as const;

/**
 * What a program's output has set and tmux does not tell: pen, character sets, some modes, the shape of the cursor, and the
 * beginning of a sequence whose end has not come. It sees what comes after it was made.
 */
export class OutputState {
  readonly #parser = new EscapeSequenceParser({
    onShift: (shift) => {
      this.#sets = { ...this.#sets, shift };
    },
    onEscape: (sequence) => this.#onEscape(sequence),
    onControlSequence: (parameters, final) => this.#onControlSequence(parameters, final),
  });
  #pen = TerminalPen.plain();
  #sets = ASCII;
  #modes = new Set<string>();
  #cursorShape = '0';
  /** Saved by the program, for the normal and the alternate screen. */
  #saved: [DrawingState, DrawingState] = [plain(), plain()];
  #screen: 0 | 1 = 0;

  push(bytes: Uint8Array): void {
    this.#parser.push(bytes);
  }

  sequences(): OutputSequences {
    const modes = MODES.map((mode) => `\u001b[?${mode}${this.#modes.has(mode) ? 'h' : 'l'}`);
    return {
      modes: `${modes.join('')}\u001b[${this.#cursorShape} q`,
      drawing: drawingSequences({ pen: this.#pen, sets: this.#sets }),
      savedDrawing: drawingSequences(this.#saved[0]),
      unfinished: this.#parser.unfinished(),
    };
  }

  #onEscape(sequence: string): void {
    const [first, second] = sequence;
    if (sequence === 'c') this.#reset();
    else if (sequence === '7') this.#save();
    else if (sequence === '8') this.#restore();
    else if (first === '(' && second !== undefined) this.#sets = { ...this.#sets, g0: second };
    else if (first === ')' && second !== undefined) this.#sets = { ...this.#sets, g1: second };
  }

  #onControlSequence(parameters: string, final: string): void {
    if (final === 'm' && /^[\d;:]*$/.test(parameters)) this.#pen.apply(parameters);
    else if (final === 's' && parameters === '') this.#save();
    else if (final === 'u' && parameters === '') this.#restore();
    else if (final === 'q' && /^[0-6]? $/.test(parameters)) this.#cursorShape = parameters.trim() || '0';
    else if ((final === 'h' || final === 'l') && parameters.startsWith('?')) {
      for (const mode of parameters.slice(1).split(';')) this.#setMode(mode, final === 'h');
    }
  }

  #setMode(mode: string, isSet: boolean): void {
    if (mode === '1049') {
      if (isSet) this.#save();
      this.#screen = isSet ? 1 : 0;
      if (!isSet) this.#restore();
    } else if (mode === '1047' || mode === '47') {
      this.#screen = isSet ? 1 : 0;
    } else if (isSet) {
      if ((MODES as readonly string[]).includes(mode)) this.#modes.add(mode);
    } else {
      this.#modes.delete(mode);
    }
  }

  #save(): void {
    this.#saved[this.#screen] = { pen: this.#pen.copy(), sets: this.#sets };
  }

  #restore(): void {
    const { pen, sets } = this.#saved[this.#screen];
    this.#pen = pen.copy();
    this.#sets = sets;
  }

  #reset(): void {
    this.#pen = TerminalPen.plain();
    this.#sets = ASCII;
    this.#modes.clear();
    this.#cursorShape = '0';
    this.#saved = [plain(), plain()];
    this.#screen = 0;
  }
}

function plain(): DrawingState {
  return { pen: TerminalPen.plain(), sets: ASCII };
}

function drawingSequences({ pen, sets: { g0, g1, shift } }: DrawingState): string {
  return `\u001b(${g0}\u001b)${g1}${shift === 1 ? '\u000e' : '\u000f'}${pen.sequence()}`;
}
