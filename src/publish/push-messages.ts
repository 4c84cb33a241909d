export interface PushThreadData {
  /** As FFmpeg takes it. A secret. */
  readonly url: string;
  readonly container: 'flv' | 'mpegts';
  readonly hasAudio: boolean;
}

/** What the thread that pushes reports. `takenBytes`: bytes of packets since the start that do not wait for the server. */
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
