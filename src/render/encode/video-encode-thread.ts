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
      switch (report.type) {
        case 'frame':
          listener.onEncodedFrame(report.frame);
          break;
        case 'keyframe':
          listener.onKeyframe(report.codec);
          break;
        case 'frames':
          listener.onFrames(report.codec, report.frames);
          break;
        case 'stats':
          listener.onStats(report.stats);
          break;
        case 'replaced':
          listener.onEncoderReplaced(report.replacement);
          break;
      }
    },
    (error) => listener.onError(error),
  );
  return {
    start: (codec, bitrateBps, candidates) => thread.post({ type: 'start', codec, bitrateBps, candidates }),
    stop: (codec) => thread.post({ type: 'stop', codec }),
    requestKeyframe: (codec) => thread.post({ type: 'keyframe', codec }),
    refresh: () => thread.post({ type: 'refresh' }),
    setBitrate: (codec, bitrateBps) => thread.post({ type: 'bitrate', codec, bitrateBps }),
    tap: (codec, tapped) => thread.post({ type: 'tap', codec, tapped }),
    reconfigure: (format) => thread.post({ type: 'reconfigure', format }),
    close: () => thread.close({ type: 'close' }),
  };
};
