/** What the server hands the capture page; the same shapes stand in tab-capture.ts on the server's side. */
export interface RingLayout {
  readonly videoSlotCount: number;
  readonly videoSlotBytes: number;
  readonly audioSlotCount: number;
  readonly audioSlotBytes: number;
  readonly trailerBytes: number;
  readonly creditsFileBytes: number;
}

export interface OpenRequest {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  /** False where only the sound is wanted: the pictures of a screencast come another way. */
  readonly video: boolean;
  readonly audio: boolean;
  readonly layout: RingLayout;
}

export interface ReconfigureRequest {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  readonly layout: RingLayout;
}

export interface OpenAnswer {
  readonly audio: boolean;
  readonly matrix: 'bt601' | 'bt709';
}

/** Page to its worker. */
export type WorkerRequest =
  | { readonly type: 'open'; readonly layout: RingLayout; readonly width: number; readonly height: number }
  | { readonly type: 'video'; readonly frames: ReadableStream<VideoFrame> }
  | { readonly type: 'audio'; readonly chunks: ReadableStream<AudioData> }
  | { readonly type: 'pause' }
  /** After a pause. */
  | { readonly type: 'resize'; readonly layout: RingLayout; readonly width: number; readonly height: number };

/** Worker to its page. */
export type WorkerReport =
  | { readonly type: 'ready' }
  | { readonly type: 'resized' }
  | { readonly type: 'failed'; readonly message: string };
