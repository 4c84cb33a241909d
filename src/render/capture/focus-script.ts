import type { ScriptNames } from './page-scripts.js';

/**
 * Runs in every frame beside the page; serialized, so it uses nothing from outside. Tells whether the page has locked
 * the pointer, and whether a text field has the focus.
 */
export function watchFocus(names: ScriptNames): void {
  interface ElementLike {
    tagName: string;
    type?: string;
    inputMode?: string;
    readOnly?: boolean;
    disabled?: boolean;
    isContentEditable: boolean;
    shadowRoot: { activeElement: ElementLike | null } | null;
  }
  const scope = globalThis as unknown as Record<string, (text: string) => void> & {
    document: {
      activeElement: ElementLike | null;
      pointerLockElement: unknown;
      fullscreenElement: unknown;
      exitPointerLock(): void;
      exitFullscreen(): Promise<void>;
      addEventListener(type: string, listener: () => void): void;
    };
    addEventListener(type: string, listener: (event: Event) => void, options: object): void;
  };
  const { document } = scope;
  const tell = (type: string, value: unknown): void => scope[names.call]?.(JSON.stringify({ type, value }));
  const INPUT_MODES: Record<string, string> = {
    email: 'email',
    number: 'decimal',
    search: 'search',
    tel: 'tel',
    url: 'url',
  };
  const KEYLESS = /^(?:button|checkbox|color|file|image|radio|range|reset|submit|hidden)$/;

  const modeOf = (element: ElementLike | null): string | undefined => {
    let active = element;
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
    if (!active || active.disabled === true || active.readOnly === true) return undefined;
    const { tagName, type = '', inputMode = '' } = active;
    const isField = tagName === 'TEXTAREA' || (tagName === 'INPUT' && !KEYLESS.test(type));
    if (!isField && !active.isContentEditable) return undefined;
    return inputMode === '' ? (INPUT_MODES[type] ?? 'text') : inputMode;
  };
  let told: string | undefined;
  const look = (): void => {
    const mode = modeOf(document.activeElement);
    if (mode === told) return;
    told = mode;
    tell('editing', mode ?? '');
  };
  for (const type of ['focusin', 'focusout']) {
    scope.addEventListener(type, () => setTimeout(look), { capture: true, passive: true });
  }
  document.addEventListener('pointerlockchange', () =>
    tell('pointer_lock', document.pointerLockElement !== null),
  );
  // In a browser of the viewer's own, Escape always ends both of them.
  scope.addEventListener(
    'keydown',
    (event) => {
      if (!event.isTrusted || (event as unknown as { key: string }).key !== 'Escape') return;
      if (document.pointerLockElement !== null) document.exitPointerLock();
      if (document.fullscreenElement !== null) document.exitFullscreen().catch(() => undefined);
    },
    { capture: true, passive: true },
  );
  const handlers = globalThis as unknown as Record<symbol, Record<string, unknown> | undefined>;
  Object.assign((handlers[Symbol.for(names.receiver)] ??= {}), {
    unlockPointer: () => {
      if (document.pointerLockElement !== null) document.exitPointerLock();
    },
  });
}
