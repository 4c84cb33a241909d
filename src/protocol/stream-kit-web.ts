/** `renderOptions` of stream-kit-web: wishes, which the server meets as far as it and the caller's limits permit. */
export interface StreamKitWebRenderOptions {
  /** `720p`, `1080p`, `1440p`, `4k`, or a size such as `1280x720`. */
  readonly resolution?: string;
  /** Most pictures per second. */
  readonly targetFps?: number;
  /** The bit rate, relative to the default of the server, which is `high`: 1/2, 3/4, 1 and 3/2 of it. */
  readonly quality?: 'low' | 'medium' | 'high' | 'ultra';
  /** Has no effect: latency always comes first. */
  readonly priority?: string;
  /** Has no effect. */
  readonly region?: string;
}

/** The body of `POST /session`. */
export interface StreamKitWebRequest {
  /** The page to render: http or https. */
  readonly renderUrl: string;
  readonly renderOptions?: StreamKitWebRenderOptions;
  /** What the page finds in `streamKit.initialData`: JSON, at most 256 KiB. */
  readonly initialData?: unknown;
}

/** The answer to it. */
export interface StreamKitWebSession {
  readonly sessionId: string;
  readonly status: 'initializing';
  /** Of the WebSocket for the signaling. A secret: whoever has it may join the session as the caller who created it. */
  readonly signalingUrl: string;
  /** As `RTCIceServer` of the W3C. */
  readonly iceServers: readonly unknown[];
}

/** The body of `PATCH /session/:streamId`. */
export interface StreamKitWebUpdate {
  readonly renderOptions?: StreamKitWebRenderOptions;
  /** The new state of the page, as `session.setPageState` takes it. */
  readonly sceneData?: unknown;
}

/** The answer to it. */
export interface StreamKitWebUpdated {
  readonly accepted: true;
  /** What was changed. */
  readonly applied: readonly ('renderOptions' | 'sceneData')[];
  /** The render options in force; absent if none were given. */
  readonly effective?: {
    readonly resolution: string;
    readonly targetFps: number;
    readonly maxBitrateBps: number;
  };
}

/** The body of `POST /session/:streamId/input`; the page gets all of it as a message. */
export interface StreamKitWebInput {
  readonly type: 'interaction' | 'command';
  readonly data: Readonly<Record<string, unknown>>;
}

/** The answer to it. */
export interface StreamKitWebReceived {
  readonly received: true;
  /** When it was passed on to the page, ms since the epoch. */
  readonly timestamp: number;
  /** How long that took, ms. */
  readonly latency: number;
}

/** The answer to `DELETE /session/:streamId`. */
export interface StreamKitWebEnded {
  readonly status: 'terminated';
  readonly sessionId: string;
  readonly usage: {
    /** Seconds. */
    readonly duration: number;
    /** Bytes of media. */
    readonly dataTransferred: number;
    /** Minutes. */
    readonly renderUnitTime: number;
  };
}

/** What the server sends over the signaling WebSocket. */
export type StreamKitWebServerSignal =
  | { readonly type: 'offer'; readonly sdp: { readonly type: 'offer'; readonly sdp: string } }
  | { readonly type: 'ice-candidate'; readonly candidate: object }
  | { readonly type: 'error'; readonly message: string };
