import type { OpenVideoEncodeThread } from './encode-thread.js';
import { EncodeWorkerThread } from './encode-worker-thread.js';
import type { VideoReport, VideoRequest } from './thread-messages.js';

/** Starts a thread that encodes the pictures of a source; nothing is encoded until a codec is started. */
export const openVideoEncodeThread: OpenVideoEncodeThread = (parameters, listener) => {
  const { source } = parameters;
  const thread = new EncodeWorkerThread<VideoRequest, VideoReport>(
    './video-encode-worker.js',
    parameters,
    source.kind === 'jpeg' ? [source.port] : [],
    (report) => {
      if (report.type === 'frame') listener.onEncodedFrame(report.frame);
      else listener.onStats(report.stats);
    },
    (error) => listener.onError(error),
  );
  return {
    start: (codec, bitrateBps) => thread.post({ type: 'start', codec, bitrateBps }),
    stop: (codec) => thread.post({ type: 'stop', codec }),
    requestKeyframe: (codec) => thread.post({ type: 'keyframe', codec }),
    refresh: () => thread.post({ type: 'refresh' }),
    setBitrate: (codec, bitrateBps) => thread.post({ type: 'bitrate', codec, bitrateBps }),
    close: () => thread.close({ type: 'close' }),
  };
};
