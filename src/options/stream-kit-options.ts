import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';

import type { LaunchOptions } from 'puppeteer';

import { StreamKitError } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/logger.js';
import { redactingLogger } from '../base/redacting-logger.js';
import type { SessionBudget } from '../protocol/session-usage.js';
import {
  ACCESS_OPTIONS,
  type AccessOptions,
  checkAnonymousAccess,
  type ResolvedAccessOptions,
} from './access-options.js';
import { type ClusterOptions, clusterOptions, type ResolvedClusterOptions } from './cluster-options.js';
import {
  type ControlOptions,
  controlOptions,
  DEFAULT_CONTROL,
  type ResolvedControlOptions,
} from './control-options.js';
import { AUTO_CODECS, byCodec, VIDEO_CODECS, type VideoCodec } from '../protocol/video-codecs.js';
import { ENCODER_NAMES, ENCODER_ORDER, type EncoderName } from './encoder-names.js';
import { DEFAULT_FILES, type FileOptions, fileOptions, type ResolvedFileOptions } from './file-options.js';
import { gpuOption, type GpuOptions, type ResolvedGpuOption } from './gpu-option.js';
import {
  type IceServerEntry,
  type IceServersHook,
  iceServersOption,
  type ResolvedIceServerEntry,
} from './ice-server-options.js';
import { launchOptions } from './launch-options.js';
import { lipSyncOption, type ResolvedLipSync } from './lip-sync-option.js';
import { loggerOption } from './logger-option.js';
import {
  checkRoutePaths,
  OBSERVABILITY_OPTIONS,
  type ObservabilityOptions,
  type ResolvedObservabilityOptions,
} from './observability-options.js';
import {
  aBoolean,
  aFunction,
  anObject,
  autoOr,
  badOption,
  evenIntegerBetween,
  integerBetween,
  ipAddress,
  isPlainObject,
  listOf,
  oneOf,
  type OptionCheck,
  refuseUnknownNames,
} from './option-checks.js';
import {
  option,
  type OptionsOf,
  required,
  type ResolvedOptionsOf,
  resolveTable,
  tableCheck,
} from './option-definition.js';
import {
  checkOverflow,
  type OverflowOptions,
  overflowOptions,
  type ResolvedOverflowOptions,
} from './overflow-options.js';
import { type PageOptions, pageOptions, type ResolvedPageOptions } from './page-options.js';
import { type PoolOptions, poolOptions, type ResolvedPoolOptions } from './pool-options.js';
import {
  type ProfileDirectoryOptions,
  profileOptions,
  type ResolvedProfileOptions,
} from './profile-options.js';
import {
  type PublicationOptions,
  publicationOptions,
  type ResolvedPublicationOptions,
} from './publication-options.js';
import {
  type HlsOptions,
  hlsOptions,
  type RecordingOptions,
  recordingOptions,
  type ResolvedHlsOptions,
  type ResolvedRecordingOptions,
} from './recording-options.js';
import {
  DEFAULT_RESTART,
  type ResolvedRestartOptions,
  type RestartOptions,
  restartOptions,
} from './restart-options.js';
import { type SessionBudgetOptions, sessionBudgetOption } from './session-budget-option.js';
import {
  type ResolvedSessionLimits,
  type SessionLimitOptions,
  sessionLimitOptions,
} from './session-limit-options.js';
import {
  type ResolvedSessionProcessOptions,
  type SessionProcessOptions,
  sessionProcessOptions,
} from './session-process-options.js';
import {
  type ResolvedStreamKitWebOptions,
  type StreamKitWebOptions,
  streamKitWebOptions,
} from './stream-kit-web-options.js';
import {
  DEFAULT_TARGET_POLICY,
  restricts,
  type TargetPolicy,
  type TargetPolicyOptions,
  targetPolicyOptions,
} from './target-policy-options.js';
import { type ResolvedTerminalOptions, type TerminalOptions, terminalOptions } from './terminal-options.js';

export type { RequestValidation } from './access-options.js';

/** Bounds of a bitrate, wherever one is given, bits/s. */
export const BITRATE_BOUNDS_BPS = { least: 100_000, most: 100_000_000 } as const;

