import type { OpenAudioEncodeThread } from './encode-thread.js';
import { EncodeWorkerThread } from './encode-worker-thread.js';
import type { AudioReport, AudioRequest } from './thread-messages.js';

/** Starts a thread that encodes the sound of a source; nothing is encoded until it is started. */
export const openAudioEncodeThread: OpenAudioEncodeThread = (parameters, listener) => {
  const thread = new EncodeWorkerThread<AudioRequest, AudioReport>(
    './audio-encode-worker.js',
    parameters,
    [],
    (report) => {
      if (report.type === 'packet') listener.onEncodedAudio(report.packet);
      else listener.onPackets(report.count);
    },
    (error) => listener.onError(error),
  );
  return {
    start: () => thread.post({ type: 'start' }),
    stop: () => thread.post({ type: 'stop' }),
    tap: (tapped) => thread.post({ type: 'tap', tapped }),
    close: () => thread.close({ type: 'close' }),
    abandon: () => thread.abandon(),
  };
};
