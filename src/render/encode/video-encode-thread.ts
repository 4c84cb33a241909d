import type { OpenVideoEncodeThread } from './encode-thread.js';
import { EncodeWorkerThread } from './encode-worker-thread.js';
import type { EncoderSelection } from './encoder-selection.js';
import type { VideoReport, VideoRequest } from './thread-messages.js';

/** Makes the function that starts threads which encode the pictures of a source with the encoders of `selection`. */
export function createOpenVideoEncodeThread(selection: EncoderSelection): OpenVideoEncodeThread {
  return (parameters, listener) => {
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
    // In the first moments of a server it is not yet known which encoders work; what is asked for meanwhile waits, at
    // most as long as the probe may take.
    const held: (() => void)[] = [];
    let waiting = true;
    const whenSelected = (post: () => void): void => {
      if (waiting) held.push(post);
      else post();
    };
    void selection.ready().then(() => {
      waiting = false;
      for (const post of held.splice(0)) post();
    });
    return {
      start: (codec, bitrateBps) =>
        whenSelected(() => {
          thread.post({ type: 'start', codec, bitrateBps, candidates: selection.candidates(codec) });
        }),
      stop: (codec) => whenSelected(() => thread.post({ type: 'stop', codec })),
      requestKeyframe: (codec) => whenSelected(() => thread.post({ type: 'keyframe', codec })),
      refresh: () => whenSelected(() => thread.post({ type: 'refresh' })),
      setBitrate: (codec, bitrateBps) =>
        whenSelected(() => thread.post({ type: 'bitrate', codec, bitrateBps })),
      reconfigure: (format) => whenSelected(() => thread.post({ type: 'reconfigure', format })),
      close: () => thread.close({ type: 'close' }),
    };
  };
}
