import type { StreamKitError } from '../../base/errors.js';
import type {
  OpenVideoEncodeThread,
  VideoEncodeListener,
  VideoEncodeParameters,
  VideoEncodeThread,
} from './encode-thread.js';

/** Keeps a thread that was started before anybody needs it: to load FFmpeg into one takes longer than to encode many pictures. */
export class ReadyVideoThread {
  readonly #openThread: OpenVideoEncodeThread;
  #waiting: { readonly thread: VideoEncodeThread; readonly parameters: VideoEncodeParameters } | undefined;
  #hasStarted = false;
  #listener: VideoEncodeListener | undefined;
  /** What the thread failed with before anybody needed it. */
  #error: StreamKitError | undefined;

  constructor(openThread: OpenVideoEncodeThread) {
    this.#openThread = openThread;
  }

  /** Once; later calls are ignored, and so are those after the first {@link open}. */
  start(parameters: VideoEncodeParameters): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    const thread = this.#openThread(parameters, {
      onEncodedFrame: (frame) => this.#listener?.onEncodedFrame(frame),
      onKeyframe: (stream) => this.#listener?.onKeyframe(stream),
      onFrames: (stream, frames) => this.#listener?.onFrames(stream, frames),
      onStats: (stats) => this.#listener?.onStats(stats),
      onEncoderReplaced: (replacement) => this.#listener?.onEncoderReplaced(replacement),
      onError: (error) => {
        if (this.#listener === undefined) this.#error ??= error;
        else this.#listener.onError(error);
      },
    });
    this.#waiting = { thread, parameters };
  }

  /**
   * The one that waits, if there is one: of the same source, but perhaps another size or rate. Otherwise a new one. One that has
   * failed meanwhile is handed out too and reports that afterwards: its socket, which it has closed, is of no use to another.
   */
  readonly open: OpenVideoEncodeThread = (parameters, listener) => {
    this.#hasStarted = true;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return this.#openThread(parameters, listener);
    this.#listener = listener;
    const error = this.#error;
    if (error !== undefined) {
      queueMicrotask(() => listener.onError(error));
      return waiting.thread;
    }
    const { source, frameRate } = waiting.parameters;
    const { width, height } = parameters.source;
    if (width !== source.width || height !== source.height || frameRate !== parameters.frameRate)
      waiting.thread.reconfigure({ width, height, frameRate: parameters.frameRate });
    return waiting.thread;
  };
}
