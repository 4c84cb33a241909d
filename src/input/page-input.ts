import type { InputCommands, PageControls } from '../render/capture/page-controls.js';
import type { BrowserShortcut } from '../options/control-options.js';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { withShortcut } from './browser-shortcut.js';
import { type GamepadStates, type HeldInput, holdsNothing, MAX_HELD_KEYS, Slots } from './held-input.js';
import { InputError } from './input-error.js';
import type { GamepadMessage, InputMessage, KeyboardMessage, TouchMessage } from './input-message.js';
import { INPUT_LIMITS } from './input-message.js';
import { InputQueue, type InputStep } from './input-queue.js';
import type { ControllerKey, InputTarget } from './input-target.js';
import { keyEvent, type KeyEvent, namedKeyEvents } from './keyboard-event.js';
import { literalParts } from './literal-text.js';
import { PagePointer } from './page-pointer.js';

export interface PageInputParameters {
  readonly controls: PageControls;
  /** Asks for another size of the picture, pixels. @throws InputError where it may not be. */
  readonly resize: (controller: ControllerKey, size: { width: number; height: number }) => void;
  /** Shortcuts of the browser that act. Default none. */
  readonly browserShortcuts?: readonly BrowserShortcut[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Fingers on a page at once, of all its controllers. */
const MAX_TOUCHES = 16;

/**
 * Makes of messages what the browser takes for the input of a person. It goes through the renderer's own paths, so the
 * events are trusted, and reach the frames of other sites as well.
 */
export class PageInput implements InputTarget {
  readonly #parameters: PageInputParameters;
  readonly #queue: InputQueue;
  readonly #pointer: PagePointer;
  readonly #held = new Map<ControllerKey, HeldInput>();
  readonly #touchSlots = new Slots(MAX_TOUCHES);
  readonly #gamepadSlots = new Slots(INPUT_LIMITS.gamepads);
  readonly #gamepads: GamepadStates = Array.from({ length: INPUT_LIMITS.gamepads }, () => null);
  /** Where the touches were last, CSS pixels, by their slots. */
  readonly #touchedAt = new Map<number, { x: number; y: number }>();
  readonly #shortcuts: ReadonlySet<BrowserShortcut>;
  #knowsTouch = false;

  constructor(parameters: PageInputParameters) {
    this.#parameters = parameters;
    const { controls, browserShortcuts = [], clock, logger } = parameters;
    this.#shortcuts = new Set(browserShortcuts);
    this.#queue = new InputQueue(logger);
    this.#pointer = new PagePointer(controls, this.#queue, clock);
  }

  /** Steps that the page has not had. */
  get backlog(): number {
    return this.#queue.length;
  }

  accept(controller: ControllerKey, message: InputMessage): void {
    const held = this.#held.get(controller) ?? holdsNothing();
    this.#held.set(controller, held);
    switch (message.type) {
      case 'pointer': {
        this.#pointer.accept(message, held, this.#others(controller), this.#modifiers(held));
        return;
      }
      case 'wheel': {
        this.#pointer.turn(message, this.#modifiers(held));
        return;
      }
      case 'touch': {
        this.#touch(message, held);
        return;
      }
      case 'keyboard': {
        this.#keyboard(message, held, this.#others(controller));
        return;
      }
      case 'composition': {
        this.#compose(message.text, held);
        return;
      }
      case 'text':
        held.isComposing = false;
        if (message.text !== '') this.#press(() => this.#send('Input.insertText', { text: message.text }));
        return;
      case 'keys': {
        this.#literal(message.data);
        return;
      }
      case 'key': {
        const events = namedKeyEvents(message.named).map((event) => withShortcut(event, this.#shortcuts));
        this.#press(() => this.#sendKeys(events));
        return;
      }
      case 'paste':
        if (message.data !== '') this.#press(() => this.#paste(message.data));
        return;
      case 'gamepad': {
        this.#gamepad(message, held);
        return;
      }
      case 'select':
      case 'picker':
      case 'dialog':
      case 'file_chooser':
      case 'drop':
      case 'tab': {
        this.#parameters.controls.answer(message);
        return;
      }
      case 'pointer_lock': {
        // After the moves that came before it.
        this.#press(() => {
          this.#parameters.controls.answer(message);
          return Promise.resolve();
        });
        return;
      }
      case 'resize': {
        if (message.unit === 'cells') {
          throw new InputError('bad_input', 'Expected width and height because the session is a page');
        }
        const { width, height } = message;
        this.#parameters.resize(controller, { width, height });
        return;
      }
    }
  }

  release(controller: ControllerKey): void {
    const held = this.#held.get(controller);
    if (held === undefined) return;
    this.#held.delete(controller);
    const others = [...this.#held.values()];
    // Those that were pressed last go up first, as hands do it: modifiers come last.
    for (const key of [...held.keys.values()].reverse()) {
      held.keys.delete(keyId(key));
      if (!others.some(({ keys }) => keys.has(keyId(key))))
        this.#release(keyEvent('up', key, held.keys.values()));
    }
    this.#pointer.release(held, others);
    if (held.touches.size > 0) {
      this.#cancelTouches([...held.touches.values()]);
    }
    if (held.isComposing) this.#commitNothing();
    for (const slot of held.gamepads.values()) this.#removeGamepad(slot);
  }

  close(): void {
    this.#queue.close();
    this.#held.clear();
  }

  #others(controller: ControllerKey): HeldInput[] {
    return [...this.#held].filter(([key]) => key !== controller).map(([, held]) => held);
  }

  /** Bits of the modifier keys that are down, as pointer events have them. */
  #modifiers(held: HeldInput): number {
    return keyEvent('up', { code: '', key: '' }, held.keys.values()).modifiers ?? 0;
  }

  #keyboard(
    { action, code, key, repeat }: KeyboardMessage,
    held: HeldInput,
    others: readonly HeldInput[],
  ): void {
    const id = keyId({ code, key });
    const before = held.keys.get(id);
    if (action === 'up') {
      // Of a key that was pressed elsewhere there is nothing to let go.
      if (before === undefined) return;
      held.keys.delete(id);
      if (others.some(({ keys }) => keys.has(id))) return;
      this.#release(keyEvent('up', { code, key }, held.keys.values()));
      return;
    }
    if (before === undefined && held.keys.size >= MAX_HELD_KEYS) {
      throw new InputError('bad_input', `Expected at most ${MAX_HELD_KEYS} keys that are down`);
    }
    const down = new Map(held.keys).set(id, { code, key });
    const isRepeat = repeat || before !== undefined;
    const event = withShortcut(keyEvent('down', { code, key }, down.values(), isRepeat), this.#shortcuts);
    this.#press(() => this.#send('Input.dispatchKeyEvent', event));
    held.keys.set(id, { code, key });
  }

  #touch(message: TouchMessage, held: HeldInput): void {
    const { controls } = this.#parameters;
    if (message.action === 'end' || message.action === 'cancel') {
      const slots = message.touches.flatMap(({ id }) => held.touches.get(id) ?? []);
      for (const { id } of message.touches) held.touches.delete(id);
      if (slots.length === 0) return;
      if (message.action === 'cancel') this.#cancelTouches(slots);
      else this.#liftTouches(slots);
      return;
    }
    if (message.action === 'start') {
      if (!this.#knowsTouch) {
        this.#knowsTouch = true;
        const parameters = { enabled: true, maxTouchPoints: INPUT_LIMITS.touches };
        this.#press(() => this.#send('Emulation.setTouchEmulationEnabled', parameters));
      }
      const begun = message.touches.filter(({ id }) => !held.touches.has(id));
      if (held.touches.size + begun.length > INPUT_LIMITS.touches) {
        throw new InputError('bad_input', `Expected at most ${INPUT_LIMITS.touches} touches at once`);
      }
      const taken: { id: number; slot: number; x: number; y: number }[] = [];
      for (const { id, x, y } of begun) {
        const slot = this.#touchSlots.take(held.touches.size + taken.length);
        if (slot !== undefined) taken.push({ id, slot, x, y });
      }
      const giveBack = (): void => taken.forEach(({ slot }) => this.#touchSlots.free(slot));
      if (taken.length < begun.length) {
        giveBack();
        throw new InputError('bad_input', `Expected at most ${MAX_TOUCHES} touches of all controllers`);
      }
      if (taken.length === 0) return;
      const touchPoints = taken.map(({ slot, x, y }) => ({ id: slot, ...this.#pointer.place({ x, y }) }));
      try {
        this.#press(
          () => this.#send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints }),
          'touch',
        );
      } catch (error) {
        giveBack();
        throw error;
      }
      for (const { id, slot, x, y } of taken) {
        held.touches.set(id, slot);
        this.#touchedAt.set(slot, this.#pointer.place({ x, y }));
      }
      return;
    }
    const moved = message.touches.flatMap(({ id, x, y }) => {
      const slot = held.touches.get(id);
      return slot === undefined ? [] : [{ id: slot, ...this.#pointer.place({ x, y }) }];
    });
    if (moved.length === 0) return;
    for (const { id, x, y } of moved) this.#touchedAt.set(id, { x, y });
    this.#queue.push(touchMove(controls, moved));
  }

  #liftTouches(slots: readonly number[]): void {
    for (const slot of slots) this.#touchSlots.free(slot);
    const touchPoints = slots.map((id) => ({ id, ...(this.#touchedAt.get(id) ?? { x: 0, y: 0 }) }));
    this.#queue.push({
      device: 'touch',
      kind: 'release',
      run: () => this.#send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints }),
    });
  }

  /** The browser cancels all there are; those of other controllers begin anew with their next touch. */
  #cancelTouches(slots: readonly number[]): void {
    const remain = [...this.#held.values()].some(({ touches }) => touches.size > 0);
    if (remain) {
      this.#liftTouches(slots);
      return;
    }
    for (const slot of slots) this.#touchSlots.free(slot);
    this.#queue.push({
      device: 'touch',
      kind: 'release',
      run: () => this.#send('Input.dispatchTouchEvent', { type: 'touchCancel', touchPoints: [] }),
    });
  }

  #compose(text: string, held: HeldInput): void {
    if (text === '' && !held.isComposing) return;
    this.#press(() =>
      this.#send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length }),
    );
    held.isComposing = text !== '';
  }

  #commitNothing(): void {
    const run = (): Promise<void> =>
      this.#send('Input.imeSetComposition', { text: '', selectionStart: 0, selectionEnd: 0 });
    this.#queue.push({ device: 'other', kind: 'release', run });
  }

  #literal(data: string): void {
    const parts = literalParts(data);
    if (parts.length === 0) return;
    this.#press(async () => {
      for (const part of parts) {
        if (typeof part === 'string') await this.#send('Input.insertText', { text: part });
        else await this.#sendKeys(namedKeyEvents(part));
      }
    });
  }

  /** As by a keyboard that has a key for it: the page gets an event with the text, and may do with it what it likes. */
  async #paste(text: string): Promise<void> {
    const key = { code: 'Paste', key: 'Paste' };
    await this.#parameters.controls.fillClipboard(text);
    await this.#send('Input.dispatchKeyEvent', { ...keyEvent('down', key, []), commands: ['paste'] });
    await this.#send('Input.dispatchKeyEvent', keyEvent('up', key, []));
  }

  #gamepad(message: GamepadMessage, held: HeldInput): void {
    const known = held.gamepads.get(message.index);
    if (!message.connected) {
      held.gamepads.delete(message.index);
      if (known !== undefined) this.#removeGamepad(known);
      return;
    }
    const slot = known ?? this.#gamepadSlots.take(message.index);
    if (slot === undefined) {
      throw new InputError(
        'bad_input',
        `Expected at most ${INPUT_LIMITS.gamepads} gamepads of all controllers`,
      );
    }
    held.gamepads.set(message.index, slot);
    const { id, buttons, axes } = message;
    this.#gamepads[slot] = { id, buttons, axes };
    this.#parameters.controls.setGamepads([...this.#gamepads]);
  }

  #removeGamepad(slot: number): void {
    this.#gamepadSlots.free(slot);
    this.#gamepads[slot] = null;
    this.#parameters.controls.setGamepads([...this.#gamepads]);
  }

  async #sendKeys(events: readonly KeyEvent[]): Promise<void> {
    for (const event of events) await this.#send('Input.dispatchKeyEvent', event);
  }

  #release(event: KeyEvent): void {
    const run = (): Promise<void> => this.#send('Input.dispatchKeyEvent', event);
    this.#queue.push({ device: 'other', kind: 'release', run });
  }

  #press(run: () => Promise<void>, device: 'touch' | 'other' = 'other'): void {
    this.#queue.push({ device, kind: 'press', run });
  }

  #send<C extends keyof InputCommands>(command: C, parameters: InputCommands[C]): Promise<void> {
    return this.#parameters.controls.send(command, parameters);
  }
}

type TouchPoint = InputCommands['Input.dispatchTouchEvent']['touchPoints'][number];

interface TouchMove extends InputStep {
  readonly touchPoints: readonly TouchPoint[];
}

function touchMove(controls: PageControls, touchPoints: readonly TouchPoint[]): TouchMove {
  return {
    device: 'touch',
    kind: 'move',
    touchPoints,
    merge: (later) => {
      if (later.device !== 'touch' || later.kind !== 'move') return undefined;
      const { touchPoints: moved } = later as TouchMove;
      const stayed = touchPoints.filter(({ id }) => !moved.some((other) => other.id === id));
      return touchMove(controls, [...stayed, ...moved]);
    },
    run: () =>
      controls.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [...touchPoints] }),
  };
}

function keyId({ code, key }: { readonly code: string; readonly key: string }): string {
  return code === '' ? `key ${key}` : code;
}
