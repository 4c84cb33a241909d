/** What the server hands the capture page; the same shapes stand in tab-capture.ts on the server's side. */
export interface RingLayout {
  readonly videoSlotCount: number;
  readonly videoSlotBytes: number;
  readonly audioSlotCount: number;
  readonly audioSlotBytes: number;
  readonly trailerBytes: number;
  readonly creditsFileBytes: number;
}

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

export interface OpenRequest {
  readonly width: number;
  readonly height: number;
  /** Size to ask the capturer for; the picture is cut from the top left of what comes. */
  readonly captured: PictureSize;
  readonly frameRate: number;
  /** False where only the sound is wanted: the pictures of a screencast come another way. */
  readonly video: boolean;
  readonly audio: boolean;
  readonly layout: RingLayout;
}

export interface ReconfigureRequest {
  readonly width: number;
  readonly height: number;
  readonly captured: PictureSize;
  readonly frameRate: number;
  readonly layout: RingLayout;
}

export type ColourMatrix = 'bt601' | 'bt709';

/** What was taken so far. */
export interface CaptureProgress {
  readonly pictures: number;
  readonly soundChunks: number;
  /** The longest time between two pictures since this was asked for last: when each of them came, wall-clock ms. */
  readonly gap?: { readonly startMs: number; readonly endMs: number } | undefined;
}

/** Page to its worker. */
export type WorkerRequest =
  | { readonly type: 'open'; readonly layout: RingLayout; readonly width: number; readonly height: number }
  | { readonly type: 'video'; readonly frames: ReadableStream<VideoFrame> }
  | { readonly type: 'audio'; readonly chunks: ReadableStream<AudioData> }
  | { readonly type: 'pause' }
  /** Is answered by `progress`. */
  | { readonly type: 'progress' }
  /** After a pause. */
  | { readonly type: 'resize'; readonly layout: RingLayout; readonly width: number; readonly height: number };

/** Worker to its page. */
export type WorkerReport =
  | { readonly type: 'ready' }
  | { readonly type: 'resized' }
  | ({ readonly type: 'progress' } & CaptureProgress)
  /** Pictures smaller than the asked size have come, and cannot be used; `count` is their number so far. */
  | { readonly type: 'unusable'; readonly message: string; readonly count: number }
  | { readonly type: 'failed'; readonly message: string };
