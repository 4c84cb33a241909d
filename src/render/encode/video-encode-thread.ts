import type { OpenVideoEncodeThread } from './encode-thread.js';
import { EncodeWorkerThread } from './encode-worker-thread.js';
import type { VideoReport, VideoRequest } from './thread-messages.js';

/** Starts a thread that encodes the pictures of a source; nothing is encoded until a stream is started. */
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
          listener.onKeyframe(report.stream);
          break;
        case 'frames':
          listener.onFrames(report.stream, report.frames);
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
    start: (stream, target, candidates) => thread.post({ type: 'start', stream, target, candidates }),
    stop: (stream) => thread.post({ type: 'stop', stream }),
    requestKeyframe: (stream) => thread.post({ type: 'keyframe', stream }),
    refresh: () => thread.post({ type: 'refresh' }),
    setTarget: (stream, target) => thread.post({ type: 'target', stream, target }),
    tap: (stream, tapped) => thread.post({ type: 'tap', stream, tapped }),
    reconfigure: (format) => thread.post({ type: 'reconfigure', format }),
    close: () => thread.close({ type: 'close' }),
    abandon: () => thread.abandon(),
  };
};
