import type { Protocol } from 'puppeteer';

import { systemClock } from '../../base/clock.js';
import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { CdpSession } from './cdp-connection.js';
import { CopiedImages } from './copied-images.js';
import { watchFocus } from './focus-script.js';
import { FrameScripts, type ScriptFrame } from './frame-scripts.js';
import { watchImages } from './image-script.js';
import { reportLate } from './late-script.js';
import type { PageAnswer, PageEvent } from '../../protocol/page-events.js';
import type { PageSize } from './page-geometry.js';
import type { PagePrompts } from './page-prompts.js';
import {
  type GamepadState,
  installDevices,
  type ScriptCall,
  type ScriptNames,
  watchPointer,
} from './page-scripts.js';
import { PageWidgets } from './page-widgets.js';
import { watchWidgets } from './widget-script.js';

export type { PageSize } from './page-geometry.js';
export type { GamepadState } from './page-scripts.js';

/** The commands of the DevTools protocol by which input is made, with their parameters. */
export interface InputCommands {
  'Input.dispatchMouseEvent': Protocol.Input.DispatchMouseEventRequest;
  'Input.dispatchTouchEvent': Protocol.Input.DispatchTouchEventRequest;
  'Input.dispatchKeyEvent': Protocol.Input.DispatchKeyEventRequest;
  'Input.insertText': Protocol.Input.InsertTextRequest;
  'Input.imeSetComposition': Protocol.Input.ImeSetCompositionRequest;
  'Emulation.setTouchEmulationEnabled': Protocol.Emulation.SetTouchEmulationEnabledRequest;
}

/** Where the input for a page goes. */
export interface PageControls {
  /** Size of what the picture shows of the page now, CSS pixels, perhaps fractional: the unit of the commands. */
  readonly viewport: PageSize;
  /** Resolves when the page has had it. Rejects where there is no page to have it. */
  send<C extends keyof InputCommands>(command: C, parameters: InputCommands[C]): Promise<void>;
  /** Puts text into the browser's clipboard. Rejects where the page is not there. */
  fillClipboard(text: string): Promise<void>;
  /** What `navigator.getGamepads()` gives in every frame from now on, by index. */
  setGamepads(gamepads: readonly (GamepadState | null)[]): void;
  /** What a controller answers to a {@link PageEvent}, or asks for. What fits nothing any more is ignored. */
  answer(answer: PageAnswer): void;
}

/** What a page shows of its input. */
export interface PageControlsListener {
  /** The pointer has another shape: a keyword of the CSS property `cursor`. */
  onCursor(css: string): void;
  /** Something was copied: well-formed text of at most 64 KiB. */
  onClipboard(text: string): void;
  /** The page asks or tells its controller something. */
  onPageEvent(event: PageEvent): void;
}

/** Copied text beyond this is not told, bytes. */
const CLIPBOARD_BYTES_MAX = 64 * 1024;
/** A page that copies more often in a second is not listened to until the next. */
const CLIPBOARDS_PER_SECOND_MAX = 10;

/** Keywords of CSS Basic User Interface 4, section 5.1.1. A picture of the page's own would be loaded by every viewer. */
const CURSORS = new Set(
  (
    'default none context-menu help pointer progress wait cell crosshair text vertical-text alias copy move no-drop ' +
    'not-allowed grab grabbing e-resize n-resize ne-resize nw-resize s-resize se-resize sw-resize w-resize ew-resize ' +
    'ns-resize nesw-resize nwse-resize col-resize row-resize all-scroll zoom-in zoom-out'
  ).split(' '),
);

export interface TabControlsParameters {
  readonly cdp: CdpSession;
  /** What the picture shows of the page, CSS pixels. */
  readonly shown: () => PageSize;
  readonly prompts: PagePrompts;
  /** Whether it is this tab that is shown. What another does is not told. */
  readonly isShown: () => boolean;
  /** Something was pressed. */
  readonly onPress: () => void;
  /** Prepares the session of the tab, and that of each frame that has a process of its own. */
  readonly prepareSession: (session: CdpSession) => Promise<unknown>;
  /** The page wants to close the tab. @returns whether it may, since another stays. */
  readonly onClosing: () => boolean;
  /** It might have, but the browser did not let it. */
  readonly onStays: () => void;
  /** Scripts of the page ran before the tab was prepared. */
  readonly onLate: () => void;
  readonly names: ScriptNames;
  /** Whether images are told that the page copies. */
  readonly copiesImages: boolean;
  /** The page's `streamKit` has said something, as the page chose it. */
  readonly onBridge: (payload: string, atMs: unknown) => void;
  readonly listener: PageControlsListener;
  readonly logger: Logger;
}

