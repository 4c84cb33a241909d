import type { ScriptNames } from './page-scripts.js';

/**
 * Runs in every frame beside the page; serialized, so it uses nothing from outside. Reports that the first document of a new tab
 * ran before all that prepares the tab was there. A page may start between any two of our commands, so this script must be
 * the last of them.
 */
export function reportLate(names: ScriptNames): void {
  const scope = globalThis as unknown as Record<string, ((text: string) => void) | undefined> & {
    top: unknown;
    self: unknown;
    location: { protocol: string };
    document: { documentElement: { firstChild: unknown } | null };
  };
  const { top, self, location, document } = scope;
  // A document that is ours from the start is still empty.
  if (top !== self || !location.protocol.startsWith('http') || !document.documentElement?.firstChild) return;
  // Loaded again, the page says anew what it has said without all of its world.
  const handlers = globalThis as unknown as Record<symbol, Record<string, () => void> | undefined>;
  handlers[Symbol.for(names.receiver)]?.forget?.();
  scope[names.call]?.(JSON.stringify({ type: 'late', value: true }));
}
