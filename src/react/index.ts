export { useStream, type StreamHandle, type UseStreamOptions } from './use-stream.js';
export { StreamView, type StreamViewProps } from './stream-view.js';
