import { randomBytes } from 'node:crypto';

/** A gamepad as a page sees it. */
export interface GamepadState {
  readonly id: string;
  readonly buttons: readonly { readonly pressed: boolean; readonly value: number }[];
  readonly axes: readonly number[];
}

/** How the scripts of a frame and we find each other: names that a page cannot foresee. */
export interface ScriptNames {
  /** Name of the function by which the scripts beside the page call us; see `relayCalls`. */
  readonly call: string;
  /** Name of the function of the browser behind it. */
  readonly binding: string;
  /** Name of the symbol under which the functions of the scripts beside the page are that we call. */
  readonly receiver: string;
  /** Name of the event by which the page's `streamKit` says something. */
  readonly said: string;
  /** Name of the event by which {@link installDevices} is told something. */
  readonly told: string;
  /** Name of the event by which {@link installDevices} tells {@link watchPointer} what was copied. */
  readonly copied: string;
  /** Name of the event by which it tells which image was copied. */
  readonly copiedImage: string;
  /** Name of the event by which it tells how a gamepad is to rumble. */
  readonly rumbled: string;
  /** Name of the event by which it asks whether the tab may close itself, and tells that it has stayed all the same. */
  readonly closing: string;
  /** Whether the tab is the only one, until {@link installDevices} is told otherwise. */
  readonly isOnlyTab?: boolean;
}

/** Random names, so that no page can foresee them. */
export function scriptNames(): ScriptNames {
  const name = (): string => `_${randomBytes(8).toString('hex')}`;
  return {
    ...{ call: name(), binding: name(), receiver: name(), said: name(), told: name() },
    ...{ copied: name(), copiedImage: name(), rumbled: name(), closing: name() },
  };
}

/** What a script beside the page tells. A hostile page cannot make such a call, but it decides on what is in it. */
export interface ScriptCall {
  readonly type:
    | 'bridge'
    | 'cursor'
    | 'clipboard'
    | 'clipboard_image'
    | 'widget'
    | 'editing'
    | 'pointer_lock'
    | 'rumble'
    | 'close'
    | 'late';
  readonly value: unknown;
  /** When, wall-clock ms since the Unix epoch; of a `bridge` call alone. */
  readonly atMs?: unknown;
}

/**
 * Runs in every frame before any script of its own, among them; serialized, so it uses nothing from outside. Replaces
 * `navigator.getGamepads` (W3C Gamepad, standard mapping), refuses to capture the screen as a user who denies it does, keeps the
 * only tab from closing itself, and tells of text and images that the page copies by the Clipboard API.
 */
