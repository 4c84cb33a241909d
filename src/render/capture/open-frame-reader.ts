import type { VideoSource } from './capture.js';
import { JpegFrameReader } from './jpeg-frame-reader.js';
import type { VideoFrameReader } from './video-frame.js';
import { VideoRingReader } from './video-ring-reader.js';

/**
 * Opens a source in the thread that encodes it.
 * @param onReady - called when there may be a new picture to take.
 */
export function openFrameReader(source: VideoSource, onReady: () => void): VideoFrameReader {
  switch (source.kind) {
    case 'ring':
      return new VideoRingReader(source, onReady);
    case 'jpeg':
      return new JpegFrameReader(source, onReady);
  }
}
