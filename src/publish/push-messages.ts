export interface PushThreadData {
  /** As FFmpeg takes it. A secret. */
  readonly url: string;
  readonly container: 'flv' | 'mpegts';
  readonly hasAudio: boolean;
}

/** What the thread that pushes tells. `takenBytes`: of packets, since the start; the rest is still on its way. */
export type PushReport =
  | { readonly type: 'progress'; readonly takenBytes: number }
  /** The server takes the stream. Once. */
  | { readonly type: 'live' }
  | {
      readonly type: 'ended';
      /** Undefined for an end that was asked for. */
      readonly reason: 'refused' | 'broken' | 'changed' | undefined;
      /** What FFmpeg said; for the log. */
      readonly detail: string | undefined;
    };