export function installDevices(names: ScriptNames): void {
  type Own = Record<string, unknown>;
  const scope = globalThis as unknown as Record<string, { prototype: object } | undefined>;
  const page = globalThis as unknown as { navigator: object; dispatchEvent(event: Event): void };
  const pads: (Own | null)[] = [null, null, null, null];
  const define = (target: object, own: Own): Own => {
    for (const [name, value] of Object.entries(own)) {
      Object.defineProperty(target, name, { value, configurable: true, enumerable: true });
    }
    return target as Own;
  };
  const make = (type: string, own: Own): Own =>
    define(Object.create(scope[type]?.prototype ?? {}) as object, own);
  const announce = (type: string, gamepad: Own): void => {
    const event = new Event(type);
    const { GamepadEvent: kind } = scope;
    if (kind) Object.setPrototypeOf(event, kind.prototype);
    define(event, { gamepad });
    page.dispatchEvent(event);
  };
  const actuatorOf = (index: number): object => ({
    type: 'dual-rumble',
    effects: Object.freeze(['dual-rumble']),
    playEffect: (_type: string, effect: Own = {}): Promise<string> => {
      const detail = { index, ...effect };
      page.dispatchEvent(new CustomEvent(names.rumbled, { detail: JSON.stringify(detail) }));
      return Promise.resolve('complete');
    },
    reset: (): Promise<string> => Promise.resolve('complete'),
  });
  const gamepadOf = (state: GamepadState, index: number, connected: boolean): Own =>
    make('Gamepad', {
      id: state.id,
      index,
      connected,
      timestamp: performance.now(),
      mapping: 'standard',
      axes: Object.freeze([...state.axes]),
      buttons: Object.freeze(
        state.buttons.map(({ pressed, value }) =>
          make('GamepadButton', { pressed, touched: pressed || value > 0, value }),
        ),
      ),
      vibrationActuator: actuatorOf(index),
    });
  const setGamepads = (states: readonly (GamepadState | null)[]): void => {
    states.forEach((state, index) => {
      const before = pads[index] ?? null;
      pads[index] = state === null ? null : gamepadOf(state, index, true);
      if (before === null && pads[index] !== null) announce('gamepadconnected', pads[index]);
      if (before !== null && state === null)
        announce('gamepaddisconnected', define(before, { connected: false }));
    });
  };
  const { parse } = JSON;
  let isOnly = names.isOnlyTab === true;
  let wantsToClose = false;
  const window = globalThis as unknown as { close: () => void; closed: boolean; top: unknown };
  const native = { close: window.close.bind(window) };
  const tellClosing = (stage: 'asks' | 'stays'): void => {
    page.dispatchEvent(new CustomEvent(names.closing, { detail: stage }));
  };
  (
    performance as unknown as { addEventListener(type: string, listener: (event: Event) => void): void }
  ).addEventListener(names.told, (event) => {
    const { gamepads, isOnlyTab, mayClose } = parse((event as unknown as { detail: string }).detail) as {
      gamepads?: (GamepadState | null)[];
      isOnlyTab?: boolean;
      mayClose?: boolean;
    };
    if (gamepads) setGamepads(gamepads);
    if (isOnlyTab !== undefined) isOnly = isOnlyTab;
    if (mayClose === undefined) return;
    if (mayClose && wantsToClose) native.close();
    wantsToClose = false;
    // The browser closes only what a script has opened, or what has no history. Another document may have asked.
    if (mayClose && !window.closed) tellClosing('stays');
  });

  // Without a tab there is nothing to show. Of several that close at the same time only the host knows which is the last.
  Object.defineProperty(globalThis, 'close', {
    value: function close() {
      if (isOnly || window.top !== window || wantsToClose) return;
      wantsToClose = true;
      tellClosing('asks');
    },
    configurable: true,
    enumerable: true,
    writable: true,
  });
  const navigatorPrototype = Object.getPrototypeOf(page.navigator) as object;
  Object.defineProperty(navigatorPrototype, 'getGamepads', {
    value: function getGamepads() {
      return [...pads];
    },
    configurable: true,
    enumerable: true,
    writable: true,
  });

  // The browser is told which tab to capture without asking anybody: that is for us alone.
  const { MediaDevices: devices } = scope;
  if (devices) {
    Object.defineProperty(devices.prototype, 'getDisplayMedia', {
      value: function getDisplayMedia() {
        return Promise.reject(new DOMException('Permission denied by user', 'NotAllowedError'));
      },
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }

  interface ClipboardLike {
    writeText: (text: string) => Promise<void>;
    write: (
      items: { types: string[]; getType(type: string): Promise<{ text(): Promise<string> }> }[],
    ) => Promise<void>;
  }
  const clipboard = scope.Clipboard?.prototype as ClipboardLike | undefined;
  if (!clipboard) return;
  const { writeText, write } = clipboard;
  const tell = (text: string): void => page.dispatchEvent(new CustomEvent(names.copied, { detail: text }));
  const tellImage = (image: object): void =>
    page.dispatchEvent(new CustomEvent(names.copiedImage, { detail: image }));
  clipboard.writeText = async function (this: ClipboardLike, text) {
    await writeText.call(this, text);
    tell(text);
  };
  clipboard.write = async function (this: ClipboardLike, items) {
    await write.call(this, items);
    for (const item of items) {
      if (item.types.includes('text/plain')) tell(await (await item.getType('text/plain')).text());
      if (item.types.includes('image/png')) tellImage(await item.getType('image/png'));
    }
  };
}

/**
 * Runs in every frame beside the page, in a world of its own that the page cannot reach; serialized like the other. Tells
 * the shape of the pointer and what is copied, and fills the clipboard.
 */
export function watchPointer(names: ScriptNames): void {
  interface Style {
    cursor: string;
    userSelect: string;
  }
  interface Place {
    offsetNode: { nodeType: number; textContent: string };
    getClientRect(): { top: number; bottom: number; left: number } | null;
  }
  interface ElementLike {
    tagName: string;
    isContentEditable: boolean;
    type?: string;
    value?: string;
    selectionStart?: number | null;
    selectionEnd?: number | null;
  }
  interface ClipboardEventLike extends Event {
    clipboardData: { getData(type: string): string; setData(type: string, text: string): void };
  }
  type Listener = (event: ClipboardEventLike) => void;
  const scope = globalThis as unknown as Record<string | symbol, (text: string) => void> & {
    document: {
      activeElement: ElementLike | null;
      caretPositionFromPoint?(x: number, y: number): Place | null;
      execCommand(command: string): boolean;
    };
    getComputedStyle(element: ElementLike): Style;
    getSelection(): { toString(): string } | null;
    requestAnimationFrame(call: () => void): void;
    addEventListener(type: string, listener: Listener, options?: boolean | object): void;
    removeEventListener(type: string, listener: Listener, options?: boolean): void;
  };
  const { document } = scope;
  const tell = (type: string, value: string): void => scope[names.call]?.(JSON.stringify({ type, value }));
  const isText = ({ tagName, type = '' }: ElementLike): boolean =>
    tagName === 'TEXTAREA' ||
    (tagName === 'INPUT' && !/^(?:button|checkbox|color|file|image|radio|range|reset|submit)$/.test(type));

  let at: { target: ElementLike; x: number; y: number } | undefined;
  let told = '';
  let isDue = false;
  const isOverText = (x: number, y: number): boolean => {
    const place = document.caretPositionFromPoint?.(x, y);
    const rect = place?.getClientRect();
    if (!place || !rect || place.offsetNode.nodeType !== 3) return false;
    return y >= rect.top && y <= rect.bottom && Math.abs(x - rect.left) < rect.bottom - rect.top;
  };
  const look = (): void => {
    isDue = false;
    if (!at) return;
    const { cursor, userSelect } = scope.getComputedStyle(at.target);
    let css = cursor;
    if (cursor === 'auto') {
      const selectable = userSelect !== 'none' && isOverText(at.x, at.y);
      css = isText(at.target) || at.target.isContentEditable || selectable ? 'text' : 'default';
    }
    if (css !== told) tell('cursor', (told = css));
  };
  const onPointer = (event: Event): void => {
    const { clientX: x, clientY: y } = event as unknown as { clientX: number; clientY: number };
    const [target] = event.composedPath() as unknown as ElementLike[];
    if (target?.tagName === undefined) return;
    at = { target, x, y };
    if (!isDue) scope.requestAnimationFrame(look);
    isDue = true;
  };
  for (const type of ['mousemove', 'mousedown', 'mouseup']) {
    scope.addEventListener(type, onPointer, { capture: true, passive: true });
  }
  // Elsewhere another frame tells it, and this one begins anew.
  scope.addEventListener('mouseout', (event) => {
    if ((event as { relatedTarget?: unknown }).relatedTarget === null) told = '';
  });

  let isFilling = false;
  const selectedText = (): string => {
    const active = document.activeElement;
    if (active && isText(active) && active.type !== 'password') {
      const { value = '', selectionStart, selectionEnd } = active;
      if (typeof selectionStart === 'number') return value.slice(selectionStart, selectionEnd ?? undefined);
    }
    return scope.getSelection()?.toString() ?? '';
  };
  for (const type of ['copy', 'cut']) {
    const onCopy: Listener = (event) => {
      if (isFilling) return;
      const selected = selectedText();
      let done = false;
      // The last listener of all: the page may put something else there.
      const last: Listener = ({ clipboardData, defaultPrevented }) => {
        done = true;
        const text = defaultPrevented ? clipboardData.getData('text/plain') : selected;
        if (text !== '') tell('clipboard', text);
      };
      scope.addEventListener(type, last);
      setTimeout(() => {
        scope.removeEventListener(type, last);
        if (!done && !event.defaultPrevented && selected !== '') tell('clipboard', selected);
      });
    };
    scope.addEventListener(type, onCopy, true);
  }
  scope.addEventListener(names.copied, (event) => {
    const { detail } = event as unknown as { detail: unknown };
    if (typeof detail === 'string') tell('clipboard', detail);
  });
  const fillClipboard = (text: string): boolean => {
    const enable: Listener = (event) => {
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    const fill: Listener = (event) => {
      event.clipboardData.setData('text/plain', text);
      enable(event);
    };
    isFilling = true;
    try {
      scope.addEventListener('beforecopy', enable, true);
      scope.addEventListener('copy', fill, true);
      return document.execCommand('copy');
    } finally {
      isFilling = false;
      scope.removeEventListener('beforecopy', enable, true);
      scope.removeEventListener('copy', fill, true);
    }
  };
  scope.addEventListener(names.rumbled, (event) => {
    const { detail } = event as unknown as { detail: unknown };
    if (typeof detail === 'string' && detail.length < 1000) tell('rumble', detail);
  });
  scope.addEventListener(names.closing, (event) => {
    const { detail } = event as unknown as { detail: unknown };
    if (typeof detail === 'string') tell('close', detail);
  });
  const handlers = globalThis as unknown as Record<symbol, object | undefined>;
  Object.assign((handlers[Symbol.for(names.receiver)] ??= {}), { fillClipboard });
}
