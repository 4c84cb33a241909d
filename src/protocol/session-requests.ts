import type { ProfileRequest } from './profiles.js';
import type { SessionBudget } from './session-usage.js';
import type { StreamSessionState, StreamSessionStatus } from './state-document.js';
import type { VideoCodec } from './video-codecs.js';

/** What a client may ask for the video codec of a session. */
export type VideoCodecChoice = VideoCodec | 'auto';

/** `renderOptions` as an application or a client gives them; unknown keys are ignored. */
export interface SessionRenderOptions {
  /** Such as "1280x720": even, 64–3840 x 64–2160 pixels. Default: `defaultViewport`. */
  readonly resolution?: string;
  /** Most pictures per second, 1–60. Default 30. */
  readonly frameRate?: number;
  /** Default `auto`: as each viewer can. */
  readonly videoCodec?: VideoCodecChoice;
  /** Upper limit of a video encoding, bits/s. Default: by size and frame rate. */
  readonly maxBitrateBps?: number;
  /** Device pixels per CSS pixel, 0.5–4. Default 1. */
  readonly deviceScaleFactor?: number;
  /** Whether the page's sound is streamed. Default true. */
  readonly audio?: boolean;
  /** Language of the page, as BCP 47 has it, such as `de-DE`. Default: that of the browser. */
  readonly locale?: string;
  /** IANA name of its time zone, such as `Europe/Berlin`. Default: that of the machine. */
  readonly timezone?: string;
  /** What `prefers-color-scheme` is. Default: that of the browser, which is light. */
  readonly colorScheme?: 'light' | 'dark';
  /** Whether `prefers-reduced-motion` is `reduce`. Default false. */
  readonly reducedMotion?: boolean;
  /** Whether the session is for touch: `(hover: none)` and `(pointer: coarse)`. Default false. */
  readonly touch?: boolean;
  /**
   * An HTTP proxy through which all goes that the page loads, such as `http://user:password@proxy.example:3128`. It must be one
   * that pages may reach. The server's own goes before it. Default none.
   */
  readonly upstreamProxy?: string;
}

/** What the server that renders a session must have. */
export interface PlacementRequest {
  /** That of its option `cluster.region`. Default: any, and that of the server which is asked while it has room. */
  readonly region?: string;
  /** Whether it draws pages on a GPU. Default false: it does not matter. */
  readonly gpu?: boolean;
}

/** What makes a session: the body of `POST /`, and what `sessions.create` takes. A page, or with `terminal` a terminal. */
export interface StreamKitSessionRequest {
  /** The page to render: http or https. */
  readonly targetUrl?: string;
  /** What the page finds in `streamKit.initialData`: JSON, at most 256 KiB. */
  readonly initialData?: unknown;
  readonly renderOptions?: SessionRenderOptions;
  /** What a page may use; it can lower the option `sessionBudget`. */
  readonly budget?: SessionBudget;
  /** What its page has stored in earlier sessions. Default: nothing, and nothing is kept. */
  readonly profile?: ProfileRequest;
  /** Which server of a cluster renders the page; a server that is alone must have it itself. Not for terminals. */
  readonly placement?: PlacementRequest;
  /** Needs the option `terminal`. */
  readonly terminal?: {
    readonly command?: string | readonly string[];
    readonly cols?: number;
    readonly rows?: number;
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string>>;
  };
}

/** The answer to it. */
export interface CreatedSession {
  readonly streamId: string;
  readonly initialState: StreamSessionState;
}

/** What an application or a client may ask to change of a session that runs; what is left out stays. */
export interface SessionChange {
  /** Such as "1280x720": even, 64–3840 x 64–2160 pixels. */
  readonly resolution?: string;
  /** Most pictures per second, 1–60. */
  readonly frameRate?: number;
  /** Upper limit of a video encoding, bits/s, 100000–100000000; the server's own limit holds as well. */
  readonly maxBitrateBps?: number;
}

/** What a list of sessions says of one. */
export interface SessionSummary {
  readonly streamId: string;
  readonly status: StreamSessionStatus;
  readonly kind: 'page' | 'terminal';
  readonly viewers: number;
  /** ms since the epoch; null until the launch has begun. */
  readonly createdAt: number | null;
}
