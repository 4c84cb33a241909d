/** One picture of a screencast, as it travels to the encoding thread. */
export interface ScreencastFrame {
  readonly sequence: number;
  /** Monotonic µs of this machine. */
  readonly captureTimeUs: number;
  readonly jpeg: Uint8Array;
  /** What the thread sends back over the port to acknowledge the picture. */
  readonly sessionId: number;
}
