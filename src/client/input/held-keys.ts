/** A key as UI Events names it. */
export interface KeyName {
  readonly code: string;
  readonly key: string;
}

/** A key event, as far as it matters. */
export interface KeyStroke extends KeyName {
  readonly repeat: boolean;
  readonly altKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  getModifierState(modifier: string): boolean;
}

/** What the protocol takes for a key. */
export type KeyMessage =
  | ({
      readonly type: 'keyboard';
      readonly action: 'down' | 'up';
      readonly repeat?: boolean;
    } & KeyName)
  | { readonly type: 'text'; readonly text: string };

/** As the server takes them. */
const CODE = /^[A-Za-z0-9]{0,32}$/;
const KEY = /^(?:[A-Za-z0-9]{1,32}|[^\p{Cc}\p{Cs}]{1,8})$/u;
/** Of a key that has no name, or whose text comes from an input method. */
const UNNAMED = new Set(['Dead', 'Process', 'Unidentified']);
const MODIFIERS = new Set(['Alt', 'AltGraph', 'Control', 'Meta', 'Shift']);

/** The keys that the page believes to be down. */
export class HeldKeys {
  readonly #isMac: boolean;
  /** By the key of this keyboard, the key that the page was told. */
  readonly #held = new Map<string, KeyName>();

  /** @param isMac - this keyboard is Apple's: its Command is the Control of the page's browser. */
  constructor(isMac: boolean) {
    this.#isMac = isMac;
  }

  /** @returns what to send; undefined for a key that is left to the browser and its input method. */
  down(stroke: KeyStroke): KeyMessage | undefined {
    const { code, key, repeat } = stroke;
    if (UNNAMED.has(key) || !KEY.test(key) || !CODE.test(code)) return undefined;
    // The third level of a keyboard is text: with its modifiers it would be a shortcut.
    const isThirdLevel =
      stroke.getModifierState('AltGraph') ||
      (this.#isMac && stroke.altKey && !stroke.ctrlKey && !stroke.metaKey);
    if (isThirdLevel && /^.$/u.test(key)) return { type: 'text', text: key };
    const told = this.#translate({ code, key });
    const isHeld = this.#held.has(idOf(stroke));
    this.#held.set(idOf(stroke), told);
    return { type: 'keyboard', action: 'down', ...told, repeat: repeat && isHeld };
  }

  /** @returns what to send; nothing for a key that was not told to be down. */
  up(stroke: KeyName): KeyMessage[] {
    const told = this.#held.get(idOf(stroke));
    if (told === undefined) return [];
    // macOS tells no release of keys that are let go of while Command is down.
    const others =
      this.#isMac && stroke.key === 'Meta' ? this.#release((key) => !MODIFIERS.has(key.key)) : [];
    this.#held.delete(idOf(stroke));
    return [...others, { type: 'keyboard', action: 'up', ...told }];
  }

  /** Lets go of everything, last first. */
  release(): KeyMessage[] {
    return this.#release(() => true);
  }

  /** The page knows already. */
  forget(): void {
    this.#held.clear();
  }

  #release(accept: (key: KeyName) => boolean): KeyMessage[] {
    return [...this.#held].reverse().flatMap(([id, told]): KeyMessage[] => {
      if (!accept(told)) return [];
      this.#held.delete(id);
      return [{ type: 'keyboard', action: 'up', ...told }];
    });
  }

  #translate(name: KeyName): KeyName {
    if (!this.#isMac || name.key !== 'Meta') return name;
    return { code: name.code.replace('Meta', 'Control'), key: 'Control' };
  }
}

/** Whether the browser makes a paste of it. */
export function isPaste(stroke: KeyStroke & { readonly shiftKey: boolean }): boolean {
  const { key, ctrlKey, metaKey, shiftKey } = stroke;
  return ((ctrlKey || metaKey) && key.toLowerCase() === 'v') || (shiftKey && key === 'Insert');
}

function idOf({ code, key }: KeyName): string {
  return code === '' ? key : code;
}
