import type { Box } from '../media/picture-place.js';
import type { PagePrompt } from '../../protocol/page-events.js';

export interface PromptViewParameters {
  /** What is drawn stands behind it, so that it is there in full screen too. */
  readonly element: HTMLElement;
  /** Where the picture is, CSS pixels of the window. */
  readonly picture: () => Box;
  readonly answer: (message: object) => void;
  /** Takes a file to the server. */
  readonly upload: (file: File) => Promise<{ fileId: string }>;
  /** What was drawn has gone: keys go to the page again. */
  readonly onClosed: () => void;
}

type PromptOf<Type> = Extract<PagePrompt, { type: Type }>;

const MAX_ROWS = 12;
const STYLE: Partial<CSSStyleDeclaration> = {
  position: 'fixed',
  zIndex: '2147483647',
  margin: '0',
  padding: '4px',
  boxSizing: 'border-box',
  maxWidth: '100vw',
  maxHeight: '100vh',
  overflow: 'auto',
  background: 'Canvas',
  color: 'CanvasText',
  border: '1px solid GrayText',
  borderRadius: '6px',
  font: '16px system-ui, sans-serif',
  colorScheme: 'light dark',
};

function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  own: Partial<HTMLElementTagNameMap[Name]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = Object.assign(document.createElement(name), own);
  element.append(...children);
  return element;
}

/** Draws what the page's own browser would have drawn outside of the page: lists, pickers, dialogs. */
export class PromptView {
  readonly #parameters: PromptViewParameters;
  #shown: { id: string; root: HTMLDialogElement } | undefined;
  /** Dialogs that wait for the one that is shown. */
  #waiting: PagePrompt[] = [];

  constructor(parameters: PromptViewParameters) {
    this.#parameters = parameters;
  }

  show(prompt: PagePrompt): void {
    if (this.#shown !== undefined && this.#shown.id !== prompt.id) {
      this.#waiting = [...this.#waiting.filter(({ id }) => id !== prompt.id), prompt];
      return;
    }
    this.#remove();
    const content = this.#content(prompt);
    const root = make('dialog', { ariaLabel: labelOf(prompt) }, content);
    // What is asked is the name of what it is answered with.
    for (const field of root.querySelectorAll('select, input')) field.ariaLabel = labelOf(prompt);
    Object.assign(root.style, STYLE);
    this.#shown = { id: prompt.id, root };
    this.#parameters.element.after(root);
    root.addEventListener('cancel', (event) => {
      event.preventDefault();
      this.#cancel(prompt);
    });
    // Suggestions leave the keys to the page, which goes on being typed into.
    if (prompt.type === 'picker' && prompt.kind === 'datalist') root.show();
    else root.showModal();
    if ('rect' in prompt) this.#place(root, prompt);
    else Object.assign(root.style, { inset: '0', margin: 'auto', padding: '16px' });
    root.addEventListener('pointerdown', (event) => {
      if (event.target === root && !isInside(root, event)) this.#cancel(prompt);
    });
    if (!(prompt.type === 'picker' && prompt.kind === 'datalist'))
      root.querySelector<HTMLElement>('select, input, button')?.focus({ preventScroll: true });
  }

  /** It is no longer to be answered. */
  close(id: string): void {
    this.#waiting = this.#waiting.filter((prompt) => prompt.id !== id);
    if (this.#shown?.id !== id) return;
    this.#remove();
    const next = this.#waiting.shift();
    if (next === undefined) this.#parameters.onClosed();
    else this.show(next);
  }

  closeAll(): void {
    this.#waiting = [];
    this.#remove();
  }

  #remove(): void {
    this.#shown?.root.remove();
    this.#shown = undefined;
  }