/** Values of the attribute `inputmode`. */
const INPUT_MODES = new Set(['none', 'text', 'decimal', 'numeric', 'tel', 'search', 'email', 'url']);
/** Types of input events by which a user presses something. */
export const PRESSES: ReadonlySet<string> = new Set([
  'mousePressed',
  'mouseReleased',
  'touchStart',
  'touchEnd',
  'keyDown',
  'rawKeyDown',
]);
/** Longest rumble, as Chromium has it, ms. */
const MAX_RUMBLE_MS = 5000;

type StateEvent = Extract<PageEvent, { type: 'editing' | 'pointer_lock' }>;
/** What holds unless a document says otherwise. */
const AT_REST: readonly StateEvent[] = [
  { type: 'editing', active: false },
  { type: 'pointer_lock', locked: false },
];

/** The input of one tab, over CDP and the scripts in its frames. */
export class TabControls {
  readonly #parameters: TabControlsParameters;
  readonly #widgets: PageWidgets;
  #scripts: FrameScripts | undefined;
  #cursor = 'default';
  #clipboards = { startMs: 0, count: 0 };
  readonly #images = new CopiedImages(systemClock);
  #pointer = { x: 0, y: 0 };
  /** The page was told that it may close the tab, and it is not known that it does not. */
  #mayClose = false;
  /** What holds at the moment, and the document in which it does, if it is not at rest. */
  readonly #state = new Map<StateEvent['type'], { event: StateEvent; key: string | undefined }>(
    AT_REST.map((event) => [event.type, { event, key: undefined }]),
  );

  private constructor(parameters: TabControlsParameters) {
    this.#parameters = parameters;
    this.#widgets = new PageWidgets({ ...parameters, pointer: () => this.#pointer });
  }

  /**
   * Installs the scripts into every document that is loaded from now on. Whatever else prepares a new tab must be sent before:
   * see `reportLate`.
   */
  static async install(parameters: TabControlsParameters): Promise<TabControls> {
    const controls = new TabControls(parameters);
    controls.#scripts = await FrameScripts.install(
      parameters.cdp,
      {
        names: parameters.names,
        inPage: installDevices,
        beside: [
          ...[watchPointer, watchFocus, watchWidgets],
          ...(parameters.copiesImages ? [watchImages] : []),
          reportLate,
        ],
        prepare: parameters.prepareSession,
        onCall: (call, frame) => {
          if (call.type === 'widget') controls.#onWidget(call.value, frame);
          else if (call.type === 'close') controls.#onClose(call.value, frame);
          else if (call.type !== 'bridge') controls.#onCall(call, frame);
          else if (frame.isMainFrame && typeof call.value === 'string')
            parameters.onBridge(call.value, call.atMs);
        },
        // The browser ignores a document that closes the tab once another has taken its place.
        onNavigated: () => controls.#stay(),
        onGone: (key) => controls.#onGone(key),
      },
      parameters.logger,
    );
    return controls;
  }

  async send<C extends keyof InputCommands>(command: C, parameters: InputCommands[C]): Promise<void> {
    const point = 'touchPoints' in parameters ? parameters.touchPoints.at(0) : parameters;
    if (point !== undefined && 'x' in point) this.#pointer = { x: point.x, y: point.y };
    if ('type' in parameters && PRESSES.has(parameters.type)) this.#parameters.onPress();
    await this.#parameters.cdp.send(command, parameters);
  }

  async fillClipboard(text: string): Promise<void> {
    const isFilled = await this.#scripts
      ?.callBeside('fillClipboard', text)
      .catch((thrown: unknown) => asError(thrown));
    if (isFilled !== true) throw new Error('The clipboard could not be filled', { cause: isFilled });
  }

  setGamepads(gamepads: readonly (GamepadState | null)[]): void {
    this.#scripts?.tellPage('gamepads', gamepads);
  }

  /** Whether the tab is the only one, which its page cannot close. */
  setOnlyTab(isOnlyTab: boolean): void {
    this.#scripts?.tellPage('isOnlyTab', isOnlyTab);
  }

  /** The controller has let go of its own pointer. */
  unlockPointer(): void {
    void this.#scripts?.callEveryBeside('unlockPointer');
  }

  /** It is shown from now on: tells what holds in it. */
  show(): void {
    const { listener } = this.#parameters;
    listener.onCursor(this.#cursor);
    for (const { event } of this.#state.values()) listener.onPageEvent(event);
  }

  /** It is no longer shown. */
  hide(): void {
    this.#widgets.close();
  }

  close(): void {
    this.#widgets.close();
    this.#scripts?.close();
  }

  #onCall({ type, value }: ScriptCall, { key }: ScriptFrame): void {
    const { listener, isShown } = this.#parameters;
    if (type === 'late') this.#parameters.onLate();
    if (type === 'pointer_lock') {
      const locked = value === true;
      this.#keep({ type, locked }, locked ? key : undefined);
    }
    if (type === 'clipboard_image' && isShown()) {
      const part = this.#images.admit(value);
      if (part !== undefined) listener.onPageEvent(part);
    }
    if (typeof value !== 'string') return;
    if (type === 'cursor') {
      const css = cursorKeyword(value);
      if (css === this.#cursor) return;
      this.#cursor = css;
      if (isShown()) listener.onCursor(css);
    } else if (type === 'clipboard') {
      if (isShown()) this.#onCopied(value);
    } else if (type === 'editing') {
      const inputMode = INPUT_MODES.has(value) ? value : 'text';
      if (value === '') this.#keep({ type, active: false }, undefined);
      else this.#keep({ type, active: true, inputMode }, key);
    } else if (type === 'rumble') {
      const rumble = rumbleOf(value);
      if (rumble !== undefined && isShown()) listener.onPageEvent(rumble);
    }
  }

  #onClose(value: unknown, frame: ScriptFrame): void {
    if (!frame.isMainFrame) return;
    if (value === 'stays') this.#stay();
    if (value !== 'asks') return;
    this.#mayClose = this.#parameters.onClosing();
    // An answer to this question alone: any other document of the tab must ask for itself.
    void frame.tellPage('mayClose', this.#mayClose).then((isTold) => {
      if (!isTold) this.#stay();
    });
  }

  /** The page does not close the tab, although it was told that it may. */
  #stay(): void {
    if (!this.#mayClose) return;
    this.#mayClose = false;
    this.#parameters.onStays();
  }

  #onWidget(value: unknown, frame: ScriptFrame): void {
    if (this.#parameters.isShown()) this.#widgets.onCall(value, frame);
  }

  /** A document is gone without a word: what it held, and what it asked for, goes with it. */
  #onGone(key: string): void {
    this.#widgets.onGone(key);
    for (const event of AT_REST) if (this.#state.get(event.type)?.key === key) this.#keep(event, undefined);
  }

  #keep(event: StateEvent, key: string | undefined): void {
    this.#state.set(event.type, { event, key });
    if (this.#parameters.isShown()) this.#parameters.listener.onPageEvent(event);
  }

  #onCopied(text: string): void {
    const nowMs = performance.now();
    if (nowMs - this.#clipboards.startMs > 1000) this.#clipboards = { startMs: nowMs, count: 0 };
    this.#clipboards.count += 1;
    if (this.#clipboards.count > CLIPBOARDS_PER_SECOND_MAX) return;
    if (Buffer.byteLength(text) > CLIPBOARD_BYTES_MAX) {
      const message = 'The text that the page has copied is too long: expected at most 64 KiB';
      this.#parameters.listener.onPageEvent({ type: 'refused', what: 'clipboard', message });
      return;
    }
    // Half of a surrogate pair is no text.
    if (!/\p{Surrogate}/u.test(text)) this.#parameters.listener.onClipboard(text);
  }
}

/** Gamepad Extensions, `GamepadEffectParameters`; the JSON is the page's. */
function rumbleOf(json: string): PageEvent | undefined {
  let effect: unknown;
  try {
    effect = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof effect !== 'object' || effect === null) return undefined;
  const number = (name: string, most: number): number => {
    const value = (effect as Record<string, unknown>)[name];
    return typeof value === 'number' ? Math.min(most, Math.max(0, value)) : 0;
  };
  return {
    type: 'rumble',
    index: Math.floor(number('index', 3)),
    durationMs: number('duration', MAX_RUMBLE_MS),
    strong: number('strongMagnitude', 1),
    weak: number('weakMagnitude', 1),
  };
}

/** The last of a list is a keyword; those before it are pictures. */
function cursorKeyword(css: string): string {
  const [last = ''] = /[a-z-]+$/.exec(css) ?? [];
  return CURSORS.has(last) ? last : 'default';
}
