import type { IceServers } from '../options/ice-server-options.js';
import type { ResolvedRestartOptions } from '../options/restart-options.js';
import type { ResolvedControlOptions } from '../options/control-options.js';
import type { ResolvedFileOptions } from '../options/file-options.js';
import type { ResolvedPageOptions } from '../options/page-options.js';
import type { Clock } from '../base/clock.js';
import type { OpenRestartableRender } from '../render/render.js';
import type { EncodedAudio, VideoCodec } from '../render/encode/encoded-frame.js';
import type { FrameTiming } from '../render/encode/frame-timing.js';
import type { MediaPlane } from '../fanout/media-plane.js';
import type { OpenRemoteControl } from '../input/remote-control.js';
import type { Logger } from '../base/logger.js';
import type { RtpPayloads } from '../render/packetize/rtp-payloads.js';
import type { VideoPayloader } from '../render/packetize/video-payloader.js';
import type { Overflow } from '../overflow/open-overflow.js';
import type { OpenAnsweringPeer, OpenViewerPeer } from '../peer/viewer-peer.js';
import type { Publishing } from '../publish/open-publishing.js';
import type { TerminalParts } from '../terminal/open-terminals.js';
import type { ObserveSession } from './session-events.js';
import type { PlanRungs } from '../fanout/rung-planner.js';
import type { SessionBudget } from '../protocol/session-usage.js';
import type { CpuMeter } from './cpu-meter.js';
import type { CpuRoom } from './cpu-room.js';
import type { SessionCounters } from './session-counters.js';

/** Makes RTP payloads of encoded sound. */
export interface AudioPayloader {
  payload(packet: EncodedAudio): RtpPayloads;
}

/** Where ids come from, so that a test can foresee them. */
export interface IdSource {
  /** A v4 UUID. */
  streamId(): string;
  /** A secret of at least 128 random bits, safe in a URL. */
  viewerId(): string;
}

/** What a session is made of; the composition root brings it in. */
export interface SessionParts {
  readonly openRender: OpenRestartableRender;
  readonly createVideoPayloader: (codec: VideoCodec) => VideoPayloader;
  readonly createAudioPayloader: () => AudioPayloader;
  readonly createFrameTiming: () => FrameTiming;
  readonly planRungs: PlanRungs;
  /** Undefined: further encodings may take as much CPU time as they need. */
  readonly cpuRoom?: CpuRoom | undefined;
  readonly mediaPlane: MediaPlane;
  readonly openViewerPeer: OpenViewerPeer;
  readonly openAnsweringPeer: OpenAnsweringPeer;
  /** Undefined: nothing is published. */
  readonly publishing?: Publishing | undefined;
  /** Undefined: all viewers get their media from here. */
  readonly overflow?: Overflow | undefined;
  /** For what is published without anybody having asked for it. Default: none. */
  readonly findIceServers?: ((streamId: string) => () => Promise<IceServers>) | undefined;
  readonly openRemoteControl: OpenRemoteControl;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ids: IdSource;
  readonly observe: ObserveSession;
  readonly counters: SessionCounters;
  readonly cpu: CpuMeter;
  /** Undefined: there are no terminals. */
  readonly terminals?: TerminalParts | undefined;
}

/** The options that concern a session, under the names and in the units of `StreamKitOptions`. */
export interface SessionSettings {
  readonly stateUpdateInterval: number;
  readonly sessionTimeout: number;
  readonly maxViewersPerSession: number;
  readonly maxViewersPerCaller: number;
  readonly pauseGraceMs: number;
  readonly viewerReattachMs: number;
  readonly launchTimeoutMs: number;
  readonly loadTimeoutMs: number;
  readonly replayOnJoin: boolean;
  /** Most encodings of a session's picture to one codec at a time, 1 to 3. */
  readonly maxRungs: number;
  readonly page: ResolvedPageOptions;
  readonly files: ResolvedFileOptions;
  readonly control: Pick<ResolvedControlOptions, 'clipboardImages'>;
  /** False: a session that breaks ends, and clients may not ask for a restart. */
  readonly restart: ResolvedRestartOptions | false;
  /** Undefined: no limit but the one by size and frame rate. */
  readonly maxBitrateBps: number | undefined;
  readonly sessionBudget: SessionBudget;
}