/** Most that `setTimeout` can wait, ms; beyond it would fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647;
const milliseconds = integerBetween(0, LONGEST_TIMER_MS);

type EncoderChoice = Readonly<Record<VideoCodec, string>>;

const VIEWPORT = {
  width: required<number>(evenIntegerBetween(64, 3840)),
  height: required<number>(evenIntegerBetween(64, 2160)),
};

/** A size in pixels. */
export interface Viewport extends Readonly<OptionsOf<typeof VIEWPORT>> {}

const ROUTER_OPTIONS = {
  /** Path of the routes below the point where the router is mounted. Default `/`. */
  basePath: option<string>(basePath, ''),
  /**
   * How the browser is started, in Puppeteer's terms: `executablePath`, `args`, `env`, `headless`, `timeout`,
   * `acceptInsecureCerts`, `enableExtensions` and `devtools`. Others are refused, and so are flags in `args` by which a
   * session's browser would have no profile of its own or not be driven over a pipe or, where `targetPolicy` restricts
   * anything, would let pages get past it, `--proxy-server` for one. Default none.
   */
  puppeteerLaunchOptions: option<LaunchOptions, Readonly<LaunchOptions>>(
    launchOptions(false),
    Object.freeze({}),
  ),
  /** Size of the picture where a request names none, pixels, even, 64–3840 x 64–2160. Default 1920 x 1080. */
  defaultViewport: option<Viewport>(tableCheck(VIEWPORT), Object.freeze({ width: 1920, height: 1080 })),
  /** Least time between two patches of a session's state, ms, 10–60000. Default 100. */
  stateUpdateInterval: option<number>(integerBetween(10, 60_000), 100),
  /** A session with no event stream and no request for this long is ended, ms, 1–2147483647. Default 300000. */
  sessionTimeout: option<number>(integerBetween(1, LONGEST_TIMER_MS), 300_000),
  /**
   * Told of every failed session and every answer of status 500, and who made the session or the request, as
   * `validateRequest` put it. What it throws is logged. Default none.
   */
  onError: option<
    (error: Error, streamId?: string, callerContext?: Readonly<Record<string, unknown>>) => void
  >(aFunction as OptionCheck<never>),
  /**
   * How pictures are taken: `tab` is fast and has sound, `screencast` works where tab capture cannot,
   * `auto` takes the first of the two that works. Default `auto`.
   */
  capture: option<'auto' | 'tab' | 'screencast'>(oneOf('auto', 'tab', 'screencast'), 'auto'),
  /**
   * Whether pages are drawn on a GPU. `auto`: on one where the machine has one and Chromium works with it, which is tried
   * once for each version of browser and driver; otherwise, and with `off`, as Chromium does by itself, which is on the CPU
   * (SwiftShader). Flags in `puppeteerLaunchOptions.args` such as `--use-angle` decide in its place. Default `auto`.
   */
  gpu: option<'auto' | 'off' | GpuOptions, ResolvedGpuOption>(gpuOption, 'auto'),
  /**
   * The video encoder: `auto` takes for each codec the first that works, H.264: `h264_nvenc`, `h264_vaapi`, `h264_qsv`,
   * `libx264`; VP8: `vp8_vaapi`, `libvpx`; VP9: `vp9_vaapi`, `vp9_qsv`, `libvpx-vp9`; AV1: `av1_nvenc`,
   * `av1_vaapi`, `av1_qsv`, `libsvtav1`; H.265: `hevc_nvenc`, `hevc_vaapi`, `hevc_qsv`, `libx265`. A name stands for its codec, and is refused at construction where it does not work; where all sessions of its device are taken it is tried again later; `{ h264, vp8 }` names one per codec. One that fails in mid-stream is
   * followed by the next. Default `auto`.
   */
  encoder: option<'auto' | EncoderName | Readonly<Partial<Record<VideoCodec, string>>>, EncoderChoice>(
    encoderChoice(true),
    Object.freeze(byCodec(() => 'auto')),
  ),
  /**
   * What the picture of a session may be encoded to whose request names no `videoCodec`, one at least of `h264`, `vp8`, `vp9`,
   * `av1` and `h265`. Each that is watched is encoded in the same thread, so that a viewer who asks for VP9, AV1 or H.265 in software can cost the
   * others pictures. Default `h264` and `vp8`.
   */
  videoCodecs: option<readonly VideoCodec[]>(codecList, AUTO_CODECS),
  /**
   * The device of a hardware encoder: path of a render node (VAAPI, QSV), or number of a GPU (NVENC). Default: the first.
   */
  encoderDevice: option<string>(encoderDevice),
  /**
   * An FFmpeg program, 5.1 or later, that encodes in processes of its own instead of the libraries in this process, for
   * example one with other hardware. `encoder: { h264, vp8 }` may then name any encoder that it has. Default none.
   */
  ffmpegPath: option<string>(absolutePath),
  /**
   * Most sessions at once, each with a browser of its own, 1–1000. `auto`: one page for every 0.8 cores and 512 MiB of
   * memory, whichever is fewer; and a page is refused while free CPU, as measured, would not carry it. Free memory is checked
   * in any case. Default `auto`.
   */
  maxSessions: option<'auto' | number>(autoOr(integerBetween(1, 1000)), 'auto'),
  /** What one page session may use of memory, CPU and processes. Default: no limits. */
  sessionLimits: option<SessionLimitOptions, ResolvedSessionLimits>(sessionLimitOptions),
  /** What one page session may use before it ends with `budget_exceeded`. Default: no limits. */
  sessionBudget: option<SessionBudgetOptions, SessionBudget>(sessionBudgetOption, Object.freeze({})),
  /** Whether a page session comes back, and how often, after its browser crashed or hung. Default: those of `RestartOptions`. */
  restart: option<RestartOptions | false, ResolvedRestartOptions | false>(restartOptions, DEFAULT_RESTART),
  /** Most viewers of one session, 1–10000. Default 100. */
  maxViewersPerSession: option<number>(integerBetween(1, 10_000), 100),
  /**
   * Most viewers of one caller in one session, 1–10000, so that nobody holds all seats. Operators are exempt, and so are
   * clients of this machine without `validateRequest`. Default: half of
   * `maxViewersPerSession`, but at least 4.
   */
  maxViewersPerCaller: option<number>(integerBetween(1, 10_000)),
  /** Capture and encoding stop when no viewer has been connected for this long, ms, 0–2147483647. Default 5000. */
  pauseGraceMs: option<number>(milliseconds, 5000),
  /** How long a viewer that lost its event stream may come back to its connection, ms, 0–2147483647. Default 15000. */
  viewerReattachMs: option<number>(milliseconds, 15_000),
  /**
   * STUN and TURN servers, for this end and for the viewers; or a function that names those of one viewer. It is called
   * when a viewer comes for media and when it restarts ICE, and has 5 s. Where it fails the viewer goes on without any,
   * which is logged. Default none.
   */
  iceServers: option<
    readonly IceServerEntry[] | IceServersHook,
    readonly ResolvedIceServerEntry[] | IceServersHook
  >(iceServersOption, []),
  /** Address of the interface on which media is sent and received. Default: all interfaces. */
  listenAddress: option<string>(ipAddress),
  /**
   * Public addresses of this machine behind a 1:1 NAT, offered instead of its own, of IPv4 for those of IPv4 and of IPv6
   * for those of IPv6: where none of a family is announced, none of it is offered. Default none.
   */
  announcedAddresses: option<readonly string[]>(listOf(ipAddress), []),
  /**
   * What sends media to the viewers: `native` is the addon, many times cheaper a viewer and with one UDP port for all;
   * `werift` is JavaScript, with a UDP port for each viewer; `auto` is the addon where it is built. Default `auto`.
   */
  mediaPlane: option<'auto' | 'native' | 'werift'>(oneOf('auto', 'native', 'werift'), 'auto'),
  /** UDP port of all viewers' media, 0–65535; 0: the system chooses one. Needs the native media plane. Default 0. */
  udpPort: option<number>(integerBetween(0, 65_535), 0),
  /**
   * TCP port of the media of viewers whose network lets no UDP through (ICE-TCP), 1–65535; it may have the same number as
   * `udpPort`, but not as the port of HTTP. Needs the native media plane and Linux. Default: none.
   */
  tcpPort: option<number>(integerBetween(1, 65_535)),
  /**
   * Threads that send media, 1–16, over which the viewers are spread; with more than 1, another one receives. One thread
   * sends to some 900 viewers of 720p30. `auto`: half as many as there are cores, 1–8. Routers that share a `udpPort` share
   * the threads of the first. Needs the native media plane. Default `auto`.
   */
  mediaThreads: option<'auto' | number>(autoOr(integerBetween(1, 16)), 'auto'),
  /**
   * A viewer that joins is sent the pictures since the last keyframe in a burst, and one is encoded every few seconds so
   * that they are few; with `false` a keyframe is encoded when a viewer joins, which every viewer of the session pays
   * for. Good where viewers come all the time. Needs the native media plane. Default false.
   */
  replayOnJoin: option<boolean>(aBoolean, false),
  /**
   * How many sizes and bit rates of a session's picture may be encoded at a time for viewers whose links or wishes differ,
   * 1–3. A further one is encoded only while somebody needs it, and costs about as much CPU time as a picture of its size.
   * With 1, a viewer whose link carries too little gets sound and one picture per second instead. `auto`: up to 3, a
   * further one while the machine has the CPU time for it left. Default `auto`.
   */
  maxRungs: option<'auto' | number>(autoOr(integerBetween(1, 3)), 'auto'),
  /**
   * How late sound may be, ms, 0–200, before viewers hold pictures back for it, by up to 200 ms. Sound takes 30 to 70 ms
   * longer to a browser than a picture; people notice from about 125 ms on (ITU-R BT.1359-1). `'strict'`: 0, sound and
   * picture together; `true`: the default; `false`: pictures are never held back. Default: after 80 ms.
   */
  lipSync: option<number | boolean | 'strict', ResolvedLipSync>(
    lipSyncOption,
    lipSyncOption(true, 'lipSync'),
  ),
  /** Over the native media plane, 5 packets of sound per second instead of 50 while a page is silent (Opus DTX). Default false. */
  soundDtx: option<boolean>(aBoolean, false),
  /** A pino logger or the like. Default: nothing is logged. */
  logger: option<Logger>(loggerOption, silentLogger),
  /** How long a browser may take to start, ms, 100–600000. Default 30000. */
  launchTimeoutMs: option<number>(integerBetween(100, 600_000), 30_000),
  /** How long a page may take until something of it is painted, ms, 100–600000. Default 60000. */
  loadTimeoutMs: option<number>(integerBetween(100, 600_000), 60_000),
  /**
   * A page whose main thread does not answer for this long has hung; its session restarts or ends, ms, 5000–3600000. Long before,
   * `metadata.responsive` in the state says so. Default 60000.
   */
  hangTimeoutMs: option<number>(integerBetween(5000, 3_600_000), 60_000),
  /**
   * Serves the Chrome DevTools Protocol of a session's page to its owner, at `GET /:id/cdp`. Whoever has it can do in the page, and
   * with its cookies and storage, whatever a program can. Default false.
   */
  cdp: option<boolean>(aBoolean, false),
  /** How the processes run in which pages are rendered. Default: as each of these options says. */
  sessionProcess: option<SessionProcessOptions, ResolvedSessionProcessOptions>(
    sessionProcessOptions,
    sessionProcessOptions({}, 'sessionProcess'),
  ),
  /**
   * Keeps browsers ready for sessions to come, which are shown in half the time then. A session whose request names another
   * `deviceScaleFactor`, `locale`, `touch` or `userAgent`, a profile or a proxy has its browser launched as without a pool. Spares count
   * as free: they give way to sessions. Default: none.
   */
  pool: option<PoolOptions, ResolvedPoolOptions>(poolOptions),
  /** Upper limit of one video encoding, bits/s, 100000–100000000. Default: by size and frame rate. */
  maxBitrateBps: option<number>(integerBetween(BITRATE_BOUNDS_BPS.least, BITRATE_BOUNDS_BPS.most)),
  /**
   * What pages may reach, themselves and all that they load: by http and https. Default: the public
   * internet alone.
   */
  targetPolicy: option<TargetPolicyOptions, TargetPolicy>(targetPolicyOptions, DEFAULT_TARGET_POLICY),
  /** Lets clients record sessions to files. Default: nothing is recorded. */
  recording: option<RecordingOptions, ResolvedRecordingOptions>(recordingOptions),
  /**
   * How owners may publish their sessions to media servers by WHIP (RFC 9725), RTMP or SRT; with `false` nobody may. Default: as each of these
   * options says.
   */
  publications: option<boolean | PublicationOptions, ResolvedPublicationOptions | undefined>(
    publicationOptions,
    publicationOptions(true, 'publications'),
  ),
  /** Sends viewers beyond a bound to a media server for picture and sound. Default: all are served from here. */
  overflow: option<OverflowOptions, ResolvedOverflowOptions>(overflowOptions),
  /** Serves a live HLS playlist of each session that is encoded to H.264. Default false. */
  hls: option<boolean | HlsOptions, ResolvedHlsOptions | undefined>(hlsOptions),
  /**
   * Where what pages have stored outlives their sessions, for requests with a `profile`: cookies, local storage, IndexedDB, permissions. A
   * path stands for the defaults. Default: nothing is kept.
   */
  profileDirectory: option<string | ProfileDirectoryOptions, ResolvedProfileOptions>(profileOptions),
  /** Lets clients use terminals: shells on this machine. Default: nobody may. */
  terminal: option<TerminalOptions, ResolvedTerminalOptions | undefined>(terminalOptions),
  /** Who may send input to a session. Default: the first viewer that may. */
  control: option<ControlOptions, ResolvedControlOptions>(controlOptions, DEFAULT_CONTROL),
  /** The world that pages find themselves in: language, time zone, headers and the like. Default: that of the machine. */
  page: option<PageOptions, ResolvedPageOptions>(pageOptions, pageOptions({}, 'page')),
  /** Files that viewers give to pages, and pages to viewers. Default: neither kind. */
  files: option<FileOptions, ResolvedFileOptions>(fileOptions, DEFAULT_FILES),
  /** Serves the routes and the signaling of the clients stream-kit-web and stream-kit-react, below `/session`. Default false. */
  streamKitWeb: option<boolean | StreamKitWebOptions, ResolvedStreamKitWebOptions | undefined>(
    streamKitWebOptions,
  ),
  /** Several servers that answer for each other's sessions. Default: this one alone. */
  cluster: option<ClusterOptions, ResolvedClusterOptions>(clusterOptions),
};

