import type {
  CaptureKind,
  RenderingState,
  SessionMetadata,
  PublicationStatus,
  StreamSessionStatus,
} from './state-document.js';
import type { VideoCodec } from './video-codecs.js';
import type { RungIndex } from './video-stream.js';
import type { ViewerBounds } from './viewer-bounds.js';

/** How long one stage took, of the pictures of about the last second; ms. */
export interface StageTime {
  readonly meanMs: number;
  readonly maxMs: number;
}

/** The stages of a picture on the server, in their order. */
export interface FrameStages {
  /** From the moment the browser captured it until it was read. */
  readonly capture: StageTime;
  /** Until the encoder gave it. */
  readonly encode: StageTime;
  /** Until it was handed to the media plane, which paces it out. */
  readonly send: StageTime;
}

/** What one encoding does, which several viewers may share. */
export interface EncodingDiagnostics {
  readonly codec: VideoCodec;
  /** Which of the encodings to the codec; 3 is the one for viewers whose link carries no moving picture. */
  readonly rung: RungIndex;
  /** FFmpeg's name. */
  readonly encoder: string;
  /**
   * Why it is not the one that comes first on this machine: that has failed, or its device takes no more encodings. Absent: it
   * is.
   */
  readonly encoderReason?: string;
  readonly width: number;
  readonly height: number;
  readonly targetFrameRate: number;
  readonly targetBitrateBps: number;
  /** Measured over about the last second. */
  readonly frameRate: number;
  readonly bitrateBps: number;
  /**
   * Share of the frame interval that a picture takes from read to encoded; from 1 on the encoder does not keep up. Two
   * codecs are encoded one after the other, so that the second one's time has the first one's in it.
   */
  readonly load: number;
  /** Since the session began; captured and dropped are those of the source, which all codecs share. */
  readonly frames: { readonly captured: number; readonly encoded: number; readonly dropped: number };
  /** Absent while no picture comes. */
  readonly latency?: FrameStages;
}

/**
 * Why a viewer gets the encoding that it gets. `full`: nothing limits it. `link`: its link carries no more. `wish`: it asked
 * for no more. `bound`: the application allows it no more. `shared`: it could have more, but encoding that as well is not worth it or not allowed. `slides`: its link
 * carries no moving picture, so that it gets sound and one picture per second.
 */
export type RungReason = 'full' | 'link' | 'wish' | 'bound' | 'shared' | 'slides';

/** What encoding one viewer is sent, and why. */
export interface RungDiagnostics {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  readonly bitrateBps: number;
  readonly reason: RungReason;
  /** What its link carries, bits/s; null if that is not known. */
  readonly estimatedBitrateBps: number | null;
}

/** One viewer's share of one encoding: totals, and what its last receiver report said. */
export interface ConsumerDiagnostics {
  readonly packetsSent: number;
  readonly bytesSent: number;
  /** RTX: what the viewer asked for, second copies of it included. */
  readonly packetsRetransmitted: number;
  /** FlexFEC packets, from which a viewer that loses many restores pictures without asking. */
  readonly repairPacketsSent: number;
  /** Bytes of both. */
  readonly repairBytesSent: number;
  /** `repairBytesSent` as a share of `bytesSent`; the budget is about 0.25. 0 before anything was sent. */
  readonly repairShare: number;
  /** Frames not sent to this viewer: before its first keyframe, or dropped on overflow. */
  readonly framesDropped: number;
  readonly nacksReceived: number;
  readonly plisReceived: number;
  readonly firsReceived: number;
  /** 0 to 1, from the last receiver report: RFC 3550 section 6.4.1. */
  readonly fractionLost: number;
  readonly packetsLost: number;
  readonly jitterMs: number;
  /** Null before the first report. */
  readonly rttMs: number | null;
}

/** Where a peer's ICE stands. */
export interface PeerPath {
  readonly state: string;
  /**
   * Types of the candidates of the pair that was nominated, such as `host` and `prflx`, and how the server reaches it: `udp`,
   * `tcp` or `relay`. Null before there is one.
   */
  readonly pair: { readonly local: string; readonly remote: string; readonly protocol: string } | null;
}

/** How one viewer's media connection stands. */
export interface MediaDiagnostics {
  readonly media: 'none' | 'negotiating' | 'connected' | 'closed';
  /** Null where it has no peer. */
  readonly ice: PeerPath | null;
  readonly videoCodec: VideoCodec | null;
  /** Which encoding it gets, and why. */
  readonly rung: RungDiagnostics | null;
  readonly video: ConsumerDiagnostics | null;
  readonly audio: ConsumerDiagnostics | null;
}

/** One viewer. It is known by its public id, for its id is a secret. */
export interface ViewerDiagnostics extends MediaDiagnostics {
  /** 1 for the first viewer of the session; each with an event stream is told its own in the signal `viewer`. */
  readonly publicId: string;
  /** Its event stream or its WebSocket is open, or it is a player, which has neither. */
  readonly attached: boolean;
  /** It was sent to a media server for picture and sound (`overflow`). */
  readonly elsewhere: boolean;
  /** What it wants at most. */
  readonly wishes: ViewerBounds;
  /** What the application allows it at most; the lower counts. */
  readonly bounds: ViewerBounds;
}

/** One layer of a publication by simulcast. */
export interface LayerDiagnostics {
  /** Its name in SDP, and in its packets. */
  readonly rid: string;
  /** False while the layer below gets the same encoding, or the link carries nothing more. */
  readonly sent: boolean;
  readonly rung: RungDiagnostics;
  readonly video: ConsumerDiagnostics;
}

/** A publication in the diagnostics of its session. With layers, `rung` and `video` are those of the best that is sent. */
export interface PublicationDiagnostics extends MediaDiagnostics {
  readonly publicationId: string;
  readonly status: PublicationStatus;
  readonly attempts: number;
  /** Of a simulcast, the best first. */
  readonly layers?: readonly LayerDiagnostics[];
}

/** The answer to `GET /:streamId/diagnostics`. */
export interface SessionDiagnostics {
  readonly streamId: string;
  readonly status: StreamSessionStatus;
  /** Null until the page is captured. */
  readonly capture: CaptureKind | null;
  /** Null until it is known. */
  readonly rendering: Readonly<RenderingState> | null;
  readonly mediaPlane: SessionMetadata['mediaPlane'];
  readonly encodings: readonly EncodingDiagnostics[];
  readonly viewers: readonly ViewerDiagnostics[];
  readonly publications: readonly PublicationDiagnostics[];
}
