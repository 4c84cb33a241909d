export interface HlsThreadData {
  readonly hasAudio: boolean;
}

/** What the thread that cuts segments tells. */
export type HlsReport =
  | { readonly type: 'progress'; readonly takenBytes: number }
  /** What the segments from now on need before them; the first, and one for each change of size or encoder. */
  | { readonly type: 'init'; readonly bytes: Uint8Array }
  | {
      readonly type: 'segment';
      readonly bytes: Uint8Array;
      /** Monotonic µs. */
      readonly startUs: number;
      readonly durationUs: number;
    }
  | {
      readonly type: 'ended';
      /** What FFmpeg or the system said; undefined for an end that was asked for. */
      readonly detail: string | undefined;
    };
