/** SGR parameters that set each attribute (ECMA-48 section 8.3.117), by the attribute. A later one of the same replaces it. */
type PenAttribute =
  | 'bold'
  | 'dim'
  | 'italic'
  | 'underline'
  | 'blink'
  | 'inverse'
  | 'hidden'
  | 'strikethrough'
  | 'overline'
  | 'foreground'
  | 'background'
  | 'underlineColor';

const SETS = new Map<number, PenAttribute>([
  [1, 'bold'],
  [2, 'dim'],
  [3, 'italic'],
  [4, 'underline'],
  [5, 'blink'],
  [6, 'blink'],
  [7, 'inverse'],
  [8, 'hidden'],
  [9, 'strikethrough'],
  [21, 'underline'],
  [53, 'overline'],
]);

const CLEARS = new Map<number, readonly PenAttribute[]>([
  [22, ['bold', 'dim']],
  [23, ['italic']],
  [24, ['underline']],
  [25, ['blink']],
  [27, ['inverse']],
  [28, ['hidden']],
  [29, ['strikethrough']],
  [39, ['foreground']],
  [49, ['background']],
  [55, ['overline']],
  [59, ['underlineColor']],
]);

const EXTENDED_COLORS = new Map<number, PenAttribute>([
  [38, 'foreground'],
  [48, 'background'],
  [58, 'underlineColor'],
]);

/** How the next character would look: the attributes that SGR sequences have set. */
export class TerminalPen {
  readonly #attributes: Map<PenAttribute, string>;

  private constructor(attributes: Map<PenAttribute, string>) {
    this.#attributes = attributes;
  }

  static plain(): TerminalPen {
    return new TerminalPen(new Map());
  }

  copy(): TerminalPen {
    return new TerminalPen(new Map(this.#attributes));
  }

  /** @param parameters - what stands between `CSI` and `m`. */
  apply(parameters: string): void {
    const parts = parameters.split(';');
    for (let index = 0; index < parts.length; index++) {
      const part = parts[index] ?? '';
      const code = Number.parseInt(part, 10) || 0;
      const color = EXTENDED_COLORS.get(code);
      if (color !== undefined && !part.includes(':')) {
        const length = parts[index + 1] === '5' ? 3 : parts[index + 1] === '2' ? 5 : 1;
        const words = parts.slice(index, index + length);
        if (length > 1 && words.length === length) this.#attributes.set(color, words.join(';'));
        index += length - 1;
      } else if (color === undefined) this.#applyOne(code, part);
      else this.#attributes.set(color, part);
    }
  }

  /** The sequence that sets this pen, whatever was set before. */
  sequence(): string {
    return `\u001b[${['0', ...this.#attributes.values()].join(';')}m`;
  }

  #applyOne(code: number, part: string): void {
    const set = SETS.get(code);
    if (code === 0) this.#attributes.clear();
    else if (part === '4:0') this.#attributes.delete('underline');
    else if (set !== undefined) this.#attributes.set(set, part);
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97))
      this.#attributes.set('foreground', part);
    else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107))
      this.#attributes.set('background', part);
    else for (const cleared of CLEARS.get(code) ?? []) this.#attributes.delete(cleared);
  }
}
