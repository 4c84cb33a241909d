import { StreamKitError } from '../errors.js';
import type { Caller } from './caller.js';
import type { EventLogEntry } from './event-log.js';
import { secretDigest } from './secret-digest.js';
import type { Viewer } from './viewer.js';

/** What the viewers of a session come to together. */
export interface ViewerSummary {
  /** Those with an open event stream. */
  readonly attached: number;
  readonly signalingState: 'idle' | 'negotiating' | 'connected';
  /** Every peer there is has gathered its candidates, and there is one. */
  readonly iceCandidatesGathered: boolean;
}

/** The viewers of one session. */
export class ViewerGroup {
  /** By the digest of the secret id, see {@link secretDigest}. */
  readonly #viewers = new Map<string, Viewer>();

  /** Those that are away for a while count too. */
  get size(): number {
    return this.#viewers.size;
  }

  add(viewer: Viewer): void {
    this.#viewers.set(secretDigest(viewer.id), viewer);
  }

  delete(viewer: Viewer): void {
    this.#viewers.delete(secretDigest(viewer.id));
  }

  /**
   * Undefined where no viewer has this id.
   *
   * @throws StreamKitError `no_such_viewer` for one that does not obey this caller, which is not to learn that there is one.
   */
  find(viewerId: string, caller: Caller): Viewer | undefined {
    const found = this.#viewers.get(secretDigest(viewerId));
    if (found?.obeys(caller) === false) throw noSuchViewer();
    return found;
  }

  /** @throws StreamKitError `no_such_viewer`. */
  get(viewerId: string, caller: Caller): Viewer {
    const found = this.find(viewerId, caller);
    if (found === undefined) throw noSuchViewer();
    return found;
  }

  has(viewerId: string): boolean {
    return this.#viewers.has(secretDigest(viewerId));
  }

  /** How many a caller has. */
  countOf({ key }: Caller): number {
    return [...this.#viewers.values()].filter((viewer) => viewer.callerKey === key).length;
  }

  summary(): ViewerSummary {
    const viewers = [...this.#viewers.values()];
    const media = viewers.flatMap((viewer) => viewer.media ?? []).filter((one) => one.state !== 'closed');
    const connected = media.some((one) => one.state === 'connected');
    return {
      attached: viewers.filter((viewer) => viewer.attached).length,
      signalingState: connected ? 'connected' : media.length > 0 ? 'negotiating' : 'idle',
      iceCandidatesGathered: media.length > 0 && media.every((one) => one.candidatesGathered),
    };
  }

  sendPatch(entry: EventLogEntry): void {
    for (const viewer of this.#viewers.values()) viewer.sendPatch(entry);
  }

  sendSignal(event: Uint8Array): void {
    for (const viewer of this.#viewers.values()) viewer.sendSignal(event);
  }

  /** Tells them all and closes them; none is left in the group. Rejects after all when one could not. */
  async close(reason: string): Promise<void> {
    const closing = [...this.#viewers.values()].map((viewer) => viewer.close(reason));
    this.#viewers.clear();
    const failed = (await Promise.allSettled(closing)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

function noSuchViewer(): StreamKitError {
  return new StreamKitError('no_such_viewer', 'There is no such viewer');
}
