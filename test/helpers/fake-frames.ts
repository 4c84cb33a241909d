import { EventEmitter } from 'node:events';

import type { ScriptNames } from '../../src/render/capture/page-scripts.js';

interface CommandParameters {
  readonly frameId?: string;
  readonly contextId?: number;
  readonly executionContextId?: number;
}

/** A session of a tab, or of a frame with a process of its own. Only which documents its frames have is real. */
export class FakeFrames extends EventEmitter {
  readonly target: { readonly targetId: string; readonly type: string };
  /** By context id. */
  readonly #frames = new Map<number, string>();
  readonly #bound = new Set<number>();
  #lastContextId = 0;
  /** Settled before a command is answered, by its name. */
  readonly held = new Map<string, Promise<unknown>>();

  readonly #names: ScriptNames;

  constructor(names: ScriptNames, targetId: string, type = 'page') {
    super();
    this.#names = names;
    this.setMaxListeners(0);
    this.target = { targetId, type };
    this.replace(targetId);
  }

  /** A frame has another document, which is not reported yet. */
  replace(frameId: string): void {
    for (const [id, frame] of this.#frames) if (frame === frameId) this.#frames.delete(id);
    this.#frames.set(++this.#lastContextId, frameId);
  }

  /** The tab changes its process: context ids begin anew. */
  swap(): void {
    this.#frames.clear();
    this.#bound.clear();
    this.#lastContextId = 0;
  }

  /** @param parentId - undefined: of the main frame of the tab. */
  navigated(frameId: string, parentId?: string): void {
    this.replace(frameId);
    this.emit('Page.frameNavigated', { frame: { id: frameId, ...(parentId !== undefined && { parentId }) } });
  }

  /** The script in the document that a frame has now calls us. @returns whether it can. */
  call(frameId: string, type: string, value: unknown): boolean {
    const contextId = this.#contextOf(frameId);
    if (!this.#bound.has(contextId)) return false;
    this.emit('Runtime.bindingCalled', {
      name: this.#names.binding,
      payload: JSON.stringify({ type, value }),
      executionContextId: contextId,
    });
    return true;
  }

  async send(
    method: string,
    { frameId = '', contextId = 0, executionContextId = contextId }: CommandParameters = {},
  ): Promise<object> {
    // The browser answers in a later turn of the loop.
    await new Promise((resolve) => setImmediate(resolve));
    await this.held.get(method);
    if (method === 'Page.getFrameTree') return { frameTree: { frame: { id: this.target.targetId } } };
    if (method === 'Page.createIsolatedWorld') return { executionContextId: this.#contextOf(frameId) };
    if (executionContextId !== 0 && !this.#frames.has(executionContextId))
      throw new Error('Cannot find context with specified id');
    if (method === 'Runtime.addBinding') this.#bound.add(executionContextId);
    return { result: { value: true } };
  }

  #contextOf(frameId: string): number {
    for (const [id, frame] of this.#frames) if (frame === frameId) return id;
    throw new Error('No frame for given id found');
  }
}
