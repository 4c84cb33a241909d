import { StreamKitError } from '../base/errors.js';
import type { HlsStream } from '../recording/hls-stream.js';
import type { OpenHlsStream } from '../recording/open-recording.js';
import type { SessionRegistry } from './session-registry.js';

/** The live playlists of sessions: each begins with the first request for it and is gone with its session. */
export class SessionPlaylists {
  readonly #registry: SessionRegistry;
  readonly #open: OpenHlsStream;
  readonly #streams = new Map<string, HlsStream>();
  /** By session: where a stream that begins again goes on, since a sequence must not go back. */
  readonly #nextSequences = new Map<string, number>();

  constructor(registry: SessionRegistry, open: OpenHlsStream) {
    this.#registry = registry;
    this.#open = open;
  }

  /**
   * @throws StreamKitError `no_such_session`, `unavailable` before there is anything to see, `conflict` for a session
   * that is not encoded to H.264 or has ended.
   */
  playlist(streamId: string): Promise<string> {
    const session = this.#registry.page(streamId);
    session.touch();
    let stream = this.#streams.get(streamId);
    if (stream === undefined) {
      const opened = this.#open(
        {
          streamId,
          firstSequence: this.#nextSequences.get(streamId) ?? 0,
          openSource: (sink) => session.openPackets(['h264'], sink),
        },
        () => this.#onEnded(streamId, opened),
      );
      stream = opened;
      this.#streams.set(streamId, stream);
    }
    return stream.playlist();
  }

  /** @throws StreamKitError `no_such_session`, `not_found` for a file that is not there. */
  file(streamId: string, name: string): Uint8Array {
    this.#registry.page(streamId).touch();
    const bytes = this.#streams.get(streamId)?.file(name);
    if (bytes === undefined) throw new StreamKitError('not_found', 'There is no such segment');
    return bytes;
  }

  #onEnded(streamId: string, stream: HlsStream): void {
    this.#streams.delete(streamId);
    this.#nextSequences.set(streamId, stream.nextSequence);
    for (const known of this.#nextSequences.keys()) {
      if (this.#registry.find(known) === undefined) this.#nextSequences.delete(known);
    }
  }
}
