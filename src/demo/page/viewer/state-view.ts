import type { StateChange } from '@open-game-system/stream-kit-server/client';

/** One line of the listing. */
interface Line {
  /** JSON pointer of the value, with a mark of its own for a closing bracket. */
  id: string;
  depth: number;
  key: string | undefined;
  text: string;
  kind: 'string' | 'number' | 'word' | 'bracket';
}

interface Row {
  element: HTMLElement;
  value: HTMLElement;
  text: string;
}

/** The session's state as indented JSON. Rows stay as long as their value does; a patched one lights up. */
export class StateView {
  readonly #container: HTMLElement;
  readonly #counter: HTMLElement;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #rows = new Map<string, Row>();
  #patches = 0;

  constructor(container: HTMLElement, counter: HTMLElement) {
    this.#container = container;
    this.#counter = counter;
  }

  /** Begins anew for another session. */
  reset(): void {
    this.#patches = 0;
    this.#rows = new Map();
    this.#counter.textContent = '';
    this.#container.replaceChildren();
  }

  show({ state, operations }: StateChange): void {
    if (this.#rows.size === 0) this.#container.replaceChildren();
    const isWhole = operations.some(({ path }) => path === '');
    const rows = new Map<string, Row>();
    let previous: HTMLElement | null = null;
    for (const line of linesOf(state)) {
      const row = this.#rows.get(line.id) ?? createRow(line);
      const isNew = !this.#rows.has(line.id);
      if (row.text !== line.text) {
        row.text = line.text;
        row.value.textContent = line.text;
        row.value.className = line.kind;
        if (!isNew && !isWhole) this.#flash(row.element);
      }
      if (isNew && !isWhole) this.#flash(row.element);
      const place: Element | null =
        previous === null ? this.#container.firstElementChild : previous.nextElementSibling;
      if (place !== row.element) this.#container.insertBefore(row.element, place);
      previous = row.element;
      rows.set(line.id, row);
    }
    for (const [id, { element }] of this.#rows) if (!rows.has(id)) element.remove();
    this.#rows = rows;
    if (!isWhole) this.#patches++;
    this.#counter.textContent = this.#patches === 1 ? '1 patch' : `${this.#patches} patches`;
  }

  #flash(element: HTMLElement): void {
    if (this.#still.matches) return;
    element.animate([{ backgroundColor: 'rgb(94 234 212 / 0.28)' }, { backgroundColor: 'transparent' }], {
      duration: 900,
      easing: 'ease-out',
    });
  }
}

function createRow(line: Line): Row {
  const element = document.createElement('div');
  element.className = 'row';
  element.style.setProperty('--depth', String(line.depth));
  if (line.key !== undefined) {
    const key = document.createElement('span');
    key.className = 'key';
    key.textContent = `${line.key}: `;
    element.append(key);
  }
  const value = document.createElement('span');
  value.className = line.kind;
  value.textContent = line.text;
  element.append(value);
  return { element, value, text: line.text };
}

/** Quotes and commas are left out: it is for reading. */
function* linesOf(value: unknown, key?: string, id = '', depth = 0): Generator<Line> {
  if (typeof value !== 'object' || value === null) {
    const kind = typeof value === 'string' ? 'string' : typeof value === 'number' ? 'number' : 'word';
    yield { id, depth, key, text: typeof value === 'string' ? value : JSON.stringify(value), kind };
    return;
  }
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const entries = Object.entries(value);
  if (entries.length === 0) {
    yield { id, depth, key, text: `${open ?? ''}${close ?? ''}`, kind: 'bracket' };
    return;
  }
  yield { id, depth, key, text: open ?? '', kind: 'bracket' };
  for (const [name, member] of entries) {
    yield* linesOf(member, name, `${id}/${name.replace(/~/g, '~0').replace(/\//g, '~1')}`, depth + 1);
  }
  yield { id: `${id} end`, depth, key: undefined, text: close ?? '', kind: 'bracket' };
}