/** Options of `createStreamKitRouter`. Every one may be left out; a bad one is refused at construction. */
export interface StreamKitOptions<TEnv = unknown, TRequest = IncomingMessage>
  extends AccessOptions<TEnv, TRequest>, ObservabilityOptions, OptionsOf<typeof ROUTER_OPTIONS> {}

/** {@link StreamKitOptions} with defaults filled in, checked and frozen. */
export interface ResolvedOptions<TEnv = unknown>
  extends
    ResolvedAccessOptions<TEnv>,
    ResolvedObservabilityOptions,
    ResolvedOptionsOf<typeof ROUTER_OPTIONS> {
  readonly maxViewersPerCaller: number;
}

const ALL_OPTIONS = { ...ACCESS_OPTIONS, ...OBSERVABILITY_OPTIONS, ...ROUTER_OPTIONS };

/**
 * Checks the options and fills in the defaults.
 *
 * @throws StreamKitError `bad_option` with one sentence for the first option that is wrong or unknown.
 */
export function resolveOptions<TEnv = unknown, TRequest = IncomingMessage>(
  options: StreamKitOptions<TEnv, TRequest> = {},
): ResolvedOptions<TEnv> {
  const given = anObject(options, 'options');
  const resolved = resolveTable(ALL_OPTIONS, given, 'options', '');
  checkAnonymousAccess(resolved);
  checkRoutePaths(resolved);
  checkAddresses(resolved);
  if (resolved.terminal !== undefined && resolved.allowAnonymous) {
    throw new StreamKitError(
      'bad_option',
      'Expected no terminal beside allowAnonymous because everybody would get a shell on this machine',
    );
  }
  if (restricts(resolved.targetPolicy)) {
    launchOptions(true)(resolved.puppeteerLaunchOptions, 'puppeteerLaunchOptions');
  }
  if (resolved.ffmpegPath === undefined && given.encoder !== undefined) {
    encoderChoice(false)(given.encoder, 'encoder');
  }
  const { maxViewersPerSession, maxViewersPerCaller } = resolved;
  checkOverflow(resolved.overflow, resolved.publications);
  return Object.freeze({
    ...resolved,
    maxViewersPerCaller: maxViewersPerCaller ?? Math.max(4, Math.ceil(maxViewersPerSession / 2)),
    logger: withoutSecrets(resolved),
  }) as ResolvedOptions<TEnv>;
}

