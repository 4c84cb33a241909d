import type { EventLogEntry } from './event-log.js';
import type { SessionEndReason } from './session-events.js';
import type { ViewerDiagnostics } from './session-diagnostics.js';
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
  readonly #viewers = new Set<Viewer>();

  /** Those that are away for a while count too. */
  get size(): number {
    return this.#viewers.size;
  }

  add(viewer: Viewer): void {
    this.#viewers.add(viewer);
    viewer.journal.join();
  }

  delete(viewer: Viewer): void {
    if (this.#viewers.delete(viewer)) viewer.journal.leave('gone');
  }

  /** Looks at every viewer, so that the time it takes says nothing of which one it was. */
  find(viewerId: string): Viewer | undefined {
    let found: Viewer | undefined;
    for (const viewer of this.#viewers) if (viewer.hasId(viewerId)) found = viewer;
    return found;
  }

  summary(): ViewerSummary {
    const viewers = [...this.#viewers];
    const media = viewers.flatMap((viewer) => viewer.media ?? []).filter((one) => one.state !== 'closed');
    const connected = media.some((one) => one.state === 'connected');
    return {
      attached: viewers.filter((viewer) => viewer.attached).length,
      signalingState: connected ? 'connected' : media.length > 0 ? 'negotiating' : 'idle',
      iceCandidatesGathered: media.length > 0 && media.every((one) => one.candidatesGathered),
    };
  }

  diagnostics(): ViewerDiagnostics[] {
    return [...this.#viewers].map((viewer) => viewer.diagnostics);
  }

  sendPatch(entry: EventLogEntry): void {
    for (const viewer of this.#viewers) viewer.sendPatch(entry);
  }

  sendSignal(event: Uint8Array): void {
    for (const viewer of this.#viewers) viewer.sendSignal(event);
  }

  /** Tells them all and closes them; none is left in the group. Rejects after all when one could not. */
  async close(reason: SessionEndReason): Promise<void> {
    for (const { journal } of this.#viewers) journal.leave(reason);
    const closing = [...this.#viewers].map((viewer) => viewer.close(reason));
    this.#viewers.clear();
    const failed = (await Promise.allSettled(closing)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
