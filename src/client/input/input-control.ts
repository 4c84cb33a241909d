import { ClipboardImage } from './clipboard-image.js';
import { FileDrop } from './file-drop.js';
import { GamepadInput } from './gamepad-input.js';
import type { PagePrompt } from '../../protocol/page-events.js';
import type { PromptView } from './prompt-view.js';
import { InputSender, type SendInput } from './input-sender.js';
import { KeyboardInput } from './keyboard-input.js';
import { shownPicture } from '../media/picture-place.js';
import { PointerInput } from './pointer-input.js';
import type { StreamEvents, ViewerRole } from '../connection/stream-events.js';

/** What a press was made with. */
export type PressType = 'keyboard' | 'pointer' | 'touch' | 'gamepad';

/** Options of `controlStream`. */
export interface InputControlOptions {
  /** Where pointers are listened to. Default: the video itself; another one where something lies over it. */
  element?: HTMLElement | undefined;
  /** Whether gamepads are sent. Default true. */
  gamepads?: boolean | undefined;
  /**
   * The place of the page's gamepads, 1–4, that the first gamepad here gets if it is free; others here are not sent. Default: each
   * gets the place that it has here.
   */
  gamepadSeat?: number | undefined;
  /** Whether what is copied in the page goes into this browser's clipboard, while the picture has the focus. Default true. */
  clipboard?: boolean | undefined;
  /**
   * Whether lists, pickers and dialogs of the page are drawn over the picture. With `false` the application draws them itself,
   * from the messages of `stream.on('input')`, and answers by `stream.sendInput()`. Default true.
   */
  prompts?: boolean | undefined;
  /** False for a key leaves it to this page. Default: the page gets all that the browser tells. */
  acceptKey?: ((event: KeyboardEvent) => boolean) | undefined;
  /**
   * Files were dragged onto the picture. They are uploaded; `given` then resolves when the page is told to take them, and rejects
   * where it gets none: the server takes no files, or not that large ones, or not from this viewer.
   */
  onDrop?: ((files: readonly File[], given: Promise<void>) => void) | undefined;
  /** Something was pressed, and sent: what an answer in the picture may be measured from. */
  onPress?: ((type: PressType) => void) | undefined;
}

/** What of a connection is needed. */
export interface ControlledStream {
  readonly role: ViewerRole;
  readonly status: StreamEvents['status'];
  sendInput: SendInput;
  uploadFile(file: File): Promise<{ fileId: string }>;
  releaseControl(): Promise<void>;
  on<Name extends keyof StreamEvents>(name: Name, listener: (value: StreamEvents[Name]) => void): () => void;
}

const PROMPTS = new Set(['select', 'picker', 'dialog', 'file_chooser']);

/** CSS pixels of a line, where a wheel counts in those. */
const LINE_PX = 16;

/**
 * Sends what the user does in the picture, as long as this viewer is the controller. A press in the picture gives it the focus;
 * only then are keys and the wheel taken from this page. What is held is let go of when the focus, or the page, is left.
 */
export class InputControl {
  readonly #stream: ControlledStream;
  readonly #options: InputControlOptions;
  readonly #element: HTMLElement;
  readonly #field = document.createElement('textarea');
  readonly #sender: InputSender;
  readonly #pointers: PointerInput;
  readonly #keyboard: KeyboardInput;
  readonly #gamepads: GamepadInput;
  readonly #listening = new AbortController();
  readonly #unsubscribe: (() => void)[];
  readonly #video: HTMLVideoElement;
  /** Loaded with the first prompt; in the order in which they came. */
  #promptView: Promise<PromptView> | undefined;
  readonly #copiedImage = new ClipboardImage();
  /** The page has locked its pointer. */
  #isPageLocked = false;
  #isTouched = false;
  #isActive = false;
  #frame = 0;

  /** Use `controlStream`. */
  constructor(stream: ControlledStream, video: HTMLVideoElement, options: InputControlOptions) {
    this.#video = video;
    this.#stream = stream;
    this.#options = options;
    this.#element = options.element ?? video;
    const onPress = (type: PressType): void => options.onPress?.(type);
    this.#sender = new InputSender((message, maxWaitingBytes) => stream.sendInput(message, maxWaitingBytes));
    this.#pointers = new PointerInput(this.#sender, () => shownPicture(video), onPress);
    this.#keyboard = new KeyboardInput(
      this.#field,
      this.#sender,
      (event) => options.acceptKey?.(event) ?? true,
      () => onPress('keyboard'),
    );
    this.#gamepads = new GamepadInput(this.#sender, () => onPress('gamepad'), options.gamepadSeat);
    this.#placeField();
    this.#listen();
    const follow = (): void => this.#follow();
    this.#unsubscribe = [
      stream.on('role', follow),
      stream.on('viewer', follow),
      stream.on('media', () => this.#forget()),
      stream.on('input', (message) => this.#take(message)),
      stream.on('closed', () => this.stop()),
    ];
    if (stream.status === 'closed' || stream.status === 'failed') this.stop();
    else follow();
  }

