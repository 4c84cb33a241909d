import type { PublicationInfo } from '../protocol/publications.js';
import type { SessionPublications } from './session-publications.js';

/** A publication that was begun by {@link StreamKitSession.publish}. */
export class SessionPublication implements AsyncDisposable {
  readonly id: string;
  readonly #publications: SessionPublications;
  #last: PublicationInfo;

  constructor(publications: SessionPublications, info: PublicationInfo) {
    this.id = info.publicationId;
    this.#publications = publications;
    this.#last = info;
  }

  /** As it is now; after its end, as it was then. */
  get info(): PublicationInfo {
    this.#last =
      this.#publications.list().find(({ publicationId }) => publicationId === this.id) ?? this.#ended;
    return this.#last;
  }

  /** Ends it, and tells the endpoint. Idempotent. */
  async stop(): Promise<void> {
    const isThere = this.#publications.list().some(({ publicationId }) => publicationId === this.id);
    if (isThere) await this.#publications.end(this.id);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  get #ended(): PublicationInfo {
    return { ...this.#last, status: 'ended', liveSince: null };
  }
}
