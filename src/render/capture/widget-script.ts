import type { ScriptNames } from './page-scripts.js';

/** What {@link watchWidgets} tells of a widget that is open, with places in CSS pixels of its frame. */
export interface WidgetState {
  readonly widget: number;
  readonly kind: string;
  readonly rect: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** Where the pointer was last, in the same pixels; undefined in the main frame, whose pixels are the page's. */
  readonly pointer?: { readonly x: number; readonly y: number };
  readonly multiple: boolean;
  readonly value: string;
  readonly min: string;
  readonly max: string;
  readonly step: string;
  readonly options: readonly {
    readonly label: string;
    readonly value: string;
    readonly selected: boolean;
    readonly disabled: boolean;
    readonly group: string;
  }[];
}

/**
 * Runs in every frame beside the page; serialized, so it uses nothing from outside. Tells when a widget is open that
 * the browser draws outside of the page: the list of a `select`, the picker of an `input`, the suggestions of a
 * `datalist`. It changes nothing of them: the page's own events are those of the keys that we then press.
 */
export function watchWidgets(names: ScriptNames): void {
  interface OptionLike {
    label: string;
    text: string;
    value: string;
    selected: boolean;
    disabled: boolean;
    hidden: boolean;
    parentElement: { tagName: string; label: string; disabled: boolean } | null;
  }
  interface ElementLike {
    tagName: string;
    type: string;
    value: string;
    min: string;
    max: string;
    step: string;
    multiple: boolean;
    disabled: boolean;
    readOnly: boolean;
    isConnected: boolean;
    selectedIndex: number;
    options: ArrayLike<OptionLike>;
    list: { options: ArrayLike<OptionLike> } | null;
    shadowRoot: { activeElement: ElementLike | null } | null;
    matches(selector: string): boolean;
    getBoundingClientRect(): { x: number; y: number; width: number; height: number };
    focus(): void;
    select(): void;
    dispatchEvent(event: Event): void;
  }
  const scope = globalThis as unknown as Record<string, (text: string) => void> & {
    top: unknown;
    self: unknown;
    document: { activeElement: ElementLike | null; querySelector(selector: string): ElementLike | null };
    getComputedStyle(element: unknown, pseudo?: string): { display: string; appearance: string };
    addEventListener(type: string, listener: (event: Event) => void, options: object): void;
  };
  const { document } = scope;
  const MAX_OPTIONS = 1000;
  const MAX_LABEL_LENGTH = 200;
  const MAX_LABELS_LENGTH = 40_000;
  const MAX_SUGGESTIONS = 50;
  const POLL_MS = 100;
  const PICKERS = /^(?:date|datetime-local|month|week|time|color)$/;
  const TEXTS = /^(?:text|search|url|tel|email|number)$/;

  let current: ElementLike | undefined;
  let widget = 0;
  let told = '';
  let pointer = { x: 0, y: 0 };
  let target: ElementLike | undefined;

  const tell = (value: object): void => scope[names.call]?.(JSON.stringify({ type: 'widget', value }));
  /** CSS Forms: the list is a part of the page, and of its picture. */
  const isDrawn = (element: ElementLike): boolean =>
    [undefined, '::picker(select)'].every(
      (pseudo) => scope.getComputedStyle(element, pseudo).appearance === 'base-select',
    );
  const isPopup = (element: ElementLike): boolean =>
    (element.tagName === 'SELECT' && !isDrawn(element)) ||
    (element.tagName === 'INPUT' && PICKERS.test(element.type));
  const isOpen = (element: ElementLike): boolean =>
    isPopup(element) && element.isConnected && element.matches(':open');
  const groupOf = ({ parentElement }: OptionLike): { label: string; disabled: boolean } =>
    parentElement?.tagName === 'OPTGROUP' ? parentElement : { label: '', disabled: false };
  const shownOptions = (element: ElementLike): OptionLike[] => {
    const options: OptionLike[] = [];
    let length = 0;
    for (const option of Array.from(element.options)) {
      if (option.hidden || scope.getComputedStyle(option).display === 'none') continue;
      length += Math.min(option.label.length, MAX_LABEL_LENGTH);
      length += Math.min(groupOf(option).label.length, MAX_LABEL_LENGTH);
      if (options.length >= MAX_OPTIONS || length > MAX_LABELS_LENGTH) break;
      options.push(option);
    }
    return options;
  };
  const suggestionsOf = (element: ElementLike): OptionLike[] => {
    const typed = element.value.trim().toLowerCase();
    const all = Array.from(element.list?.options ?? []).slice(0, MAX_OPTIONS);
    return all
      .filter(({ value, label }) => `${value}\n${label}`.toLowerCase().includes(typed))
      .filter(({ value }) => value !== element.value)
      .slice(0, MAX_SUGGESTIONS);
  };
  const describe = (element: ElementLike): object => {
    const { x, y, width, height } = element.getBoundingClientRect();
    const isSelect = element.tagName === 'SELECT';
    const kind = isSelect ? 'select' : PICKERS.test(element.type) ? element.type : 'datalist';
    const options = isSelect ? shownOptions(element) : kind === 'datalist' ? suggestionsOf(element) : [];
    return {
      widget,
      kind,
      rect: { x, y, width, height },
      ...(scope.top === scope.self ? {} : { pointer }),
      multiple: element.multiple,
      value: isSelect ? '' : element.value.slice(0, MAX_LABEL_LENGTH),
      min: isSelect ? '' : element.min.slice(0, MAX_LABEL_LENGTH),
      max: isSelect ? '' : element.max.slice(0, MAX_LABEL_LENGTH),
      step: isSelect ? '' : element.step.slice(0, MAX_LABEL_LENGTH),
      options: options.map((option) => {
        const group = groupOf(option);
        return {
          label: (option.label || option.text).trim().slice(0, MAX_LABEL_LENGTH),
          value: kind === 'datalist' ? option.value.slice(0, MAX_LABEL_LENGTH) : '',
          selected: option.selected,
          disabled: option.disabled || group.disabled,
          group: group.label.slice(0, MAX_LABEL_LENGTH),
        };
      }),
    };
  };
  const close = (): void => {
    if (current === undefined) return;
    current = undefined;
    told = '';
    tell({ widget, closed: true });
  };
  const open = (element: ElementLike): void => {
    if (element !== current) {
      close();
      widget += 1;
      current = element;
    }
    const state = describe(element);
    const text = JSON.stringify(state);
    if (text !== told) tell(state);
    told = text;
  };
  const deepActive = (): ElementLike | undefined => {
    let active = document.activeElement;
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
    return active ?? undefined;
  };
  const isSuggesting = (element: ElementLike): boolean =>
    element.tagName === 'INPUT' &&
    TEXTS.test(element.type) &&
    element.list !== null &&
    !element.disabled &&
    !element.readOnly &&
    element === deepActive() &&
    suggestionsOf(element).length > 0;
  const look = (): void => {
    if (current !== undefined && !isOpen(current) && !isSuggesting(current)) close();
    const found = [target, deepActive(), document.querySelector('select:open, input:open') ?? undefined].find(
      (element) => element !== undefined && isOpen(element),
    );
    if (found !== undefined) open(found);
    else if (current !== undefined) open(current);
  };
  const poll = (): void => {
    look();
    if (current !== undefined) setTimeout(poll, POLL_MS);
  };
  let isPolling = false;
  const watch = (): void => {
    if (isPolling) return;
    isPolling = true;
    // What opens it is the default action of the event, after all of its listeners.
    setTimeout(() => {
      isPolling = false;
      poll();
    });
  };
  const suggest = (): void => {
    setTimeout(() => {
      const active = deepActive();
      if (active === undefined || current === active || !isSuggesting(active)) return;
      open(active);
      setTimeout(poll, POLL_MS);
    });
  };
  const listening = { capture: true, passive: true };
  for (const type of ['mousedown', 'mouseup', 'click', 'keydown', 'keyup', 'touchend']) {
    const onEvent = (event: Event): void => {
      [target] = event.composedPath() as unknown as (ElementLike | undefined)[];
      if (type.startsWith('mouse')) {
        const { clientX, clientY } = event as unknown as { clientX: number; clientY: number };
        pointer = { x: clientX, y: clientY };
      }
      watch();
      if (type === 'mouseup' || (event as unknown as { key?: string }).key === 'ArrowDown') suggest();
    };
    scope.addEventListener(type, onEvent, listening);
  }
  scope.addEventListener('input', suggest, listening);

  /** The keys that bring an open widget to the answer. */
  const keysFor = (asked: { widget: number; indexes?: number[] }): string[] => {
    if (current === undefined || asked.widget !== widget || asked.indexes === undefined) return [];
    const options = shownOptions(current);
    const wanted = new Set(asked.indexes);
    const reachable = options.filter((option) => !option.disabled && !groupOf(option).disabled);
    if (!current.multiple) {
      const at = reachable.findIndex((option) => wanted.has(options.indexOf(option)));
      if (at < 0) return [];
      const fromEnd = reachable.length - 1 - at;
      const moves =
        at <= fromEnd
          ? ['Home', ...Array.from({ length: at }, () => 'ArrowDown')]
          : ['End', ...Array.from({ length: fromEnd }, () => 'ArrowUp')];
      return [...moves, 'Enter'];
    }
    const keys = ['Home'];
    for (const option of reachable) {
      if (option.selected !== wanted.has(options.indexOf(option))) keys.push(' ');
      keys.push('ArrowDown');
    }
    return [...keys, 'Escape'];
  };
  let answered: ElementLike | undefined;
  const handlers = globalThis as unknown as Record<symbol, Record<string, unknown> | undefined>;
  Object.assign((handlers[Symbol.for(names.receiver)] ??= {}), {
    widgetKeys: (asked: { widget: number; indexes?: number[] }) => {
      answered = asked.widget === widget ? current : undefined;
      return keysFor(asked);
    },
    /** The element that was answered, for the server to look into. */
    widgetElement: () => answered ?? current,
    focusWidget: () => {
      answered?.focus();
      if (answered !== undefined && TEXTS.test(answered.type)) answered.select();
    },
    /** What the keys did not bring about is set, though the page then sees that it was not the user. */
    settleWidget: ({ indexes, value }: { indexes?: number[]; value?: string }): boolean => {
      const element = answered;
      answered = undefined;
      if (element === undefined) return false;
      const options = indexes === undefined ? [] : shownOptions(element);
      const isSettled =
        indexes === undefined
          ? element.value === value
          : options.every((option, index) => option.selected === indexes.includes(index));
      if (isSettled) return true;
      if (indexes === undefined) element.value = value ?? '';
      else options.forEach((option, index) => (option.selected = indexes.includes(index)));
      for (const type of ['input', 'change']) element.dispatchEvent(new Event(type, { bubbles: true }));
      return false;
    },
  });
}