  /** Whether what the user does is sent: this viewer is the controller. */
  get active(): boolean {
    return this.#isActive;
  }

  /** Whether keys go to the page. */
  get focused(): boolean {
    return this.#scope.activeElement === this.#field;
  }

  /** Where the picture is: for a document, an element in a shadow tree is that tree's host. */
  get #scope(): DocumentOrShadowRoot {
    const root = this.#element.getRootNode();
    return root instanceof ShadowRoot ? root : document;
  }

  /** Keys go to the page from now on, where this viewer is the controller. */
  focus(): void {
    this.#field.focus({ preventScroll: true });
  }

  blur(): void {
    this.#field.blur();
  }

  /** Brings up the keyboard of a phone or tablet; to be called from a click. */
  showKeyboard(): void {
    this.blur();
    this.#field.inputMode = 'text';
    this.focus();
  }

  /** Lets go of everything, and listens no more. Idempotent. */
  stop(): void {
    if (this.#listening.signal.aborted) return;
    this.#release();
    this.#gamepads.release();
    this.#deactivate();
    this.#listening.abort();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#field.remove();
  }

  /** Beside the picture, so that it is there in full screen too. */
  #placeField(): void {
    const field = this.#field;
    field.inputMode = 'none';
    field.disabled = true;
    field.spellcheck = false;
    field.autocapitalize = 'off';
    field.autocomplete = 'off';
    field.setAttribute('aria-label', 'Remote control: keys go to the picture');
    // At 16 px iOS does not zoom in.
    const style =
      'position:absolute;left:50%;top:50%;width:1px;height:1px;min-height:0;margin:0;padding:0;border:0;opacity:0;resize:none;overflow:hidden;pointer-events:none;font-size:16px';
    for (const [name, value] of style.split(';').map((entry) => entry.split(':'))) {
      field.style.setProperty(name ?? '', value ?? '');
    }
    this.#element.after(field);
  }

  #listen(): void {
    const { signal } = this.#listening;
    const on = <Name extends keyof HTMLElementEventMap>(
      name: Name,
      listener: (event: HTMLElementEventMap[Name]) => void,
    ): void =>
      this.#element.addEventListener(
        name,
        (event) => {
          if (this.#isActive) listener(event);
        },
        { signal, passive: false },
      );
    const prevent = (event: Event): void => event.preventDefault();
    on('pointerdown', (event) => {
      if (!this.#pointers.down(event)) return;
      this.#isTouched = event.pointerType === 'touch';
      event.preventDefault();
      if (event.isTrusted && !this.#pointers.isLocked) this.#element.setPointerCapture(event.pointerId);
      this.focus();
    });
    on('pointermove', (event) => this.#pointers.move(event));
    on('pointerup', (event) => this.#pointers.up(event));
    on('pointercancel', (event) => this.#pointers.cancel(event));
    on('wheel', (event) => {
      if (!this.focused) return;
      const unit = [1, LINE_PX, window.innerHeight][event.deltaMode] ?? 1;
      if (this.#pointers.wheel(event, unit)) event.preventDefault();
    });
    const drop = new FileDrop({
      picture: () => shownPicture(this.#video),
      upload: (file) => this.#stream.uploadFile(file),
      send: (message) => this.#sender.send(message),
      onDrop: (files, given) => this.#options.onDrop?.(files, given),
    });
    on('dragenter', (event) => drop.over(event));
    on('dragover', (event) => drop.over(event));
    on('drop', (event) => drop.drop(event));
    // The press of a mouse would take the focus, its side buttons leave the page, a long touch open a menu.
    for (const name of ['mousedown', 'mouseup', 'auxclick', 'contextmenu', 'dragstart'] as const)
      on(name, prevent);
    this.#field.addEventListener('blur', () => {
      this.#release();
      this.#field.inputMode = 'none';
    });
    window.addEventListener('blur', () => this.#release(), { signal });
    document.addEventListener(
      'pointerlockchange',
      () => {
        const isLocked = this.#scope.pointerLockElement === this.#element;
        // The user has let go of it: here Escape always does.
        if (this.#pointers.isLocked && !isLocked && this.#isPageLocked)
          this.#sender.send({ type: 'pointer_lock', locked: false });
        this.#pointers.isLocked = isLocked;
      },
      { signal },
    );
    document.addEventListener('visibilitychange', () => document.hidden && this.#release(), { signal });
    // A page that is left, or loaded anew, is not to keep others from control until the server misses it.
    const leave = (): void => {
      if (this.#isActive) this.#stream.releaseControl().catch(() => undefined);
    };
    window.addEventListener('pagehide', leave, { signal });
  }

  /** The role may be another. */
  #follow(): void {
    const isActive = this.#stream.role === 'controller' && !this.#listening.signal.aborted;
    if (isActive === this.#isActive) return;
    if (!isActive) {
      this.#deactivate();
      return;
    }
    this.#isActive = true;
    this.#field.disabled = false;
    this.#element.style.touchAction = 'none';
    this.#frame = requestAnimationFrame(() => this.#tick());
  }

  /** The server has let go of everything by itself. */
  #deactivate(): void {
    this.#isActive = false;
    this.#lockPointer(false);
    void this.#promptView?.then((view) => view.closeAll());
    cancelAnimationFrame(this.#frame);
    this.#forget();
    this.#field.disabled = true;
    this.#element.style.touchAction = '';
    this.#element.style.cursor = '';
  }

  #tick(): void {
    this.#frame = requestAnimationFrame(() => this.#tick());
    this.#sender.flush();
    if (this.#options.gamepads === false) return;
    if (document.hasFocus()) this.#gamepads.poll(gamepadsHere());
    else this.#gamepads.rest();
  }

  #release(): void {
    if (!this.#isActive) return;
    this.#keyboard.release();
    this.#pointers.release();
    this.#gamepads.rest();
  }

  #forget(): void {
    this.#sender.forget();
    this.#keyboard.forget();
    this.#pointers.forget();
    this.#gamepads.forget();
  }

  /** As the page has it, so that a game can be played; in browsers that refuse it, places are sent as before. */
  #lockPointer(isLocked: boolean): void {
    this.#isPageLocked = isLocked;
    if (isLocked && !this.#isTouched) {
      const locked = this.#element.requestPointerLock() as unknown as Promise<void> | undefined;
      locked?.catch(() => undefined);
    } else if (!isLocked && this.#scope.pointerLockElement === this.#element) {
      document.exitPointerLock();
    }
  }

  /** The keyboard of a phone comes with a field, and goes with it. */
  #showEditing({ active, inputMode = 'text' }: { active: boolean; inputMode?: string }): void {
    if (!this.focused) return;
    if (active && this.#isTouched) this.blur();
    this.#field.inputMode = active ? inputMode : 'none';
    this.focus();
  }

  #showPrompt(prompt: PagePrompt): void {
    if (this.#options.prompts === false) return;
    this.#promptView ??= import('./prompt-view.js').then(
      ({ PromptView }) =>
        new PromptView({
          element: this.#field,
          picture: () => shownPicture(this.#video),
          answer: (message) => void this.#sender.send(message),
          upload: (file) => this.#stream.uploadFile(file),
          onClosed: () => this.focus(),
        }),
    );
    void this.#promptView.then((view) => {
      if (this.#isActive) view.show(prompt);
    });
  }

  /** A message of the server on the channel. */
  #take(message: unknown): void {
    if (!this.#isActive || typeof message !== 'object' || message === null || !('type' in message)) return;
    if (message.type === 'cursor' && 'css' in message) {
      // A keyword: nothing is loaded for it.
      if (typeof message.css === 'string' && /^[a-z-]{1,20}$/.test(message.css))
        this.#element.style.cursor = message.css;
    } else if (message.type === 'pointer_lock' && 'locked' in message) {
      this.#lockPointer(message.locked === true);
    } else if (message.type === 'editing' && 'active' in message) {
      this.#showEditing(message as { active: boolean; inputMode?: string });
    } else if (message.type === 'rumble') {
      const effect = message as unknown as Rumble;
      rumble(effect, this.#gamepads.find(gamepadsHere(), effect.index));
    } else if (message.type === 'prompt_closed' && 'id' in message) {
      const { id } = message as { id: string };
      void this.#promptView?.then((view) => view.close(id));
    } else if (typeof message.type === 'string' && PROMPTS.has(message.type)) {
      this.#showPrompt(message as PagePrompt);
    } else if (message.type === 'clipboard' && 'text' in message && typeof message.text === 'string') {
      if (this.#options.clipboard === false || !this.focused) return;
      // Not in every context is there a clipboard, nor is it always allowed; `input` tells the text all the same.
      void (navigator.clipboard as Clipboard | undefined)?.writeText(message.text).catch(() => undefined);
    } else if (message.type === 'clipboard_image') {
      const image = this.#copiedImage.add(message);
      if (image === undefined || this.#options.clipboard === false || !this.focused) return;
      const clipboard = navigator.clipboard as Clipboard | undefined;
      void clipboard?.write([new ClipboardItem({ [image.type]: image })]).catch(() => undefined);
    }
  }
}

interface Rumble {
  readonly index: number;
  readonly durationMs: number;
  readonly strong: number;
  readonly weak: number;
}

function rumble({ durationMs: duration, strong, weak }: Rumble, gamepad: Gamepad | null): void {
  const effect = { duration, strongMagnitude: strong, weakMagnitude: weak };
  const actuator = gamepad?.vibrationActuator as GamepadHapticActuator | null | undefined;
  void actuator?.playEffect('dual-rumble', effect).catch(() => undefined);
}

/** Some contexts have no gamepads, or forbid them. */
function gamepadsHere(): readonly (Gamepad | null)[] {
  try {
    return navigator.getGamepads();
  } catch {
    return [];
  }
}