  #answer(prompt: PagePrompt, fields: object): void {
    this.#parameters.answer({ type: prompt.type, id: prompt.id, ...fields });
    this.close(prompt.id);
  }

  #cancel(prompt: PagePrompt): void {
    this.#answer(prompt, prompt.type === 'dialog' ? { accept: false } : { cancel: true });
  }

  #content(prompt: PagePrompt): Node {
    switch (prompt.type) {
      case 'select':
        return this.#list(prompt);
      case 'picker':
        return prompt.kind === 'datalist' ? this.#suggestions(prompt) : this.#picker(prompt);
      case 'dialog':
        return this.#dialog(prompt);
      case 'file_chooser':
        return this.#files(prompt);
    }
  }

  #list(prompt: PromptOf<'select'>): Node {
    const { options, multiple } = prompt;
    const groups = new Set(options.map(({ group }) => group));
    const select = make('select', {
      multiple,
      size: Math.min(MAX_ROWS, Math.max(2, options.length + groups.size)),
    });
    let group: HTMLOptGroupElement | undefined;
    options.forEach(({ label, selected, disabled, group: groupLabel }, index) => {
      if (groupLabel !== group?.label) {
        group = groupLabel === undefined ? undefined : make('optgroup', { label: groupLabel });
        if (group !== undefined) select.append(group);
      }
      (group ?? select).append(make('option', { text: label, value: String(index), selected, disabled }));
    });
    Object.assign(select.style, { width: '100%', font: 'inherit' });
    const done = (): void => {
      const indexes = Array.from(select.selectedOptions, ({ value }) => Number(value));
      this.#answer(prompt, { indexes });
    };
    if (multiple) return this.#form(select, done, () => this.#cancel(prompt));
    // On a phone the list is its own picker, which changes it; with arrow keys a change is not yet a choice.
    let byKey = false;
    select.addEventListener('keydown', (event) => {
      byKey = true;
      if (event.key !== 'Enter' && event.key !== ' ') return;
      // What it types would go to the page, which has the focus by then.
      event.preventDefault();
      done();
    });
    select.addEventListener('pointerdown', () => (byKey = false));
    select.addEventListener('change', () => byKey || done());
    select.addEventListener(
      'click',
      ({ target }) => target instanceof HTMLOptionElement && !target.disabled && done(),
    );
    return select;
  }

  #picker(prompt: PromptOf<'picker'>): Node {
    const { kind, value, min = '', max = '', step = '' } = prompt;
    const input = make('input', { type: kind, min, max, step, value });
    input.style.font = 'inherit';
    return this.#form(
      input,
      () => this.#answer(prompt, { value: input.value }),
      () => this.#cancel(prompt),
    );
  }

  #suggestions(prompt: PromptOf<'picker'>): Node {
    const list = make('div');
    for (const { value, label } of prompt.options ?? []) {
      const button = make('button', {
        type: 'button',
        textContent: label === '' ? value : `${value} ${label}`,
      });
      Object.assign(button.style, {
        display: 'block',
        width: '100%',
        textAlign: 'start',
        font: 'inherit',
        border: '0',
      });
      // Before the page loses its keys.
      button.addEventListener('pointerdown', (event) => {
        event.preventDefault();
        this.#answer(prompt, { value });
      });
      list.append(button);
    }
    return list;
  }

  #dialog(prompt: PromptOf<'dialog'>): Node {
    const { kind, message, defaultValue = '' } = prompt;
    const text = make('p', { textContent: message });
    Object.assign(text.style, {
      margin: '0 0 12px',
      whiteSpace: 'pre-wrap',
      overflowWrap: 'anywhere',
      maxWidth: '30em',
    });
    const input = kind === 'prompt' ? make('input', { value: defaultValue }) : undefined;
    return this.#form(
      make('div', {}, text, ...(input === undefined ? [] : [input])),
      () => this.#answer(prompt, { accept: true, ...(input === undefined ? {} : { text: input.value }) }),
      kind === 'alert' ? undefined : () => this.#cancel(prompt),
    );
  }

  #files(prompt: PromptOf<'file_chooser'>): Node {
    const { multiple, accept } = prompt;
    const input = make('input', { type: 'file', multiple, accept });
    const note = make('p', { role: 'status' });
    return this.#form(
      make('div', {}, input, note),
      () => {
        note.textContent = 'Uploading';
        this.#upload(input.files ?? []).then(
          (fileIds) => this.#answer(prompt, { fileIds }),
          (error: unknown) => (note.textContent = error instanceof Error ? error.message : String(error)),
        );
      },
      () => this.#cancel(prompt),
    );
  }

  async #upload(files: Iterable<File>): Promise<string[]> {
    const ids: string[] = [];
    for (const file of files) ids.push((await this.#parameters.upload(file)).fileId);
    return ids;
  }

  #form(content: Node, onDone: () => void, onCancel?: () => void): Node {
    const form = make('form', {}, content);
    const buttons = make('div', {}, make('button', { type: 'submit', textContent: 'OK' }));
    Object.assign(buttons.style, { display: 'flex', gap: '8px', justifyContent: 'end', marginTop: '8px' });
    if (onCancel !== undefined) {
      const cancel = make('button', { type: 'button', textContent: 'Cancel' });
      cancel.addEventListener('click', onCancel);
      buttons.prepend(cancel);
    }
    for (const button of buttons.children) (button as HTMLElement).style.font = 'inherit';
    form.append(buttons);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      onDone();
    });
    return form;
  }

  /** Below the element of the page, or above it where there is no room. */
  #place(root: HTMLElement, { rect }: PromptOf<'select' | 'picker'>): void {
    const box = this.#parameters.picture();
    const left = box.left + rect.x * box.width;
    const bottom = box.top + (rect.y + rect.height) * box.height;
    root.style.minWidth = `${rect.width * box.width}px`;
    const { width, height } = root.getBoundingClientRect();
    const isBelow = bottom + height <= window.innerHeight;
    const top = isBelow ? bottom : Math.max(0, box.top + rect.y * box.height - height);
    Object.assign(root.style, {
      inset: 'auto',
      left: `${Math.max(0, Math.min(left, window.innerWidth - width))}px`,
      top: `${top}px`,
    });
  }
}

function labelOf(prompt: PagePrompt): string {
  switch (prompt.type) {
    case 'select':
      return 'List of the page';
    case 'picker':
      return `The page asks for: ${prompt.kind}`;
    case 'dialog':
      return prompt.message.slice(0, 200);
    case 'file_chooser':
      return 'The page asks for files';
  }
}

function isInside(element: Element, { clientX, clientY }: PointerEvent): boolean {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  return clientX >= left && clientX <= right && clientY >= top && clientY <= bottom;
}
