import type { StreamConnection } from '@open-game-system/stream-kit-server/client';

import { any } from './elements.js';

interface TabsMessage {
  readonly type: 'tabs';
  readonly activeId: string;
  readonly tabs: readonly { readonly id: string; readonly title: string; readonly url: string }[];
}

/** The tabs of the page, while it has several and this viewer has control: one is shown by a press, or closed. */
export class TabStrip {
  readonly #strip = any('tabs');
  #connection: StreamConnection | undefined;

  constructor() {
    this.#strip.addEventListener('keydown', (event) => this.#onKey(event));
  }

  follow(connection: StreamConnection): void {
    this.stop();
    this.#connection = connection;
    connection.on('input', (message) => {
      if (isTabs(message)) this.#show(message);
    });
    connection.on('role', ({ role }) => {
      if (role !== 'controller') this.#strip.hidden = true;
    });
  }

  stop(): void {
    this.#connection = undefined;
    this.#strip.hidden = true;
    this.#strip.replaceChildren();
  }

  #show({ activeId, tabs }: TabsMessage): void {
    const focused = document.activeElement?.closest<HTMLElement>('.tab')?.dataset.id;
    this.#strip.hidden = tabs.length < 2;
    this.#strip.role = 'tablist';
    this.#strip.replaceChildren(
      ...tabs.map(({ id, title, url }) => {
        const name = title === '' ? url : title;
        const show = document.createElement('button');
        show.type = 'button';
        show.role = 'tab';
        show.textContent = name;
        show.title = url;
        show.ariaSelected = String(id === activeId);
        show.tabIndex = id === activeId ? 0 : -1;
        show.addEventListener('click', () => this.#ask('show', id));
        const close = document.createElement('button');
        close.type = 'button';
        close.className = 'close';
        close.textContent = '\u00d7';
        close.ariaLabel = `Close ${name}`;
        close.tabIndex = show.tabIndex;
        close.addEventListener('click', () => this.#ask('close', id));
        const tab = document.createElement('div');
        tab.className = 'tab';
        tab.role = 'presentation';
        tab.dataset.id = id;
        tab.append(show, close);
        return tab;
      }),
    );
    if (focused !== undefined) this.#buttonOf(focused)?.focus();
    this.#buttonOf(activeId)?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  /** Arrow keys go along the strip, and Delete closes: WAI-ARIA Authoring Practices, tabs with manual activation. */
  #onKey(event: KeyboardEvent): void {
    const tabs = [...this.#strip.querySelectorAll<HTMLElement>('[role=tab]')];
    const at = tabs.findIndex((tab) => tab === event.target);
    const id = tabs[at]?.parentElement?.dataset.id;
    if (id === undefined) return;
    const next: Partial<Record<string, number>> = {
      ArrowLeft: (at + tabs.length - 1) % tabs.length,
      ArrowRight: (at + 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    };
    const target = next[event.key];
    if (target !== undefined) tabs[target]?.focus();
    else if (event.key === 'Delete') this.#ask('close', id);
    else return;
    event.preventDefault();
  }

  #buttonOf(id: string): HTMLElement | undefined {
    const tab = [...this.#strip.children].find((child) => (child as HTMLElement).dataset.id === id);
    return tab?.querySelector<HTMLElement>('[role=tab]') ?? undefined;
  }

  #ask(action: 'show' | 'close', id: string): void {
    this.#connection?.sendInput({ type: 'tab', action, id });
  }
}

function isTabs(message: unknown): message is TabsMessage {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'tabs';
}
