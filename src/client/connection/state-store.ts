import type { Operation } from 'fast-json-patch';
// This part of it is an ES module also for Node, where the package itself is CommonJS without detectable names.
import { applyPatch } from 'fast-json-patch/module/core.mjs';
import type { StreamSessionState } from '../../protocol/state-document.js';
import { StreamError } from './stream-error.js';

/** One operation of RFC 6902. */
export type PatchOperation = Exclude<Operation, { op: '_get' }>;

const OPERATION_NAMES = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

/**
 * The client's copy of the session's state. Every patch makes a new document, so a document once handed out
 * never changes and a patch that fails half-way leaves the last good one.
 */
export class StateStore {
  #state: StreamSessionState | undefined;
  #lastEventId: string | undefined;

  /** The newest document; undefined before the first. Treat it as frozen. */
  get state(): StreamSessionState | undefined {
    return this.#state;
  }

  /** The id to resume after; undefined when the next connection needs the whole document. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  /** Takes the document of the answer that created the session. It has no event id to resume from. */
  seed(state: StreamSessionState): void {
    this.#state = state;
    this.#lastEventId = undefined;
  }

  /** Forgets the place in the event stream, so that the next connection starts with the whole document. */
  forgetPosition(): void {
    this.#lastEventId = undefined;
  }

  /**
   * Applies the data of a `state_patch` event.
   *
   * @param data JSON text: an array of RFC 6902 operations.
   * @param eventId The event's sequence number, which grows by one a patch.
   * @returns The operations, or undefined for a patch that was applied before.
   * @throws StreamError `protocol` when the patch does not fit; the store is then as it was.
   */
  apply(data: string, eventId: string): readonly PatchOperation[] | undefined {
    const operations = parseOperations(data);
    if (!startsWithDocument(operations)) {
      const order = this.#orderOf(eventId);
      if (order === 'old') return undefined;
      if (order === 'gap') {
        throw new StreamError(
          'protocol',
          `State patch ${eventId} does not follow ${this.#lastEventId ?? ''}`,
        );
      }
    }
    try {
      // Operations are cloned because a later one may write into the value of an earlier one.
      const result = applyPatch<unknown>(this.#state, structuredClone([...operations]), true, false);
      this.#state = result.newDocument as StreamSessionState;
    } catch (cause) {
      throw new StreamError('protocol', 'A state patch does not fit the state', { cause });
    }
    if (eventId !== '') this.#lastEventId = eventId;
    return operations;
  }

  #orderOf(eventId: string): 'next' | 'old' | 'gap' {
    const previous = sequenceNumber(this.#lastEventId);
    const next = sequenceNumber(eventId);
    if (previous === undefined || next === undefined) return 'next';
    if (next <= previous) return 'old';
    return next === previous + 1 ? 'next' : 'gap';
  }
}

function sequenceNumber(eventId: string | undefined): number | undefined {
  return eventId !== undefined && /^\d{1,15}$/.test(eventId) ? Number(eventId) : undefined;
}

function startsWithDocument(operations: readonly PatchOperation[]): boolean {
  const [first] = operations;
  return first?.path === '' && (first.op === 'replace' || first.op === 'add');
}

function parseOperations(data: string): readonly PatchOperation[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch (cause) {
    throw new StreamError('protocol', 'A state patch is not JSON', { cause });
  }
  if (!Array.isArray(parsed) || !parsed.every(isOperation)) {
    throw new StreamError('protocol', 'A state patch is not an array of JSON Patch operations');
  }
  return parsed;
}

function isOperation(value: unknown): value is PatchOperation {
  if (typeof value !== 'object' || value === null || !('op' in value) || !('path' in value)) return false;
  return typeof value.op === 'string' && OPERATION_NAMES.has(value.op) && typeof value.path === 'string';
}
