import type { Protocol } from 'puppeteer';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { CdpSession } from './cdp-connection.js';
import { FrameScripts } from './frame-scripts.js';
import type { PageSize } from './page-geometry.js';
import { type GamepadState, installDevices, watchPointer } from './page-scripts.js';

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
}

/** What a page shows of its input. */
export interface PageControlsListener {
  /** The pointer has another shape: a keyword of the CSS property `cursor`. */
  onCursor(css: string): void;
  /** Something was copied: well-formed text of at most 64 KiB. */
  onClipboard(text: string): void;
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

/** The input of the rendered tab, over CDP and the scripts in its frames. */
export class TabControls implements PageControls {
  readonly #cdp: CdpSession;
  readonly #scripts: FrameScripts;
  readonly #viewport: () => PageSize;

  private constructor(cdp: CdpSession, scripts: FrameScripts, viewport: () => PageSize) {
    this.#cdp = cdp;
    this.#scripts = scripts;
    this.#viewport = viewport;
  }

  /** Installs the scripts into every document that is loaded from now on. */
  static async install(
    cdp: CdpSession,
    viewport: () => PageSize,
    listener: PageControlsListener,
    logger: Logger,
  ): Promise<TabControls> {
    let cursor = 'default';
    let clipboards = { startMs: 0, count: 0 };
    const scripts = await FrameScripts.install(
      cdp,
      {
        inPage: installDevices,
        beside: watchPointer,
        onCall: (message) => {
          if (message.type === 'cursor') {
            const css = cursorKeyword(message.value);
            if (css !== cursor) listener.onCursor((cursor = css));
            return;
          }
          const nowMs = performance.now();
          if (nowMs - clipboards.startMs > 1000) clipboards = { startMs: nowMs, count: 0 };
          clipboards.count += 1;
          const { value } = message;
          if (clipboards.count > CLIPBOARDS_PER_SECOND_MAX || Buffer.byteLength(value) > CLIPBOARD_BYTES_MAX)
            return;
          // Half of a surrogate pair is no text.
          if (!/\p{Surrogate}/u.test(value)) listener.onClipboard(value);
        },
      },
      logger,
    );
    return new TabControls(cdp, scripts, viewport);
  }

  get viewport(): PageSize {
    return this.#viewport();
  }

  async send<C extends keyof InputCommands>(command: C, parameters: InputCommands[C]): Promise<void> {
    await this.#cdp.send(command, parameters);
  }

  async fillClipboard(text: string): Promise<void> {
    const isFilled = await this.#scripts
      .callBeside('fillClipboard', text)
      .catch((thrown: unknown) => asError(thrown));
    if (isFilled !== true) throw new Error('The clipboard could not be filled', { cause: isFilled });
  }

  setGamepads(gamepads: readonly (GamepadState | null)[]): void {
    this.#scripts.tellPage('gamepads', gamepads);
  }

  close(): void {
    this.#scripts.close();
  }
}

/** The last of a list is a keyword; those before it are pictures. */
function cursorKeyword(css: string): string {
  const [last = ''] = /[a-z-]+$/.exec(css) ?? [];
  return CURSORS.has(last) ? last : 'default';
}