/** In the order in which they are preferred, each once. */
function codecList(value: unknown, name: string): readonly VideoCodec[] {
  const given = listOf(oneOf(...VIDEO_CODECS))(value, name);
  if (given.length === 0) throw badOption('list of one codec at least', name, value);
  return Object.freeze(VIDEO_CODECS.filter((codec) => given.includes(codec)));
}

/** Options of addresses and ports that do not go together. @throws StreamKitError `bad_option`. */
function checkAddresses({
  mediaPlane,
  udpPort,
  tcpPort,
  listenAddress,
  announcedAddresses,
}: ResolvedOptionsOf<typeof ROUTER_OPTIONS>): void {
  if (mediaPlane === 'werift' && udpPort !== 0) {
    throw new StreamKitError(
      'bad_option',
      `Expected no udpPort because with mediaPlane werift each viewer has a UDP port of its own`,
    );
  }
  if (mediaPlane === 'werift' && tcpPort !== undefined) {
    throw new StreamKitError(
      'bad_option',
      `Expected no tcpPort because with mediaPlane werift media goes over UDP alone`,
    );
  }
  const isReached = (address: string): boolean => isIP(address) === isIP(listenAddress ?? address);
  if (announcedAddresses.length > 0 && !announcedAddresses.some(isReached)) {
    throw new StreamKitError(
      'bad_option',
      `Expected an address of the family of listenAddress, which they stand for, in announcedAddresses`,
    );
  }
}

