import { isPrompt, type PageEvent } from '../protocol/page-events.js';

/** What a controller that takes over has to know of a page: prompts that are open, and what holds at the moment. */
export class PageEventState {
  readonly #events = new Map<string, PageEvent>();

  get events(): readonly PageEvent[] {
    return [...this.#events.values()];
  }

  accept(event: PageEvent): void {
    if (isPrompt(event)) {
      this.#events.set(`prompt ${event.id}`, event);
    } else if (event.type === 'prompt_closed') {
      this.#events.delete(`prompt ${event.id}`);
    } else if (event.type === 'pointer_lock') {
      this.#keep(event, event.locked);
    } else if (event.type === 'editing') {
      this.#keep(event, event.active);
    } else if (event.type === 'tabs') {
      this.#keep(event, event.tabs.length > 1);
    }
  }

  #keep(event: PageEvent, isWorthIt: boolean): void {
    this.#events.delete(event.type);
    if (isWorthIt) this.#events.set(event.type, event);
  }
}
