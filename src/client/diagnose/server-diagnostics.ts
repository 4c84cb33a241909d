import type { CaptureKind } from '../../protocol/state-document.js';

/** Milliseconds that one stage took, of the pictures of about the last second. */
export interface StageTime {
  readonly meanMs: number;
  readonly maxMs: number;
}

/** What the server says of one encoding, shared by all viewers of its codec. */
export interface EncodingDiagnostics {
  readonly codec: string;
  readonly encoder: string;
  readonly width: number;
  readonly height: number;
  /** What the session was asked for. */
  readonly targetFrameRate: number;
  readonly targetBitrateBps: number;
  /** Measured over about the last second. */
  readonly frameRate: number;
  readonly bitrateBps: number;
  /** Share of the frame interval that encoding takes; from 1 on it does not keep up. */
  readonly load: number;
  /** Since the session began. */
  readonly frames: { readonly captured: number; readonly encoded: number; readonly dropped: number };
  /** Undefined while nothing is encoded. */
  readonly latency?: { readonly capture: StageTime; readonly encode: StageTime; readonly send: StageTime };
}

/** What the server says of one viewer; its `publicId` is public, its id is not. */
export interface ViewerDiagnostics {
  readonly publicId: string;
  /** Its event stream is open. */
  readonly attached: boolean;
  readonly media: 'none' | 'negotiating' | 'connected' | 'closed';
  readonly videoCodec: string | null;
  readonly ice: {
    readonly state: string;
    /** Types of the candidates of the pair in use, as the server sees them: `host`, `srflx`, `prflx`, `relay`. */
    readonly pair: { readonly local: string; readonly remote: string; readonly protocol: string } | null;
  } | null;
  readonly video: ConsumerDiagnostics | null;
  readonly audio: ConsumerDiagnostics | null;
}

/** Totals of one viewer's share of one encoding, and what its last receiver report said. */
export interface ConsumerDiagnostics {
  readonly packetsSent: number;
  readonly bytesSent: number;
  readonly packetsRetransmitted: number;
  readonly framesDropped: number;
  readonly nacksReceived: number;
  readonly plisReceived: number;
  readonly firsReceived: number;
  readonly packetsLost: number;
  /** 0 to 1. */
  readonly fractionLost: number;
  readonly jitterMs: number;
  /** Null before the first report. */
  readonly rttMs: number | null;
}

/** The answer to `GET /:id/diagnostics`. */
export interface ServerDiagnostics {
  readonly streamId: string;
  readonly status: string;
  readonly capture: CaptureKind | null;
  readonly mediaPlane: string;
  readonly encodings: readonly EncodingDiagnostics[];
  readonly viewers: readonly ViewerDiagnostics[];
}
