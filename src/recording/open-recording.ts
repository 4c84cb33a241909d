import { randomUUID } from 'node:crypto';

import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { ResolvedOptions } from '../options/stream-kit-options.js';
import { HlsStream, type HlsStreamParameters } from './hls-stream.js';
import type { MuxThreads } from './mux-threads.js';
import { RecordingStore } from './recording-store.js';

/** The options of the room. */
export type RecordingRoomOptions = Pick<ResolvedOptions, 'recording' | 'hls'>;

export interface RecordingRoomParts {
  readonly threads: MuxThreads;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Makes the stream of one session.
 *
 * @param onEnded - as of {@link HlsStream}.
 */
export type OpenHlsStream = (
  parameters: Pick<HlsStreamParameters, 'firstSequence' | 'openSource'> & { readonly streamId: string },
  onEnded: () => void,
) => HlsStream;

/** What puts the media of sessions into files and playlists. */
export interface RecordingRoom {
  /** Undefined: nothing is recorded. */
  readonly store: RecordingStore | undefined;
  /** Undefined: there are no playlists. */
  readonly openHls: OpenHlsStream | undefined;
}

/** @throws StreamKitError `bad_option` for a directory in which nothing can be written. */
export function openRecording(
  { recording, hls }: RecordingRoomOptions,
  { threads, clock, logger }: RecordingRoomParts,
): RecordingRoom {
  const store =
    recording &&
    new RecordingStore({
      options: recording,
      openThread: threads.openRecordingThread,
      createId: () => randomUUID(),
      ...{ clock, logger },
    });
  const openHls: OpenHlsStream | undefined =
    hls &&
    (({ streamId, ...stream }, onEnded) =>
      new HlsStream(
        {
          ...stream,
          options: hls,
          openThread: threads.openHlsThread,
          clock,
          logger: logger.child({ streamId }),
        },
        onEnded,
      ));
  return { store, openHls };
}