/** The application's logger, behind what keeps the credentials of ICE servers out of it. */
function withoutSecrets({ logger, iceServers }: ResolvedOptionsOf<typeof ROUTER_OPTIONS>): Logger {
  if (logger === silentLogger) return logger;
  const secrets =
    typeof iceServers === 'function' ? [] : iceServers.flatMap(({ credential }) => credential ?? []);
  return redactingLogger(logger, secrets);
}

function basePath(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^\/[^?#\s]*$/.test(value) || value.includes('//')) {
    throw badOption('path that begins with a slash', name, value);
  }
  return value.endsWith('/') ? value.slice(0, -1) : value;
}

/** @param anyName - another FFmpeg than ours may have other encoders. */
function encoderChoice(anyName: boolean): OptionCheck<EncoderChoice> {
  const nameOf = (codec: VideoCodec, value: unknown, name: string): string => {
    if (value === undefined) return 'auto';
    if (anyName && typeof value === 'string' && /^\w[\w-]{0,39}$/.test(value)) return value;
    return oneOf('auto', ...ENCODER_ORDER[codec])(value, name);
  };
  return (value, name) => {
    if (isPlainObject(value)) {
      refuseUnknownNames(value, VIDEO_CODECS, name);
      return Object.freeze(byCodec((codec) => nameOf(codec, value[codec], `${name}.${codec}`)));
    }
    const named = oneOf('auto', ...ENCODER_NAMES)(value, name);
    return Object.freeze(
      byCodec((codec) => ENCODER_ORDER[codec].find((candidate) => candidate === named) ?? 'auto'),
    );
  };
}

function absolutePath(value: unknown, name: string): string {
  if (typeof value !== 'string' || !isAbsolute(value)) throw badOption('absolute path', name, value);
  return value;
}

function encoderDevice(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^(?:\d{1,3}|\/[^\0]+)$/.test(value)) {
    throw badOption('path of a device or number of a GPU', name, value);
  }
  return value;
}
