import { HeldKeys, isPaste } from './held-keys.js';
import type { InputSender } from './input-sender.js';

/** What an editable element's own changes mean where no key is told, as with the keyboards of phones. */
const EDITS: Readonly<Partial<Record<string, string>>> = {
  deleteContentBackward: 'Backspace',
  deleteContentForward: 'Delete',
  insertLineBreak: 'Enter',
  insertParagraph: 'Enter',
};
/** Of a message, as the server takes it. */
const MAX_MESSAGE_BYTES = 64 * 1024;

/** Keys, text of input methods and what is pasted, from an editable element that shows nothing. */
export class KeyboardInput {
  readonly #field: HTMLTextAreaElement;
  readonly #sender: InputSender;
  readonly #keys = new HeldKeys(/^(?:Mac|iP)/.test(navigator.platform));
  readonly #onPress: () => void;
  readonly #accepts: (event: KeyboardEvent) => boolean;
  #isComposing = false;

  constructor(
    field: HTMLTextAreaElement,
    sender: InputSender,
    accepts: (event: KeyboardEvent) => boolean,
    onPress: () => void,
  ) {
    this.#field = field;
    this.#sender = sender;
    this.#accepts = accepts;
    this.#onPress = onPress;
    field.addEventListener('keydown', (event) => this.#down(event));
    field.addEventListener('keyup', (event) => this.#up(event));
    field.addEventListener('compositionstart', () => (this.#isComposing = true));
    field.addEventListener('compositionupdate', ({ data }) => this.#text('composition', data));
    field.addEventListener('compositionend', ({ data }) => this.#endComposition(data));
    field.addEventListener('beforeinput', (event) => this.#edit(event));
    field.addEventListener('input', () => {
      if (!this.#isComposing) field.value = '';
    });
    field.addEventListener('paste', (event) => this.#paste(event));
  }

  /** Lets go of everything. */
  release(): void {
    for (const message of this.#keys.release()) this.#sender.send(message);
    if (this.#isComposing) this.#text('composition', '');
    this.forget();
  }

  /** The page knows already. */
  forget(): void {
    this.#keys.forget();
    this.#isComposing = false;
    this.#field.value = '';
  }

  #down(event: KeyboardEvent): void {
    // A composition's own keys are the input method's.
    if (event.isComposing || isPaste(event) || !this.#accepts(event)) return;
    const message = this.#keys.down(event);
    if (message === undefined) return;
    event.preventDefault();
    // Of a key that repeats, the next repetition says the same.
    const isRepeat = message.type === 'keyboard' && message.repeat === true;
    if (isRepeat) this.#sender.trySend(message);
    else if (this.#sender.send(message) && message.type === 'keyboard') this.#onPress();
  }

  #up(event: KeyboardEvent): void {
    const messages = this.#keys.up(event);
    if (messages.length > 0) event.preventDefault();
    for (const message of messages) this.#sender.send(message);
  }

  #endComposition(text: string): void {
    this.#isComposing = false;
    this.#field.value = '';
    this.#text(text === '' ? 'composition' : 'text', text);
  }

  #edit(event: InputEvent): void {
    // What a composition does is told by its own events, what is pasted by `paste`.
    if (event.isComposing || this.#isComposing || /Composition|Paste/.test(event.inputType)) return;
    const name = EDITS[event.inputType];
    if (name !== undefined) this.#sender.send({ type: 'key', name });
    else if (event.data) this.#text('text', event.data);
    event.preventDefault();
  }

  #paste(event: ClipboardEvent): void {
    event.preventDefault();
    const message = { type: 'paste', data: event.clipboardData?.getData('text/plain') ?? '' };
    // Half of what was copied would be worse than nothing.
    const size = new TextEncoder().encode(JSON.stringify(message)).byteLength;
    if (message.data !== '' && size <= MAX_MESSAGE_BYTES) this.#sender.send(message);
  }

  #text(type: 'text' | 'composition', text: string): void {
    this.#sender.send({ type, text });
  }
}
