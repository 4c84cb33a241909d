/** Typed listeners by event name. */
export class EventHub<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  /** Adds a listener. @returns A function that removes it. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Forgets every listener: nothing is told any more. */
  close(): void {
    this.#listeners.clear();
  }

  /** Calls every listener. One that throws is reported as an uncaught error and does not stop the others. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      // A listener may remove another one, or end it all.
      if (!this.#listeners.get(name)?.has(listener)) continue;
      try {
        (listener as (value: Events[Name]) => void)(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
