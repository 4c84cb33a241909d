// Over 500 lines: every option of the router is declared here.

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';

import type { LaunchOptions } from 'puppeteer';

import type { AccessOptions, ResolvedAccessOptions } from './access-options.js';
import { ACCESS_OPTION_NAMES, accessOptions } from './access-options.js';
import type { ControlOptions, ResolvedControlOptions } from './control-options.js';
import { controlOptions } from './control-options.js';
import { type ClusterOptions, clusterOptions, type ResolvedClusterOptions } from './cluster-options.js';
import { ENCODER_NAMES, ENCODER_ORDER, type EncoderName } from './encoder-names.js';
import { StreamKitError } from '../base/errors.js';
import { DEFAULT_FILES, fileOptions, type FileOptions, type ResolvedFileOptions } from './file-options.js';
import { gpuOption, type GpuOptions, type ResolvedGpuOption } from './gpu-option.js';
import type { IceServerEntry, IceServersHook, ResolvedIceServerEntry } from './ice-server-options.js';
import { iceServersOption } from './ice-server-options.js';
import type { PageOptions, ResolvedPageOptions } from './page-options.js';
import { pageOptions } from './page-options.js';
import { type PoolOptions, poolOptions, type ResolvedPoolOptions } from './pool-options.js';
import { launchOptions } from './launch-options.js';
import type { Logger } from '../base/logger.js';
import { lipSyncOption, type ResolvedLipSync } from './lip-sync-option.js';
import { loggerOption } from './logger-option.js';
import type { ObservabilityOptions, ResolvedObservabilityOptions } from './observability-options.js';
import { OBSERVABILITY_OPTION_NAMES, observabilityOptions } from './observability-options.js';
import type { OptionCheck } from './option-checks.js';
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
  refuseUnknownNames,
} from './option-checks.js';
import type {
  HlsOptions,
  RecordingOptions,
  ResolvedHlsOptions,
  ResolvedRecordingOptions,
} from './recording-options.js';
import { hlsOptions, recordingOptions } from './recording-options.js';
import {
  type ProfileDirectoryOptions,
  profileOptions,
  type ResolvedProfileOptions,
} from './profile-options.js';
import type { ResolvedSessionProcessOptions, SessionProcessOptions } from './session-process-options.js';
import { DEFAULT_SESSION_PROCESS, sessionProcessOptions } from './session-process-options.js';
import type { ResolvedRestartOptions, RestartOptions } from './restart-options.js';
import { DEFAULT_RESTART, restartOptions } from './restart-options.js';
import type { SessionBudget } from '../protocol/session-usage.js';
import { type SessionBudgetOptions, sessionBudgetOption } from './session-budget-option.js';
import type { ResolvedSessionLimits, SessionLimitOptions } from './session-limit-options.js';
import { sessionLimitOptions } from './session-limit-options.js';
import { DEFAULT_TARGET_POLICY, restricts, targetPolicyOptions } from './target-policy-options.js';
import type { TargetPolicy, TargetPolicyOptions } from './target-policy-options.js';
import { type ResolvedTerminalOptions, type TerminalOptions, terminalOptions } from './terminal-options.js';
import {
  type ResolvedStreamKitWebOptions,
  type StreamKitWebOptions,
  streamKitWebOptions,
} from './stream-kit-web-options.js';

export type { RequestValidation } from './access-options.js';

/** A size in pixels. */
export interface Viewport {
  readonly width: number;
  readonly height: number;
}

/** Options of `createStreamKitRouter`. Every one may be left out; a bad one is refused at construction. */
export interface StreamKitOptions<TEnv = unknown, TRequest = IncomingMessage>
  extends AccessOptions<TEnv, TRequest>, ObservabilityOptions {
  /** Path of the routes below the point where the router is mounted. Default `/`. */
  basePath?: string;
  /**
   * How the browser is started, in Puppeteer's terms: `executablePath`, `args`, `env`, `headless`, `timeout`,
   * `acceptInsecureCerts`, `enableExtensions` and `devtools`. Others are refused, and so are flags in `args` by which a
   * session's browser would have no profile of its own or not be driven over a pipe or, where `targetPolicy` restricts
   * anything, would let pages get past it, `--proxy-server` for one. Default none.
   */
  puppeteerLaunchOptions?: LaunchOptions;
  /** Size of the picture where a request names none, pixels, even, 64–3840 x 64–2160. Default 1920 x 1080. */
  defaultViewport?: Viewport;
  /** Least time between two patches of a session's state, ms, 10–60000. Default 100. */
  stateUpdateInterval?: number;
  /** A session with no event stream and no request for this long is ended, ms, 1–2147483647. Default 300000. */
  sessionTimeout?: number;
  /**
   * Told of every failed session and every answer of status 500, and who made the session or the request, as
   * `validateRequest` put it. What it throws is logged. Default none.
   */
  onError?: (error: Error, streamId?: string, callerContext?: Readonly<Record<string, unknown>>) => void;
  /**
   * How pictures are taken: `tab` is fast and has sound, `screencast` works where tab capture cannot,
   * `auto` takes the first of the two that works. Default `auto`.
   */
  capture?: 'auto' | 'tab' | 'screencast';
  /**
   * Whether pages are drawn on a GPU. `auto`: on one where the machine has one and Chromium works with it, which is tried
   * once for each version of browser and driver; otherwise, and with `off`, as Chromium does by itself, which is on the CPU
   * (SwiftShader). Flags in `puppeteerLaunchOptions.args` such as `--use-angle` decide in its place. Default `auto`.
   */
  gpu?: 'auto' | 'off' | GpuOptions;
  /**
   * The video encoder: `auto` takes for each codec the first that works, H.264: `h264_nvenc`, `h264_vaapi`, `h264_qsv`,
   * `libx264`; VP8: `vp8_vaapi`, `libvpx`. A name stands for its codec, and is refused at construction where it does
   * not work; `{ h264, vp8 }` names both. One that fails in mid-stream is followed by the next. Default `auto`.
   */
  encoder?: 'auto' | EncoderName | { readonly h264?: string; readonly vp8?: string };
  /**
   * The device of a hardware encoder: path of a render node (VAAPI, QSV), or number of a GPU (NVENC). Default: the first.
   */
  encoderDevice?: string;
  /**
   * An FFmpeg program, 5.1 or later, that encodes in processes of its own instead of the libraries in this process, for
   * example one with other hardware. `encoder: { h264, vp8 }` may then name any encoder that it has. Default none.
   */
  ffmpegPath?: string;
  /**
   * Most sessions at once, each with a browser of its own, 1–1000. `auto`: one page for every 0.8 cores and 512 MiB of
   * memory, whichever is fewer; and a page is refused while free CPU, as measured, would not carry it. Free memory is checked
   * in any case. Default `auto`.
   */
  maxSessions?: 'auto' | number;
  /** What one page session may use of memory, CPU and processes. Default: no limits. */
  sessionLimits?: SessionLimitOptions;
  /** What one page session may use before it ends with `budget_exceeded`. Default: no limits. */
  sessionBudget?: SessionBudgetOptions;
  /** Whether a page session comes back, and how often, after its browser crashed or hung. Default: those of `RestartOptions`. */
  restart?: RestartOptions | false;
  /** Most viewers of one session, 1–10000. Default 100. */
  maxViewersPerSession?: number;
  /**
   * Most viewers of one caller in one session, 1–10000, so that nobody holds all seats. Operators are exempt, and so are
   * clients of this machine without `validateRequest`. Default: half of
   * `maxViewersPerSession`, but at least 4.
   */
  maxViewersPerCaller?: number;
  /** Capture and encoding stop when no viewer has been connected for this long, ms, 0–2147483647. Default 5000. */
  pauseGraceMs?: number;
  /** How long a viewer that lost its event stream may come back to its connection, ms, 0–2147483647. Default 15000. */
  viewerReattachMs?: number;
  /**
   * STUN and TURN servers, for this end and for the viewers; or a function that names those of one viewer. It is called
   * when a viewer comes for media and when it restarts ICE, and has 5 s. Where it fails the viewer goes on without any,
   * which is logged. Default none.
   */
  iceServers?: readonly IceServerEntry[] | IceServersHook;
  /** Address of the interface on which media is sent and received. Default: all interfaces. */
  listenAddress?: string;
  /**
   * Public addresses of this machine behind a 1:1 NAT, offered instead of its own, of IPv4 for those of IPv4 and of IPv6
   * for those of IPv6: where none of a family is announced, none of it is offered. Default none.
   */
  announcedAddresses?: readonly string[];
  /**
   * What sends media to the viewers: `native` is the addon, many times cheaper a viewer and with one UDP port for all;
   * `werift` is JavaScript, with a UDP port for each viewer; `auto` is the addon where it is built. Default `auto`.
   */
  mediaPlane?: 'auto' | 'native' | 'werift';
  /** UDP port of all viewers' media, 0–65535; 0: the system chooses one. Needs the native media plane. Default 0. */
  udpPort?: number;
  /**
   * A viewer that joins is sent the pictures since the last keyframe in a burst, and one is encoded every few seconds so
   * that they are few; with `false` a keyframe is encoded when a viewer joins, which every viewer of the session pays
   * for. Good where viewers come all the time. Needs the native media plane. Default false.
   */
  replayOnJoin?: boolean;
  /**
   * How many sizes and bit rates of a session's picture may be encoded at a time for viewers whose links or wishes differ,
   * 1–3. A further one is encoded only while somebody needs it, and costs about as much CPU time as a picture of its size.
   * With 1, a viewer whose link carries too little gets sound and one picture per second instead. `auto`: up to 3, a
   * further one while the machine has the CPU time for it left. Default `auto`.
   */
  maxRungs?: 'auto' | number;
  /**
   * How late sound may be, ms, 0–200, before viewers hold pictures back for it, by up to 200 ms. Sound takes 60 to 85 ms
   * longer to a browser than a picture; people notice from about 125 ms on (ITU-R BT.1359-1). `'strict'`: 0, sound and
   * picture together; `true`: the default; `false`: pictures are never held back. Default: after 80 ms.
   */
  lipSync?: number | boolean | 'strict';
  /** Over the native media plane, 5 packets of sound per second instead of 50 while a page is silent (Opus DTX). Default false. */
  soundDtx?: boolean;
  /** A pino logger or the like. Default: nothing is logged. */
  logger?: Logger;
  /** How long a browser may take to start, ms, 100–600000. Default 30000. */
  launchTimeoutMs?: number;
  /** How long a page may take until something of it is painted, ms, 100–600000. Default 60000. */
  loadTimeoutMs?: number;
  /**
   * A page whose main thread does not answer for this long has hung; its session restarts or ends, ms, 5000–3600000. Long before,
   * `metadata.responsive` in the state says so. Default 60000.
   */
  hangTimeoutMs?: number;
  /**
   * Serves the Chrome DevTools Protocol of a session's page to its owner, at `GET /:id/cdp`. Whoever has it can do in the page, and
   * with its cookies and storage, whatever a program can. Default false.
   */
  cdp?: boolean;
  /** How the processes run in which pages are rendered. Default: as each of these options says. */
  sessionProcess?: SessionProcessOptions;
  /**
   * Keeps browsers ready for sessions to come, which are shown in half the time then. A session whose request names another
   * `deviceScaleFactor`, `locale` or `touch`, no sound, a profile or a proxy has its browser launched as without a pool. Spares count as
   * free: they give way to sessions. Default: none.
   */
  pool?: PoolOptions;
  /** Upper limit of one video encoding, bits/s, 100000–100000000. Default: by size and frame rate. */
  maxBitrateBps?: number;
  /**
   * What pages may reach, themselves and all that they load: by http and https. Default: the public
   * internet alone.
   */
  targetPolicy?: TargetPolicyOptions;
  /** Lets clients record sessions to files. Default: nothing is recorded. */
  recording?: RecordingOptions;
  /** Serves a live HLS playlist of each session that is encoded to H.264. Default false. */
  hls?: boolean | HlsOptions;
  /**
   * Where what pages have stored outlives their sessions, for requests with a `profile`: cookies, local storage, IndexedDB, permissions. A
   * path stands for the defaults. Default: nothing is kept.
   */
  profileDirectory?: string | ProfileDirectoryOptions;
  /** Lets clients use terminals: shells on this machine. Default: nobody may. */
  terminal?: TerminalOptions;
  /** Who may send input to a session. Default: the first viewer that may. */
  control?: ControlOptions;
  /** The world that pages find themselves in: language, time zone, headers and the like. Default: that of the machine. */
  page?: PageOptions;
  /** Files that viewers give to pages, and pages to viewers. Default: neither kind. */
  files?: FileOptions;
  /** Serves the routes and the signaling of the clients stream-kit-web and stream-kit-react, below `/session`. Default false. */
  streamKitWeb?: boolean | StreamKitWebOptions;
  /** Several servers that answer for each other's sessions. Default: this one alone. */
  cluster?: ClusterOptions;
}

/** {@link StreamKitOptions} with defaults filled in, checked and frozen. */
export interface ResolvedOptions<TEnv = unknown>
  extends ResolvedAccessOptions<TEnv>, ResolvedObservabilityOptions {
  /** Begins with a slash and ends without one; empty for the root. */
  readonly basePath: string;
  readonly puppeteerLaunchOptions: Readonly<LaunchOptions>;
  readonly defaultViewport: Viewport;
  readonly stateUpdateInterval: number;
  readonly sessionTimeout: number;
  readonly onError: StreamKitOptions['onError'] | undefined;
  readonly capture: 'auto' | 'tab' | 'screencast';
  readonly gpu: ResolvedGpuOption;
  readonly encoder: Readonly<Record<'h264' | 'vp8', string>>;
  readonly encoderDevice: string | undefined;
  readonly ffmpegPath: string | undefined;
  readonly maxSessions: number | 'auto';
  /** Undefined: none. */
  readonly sessionLimits: ResolvedSessionLimits | undefined;
  readonly sessionBudget: SessionBudget;
  readonly restart: ResolvedRestartOptions | false;
  readonly maxViewersPerSession: number;
  readonly maxViewersPerCaller: number;
  readonly pauseGraceMs: number;
  readonly viewerReattachMs: number;
  readonly iceServers: readonly ResolvedIceServerEntry[] | IceServersHook;
  readonly listenAddress: string | undefined;
  readonly announcedAddresses: readonly string[];
  readonly mediaPlane: 'auto' | 'native' | 'werift';
  readonly udpPort: number;
  readonly replayOnJoin: boolean;
  readonly maxRungs: number | 'auto';
  readonly lipSync: ResolvedLipSync;
  readonly soundDtx: boolean;
  readonly logger: Logger;
  readonly launchTimeoutMs: number;
  readonly loadTimeoutMs: number;
  readonly hangTimeoutMs: number;
  readonly cdp: boolean;
  readonly sessionProcess: ResolvedSessionProcessOptions;
  /** Undefined: none. */
  readonly pool: ResolvedPoolOptions | undefined;
  /** Undefined: by size and frame rate. */
  readonly maxBitrateBps: number | undefined;
  readonly targetPolicy: TargetPolicy;
  /** Undefined: no recordings. */
  readonly recording: ResolvedRecordingOptions | undefined;
  /** Undefined: no playlists. */
  readonly hls: ResolvedHlsOptions | undefined;
  /** Undefined: no profiles. */
  readonly profileDirectory: ResolvedProfileOptions | undefined;
  /** Undefined: no terminals. */
  readonly terminal: ResolvedTerminalOptions | undefined;
  readonly control: ResolvedControlOptions;
  readonly page: ResolvedPageOptions;
  readonly files: ResolvedFileOptions;
  /** Undefined: the routes are not served. */
  readonly streamKitWeb: ResolvedStreamKitWebOptions | undefined;
  /** Undefined: this node alone. */
  readonly cluster: ResolvedClusterOptions | undefined;
}

/** Bounds of a bitrate, wherever one is given, bits/s. */
export const BITRATE_BOUNDS_BPS = { least: 100_000, most: 100_000_000 } as const;

/** Most that `setTimeout` can wait, ms; beyond it would fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

const OPTION_NAMES: readonly (keyof StreamKitOptions)[] = [
  ...ACCESS_OPTION_NAMES,
  'basePath',
  'puppeteerLaunchOptions',
  'defaultViewport',
  'stateUpdateInterval',
  'sessionTimeout',
  'onError',
  'capture',
  'gpu',
  'encoder',
  'encoderDevice',
  'ffmpegPath',
  'maxSessions',
  'sessionLimits',
  'sessionBudget',
  'restart',
  'maxViewersPerSession',
  'maxViewersPerCaller',
  'pauseGraceMs',
  'viewerReattachMs',
  'iceServers',
  'listenAddress',
  'announcedAddresses',
  'mediaPlane',
  'udpPort',
  'replayOnJoin',
  'maxRungs',
  'lipSync',
  'soundDtx',
  'logger',
  'launchTimeoutMs',
  'loadTimeoutMs',
  'hangTimeoutMs',
  'cdp',
  'sessionProcess',
  'pool',
  'maxBitrateBps',
  'targetPolicy',
  'recording',
  'hls',
  'profileDirectory',
  'terminal',
  'control',
  'page',
  'files',
  'streamKitWeb',
  'cluster',
  ...OBSERVABILITY_OPTION_NAMES,
];

/**
 * Checks the options and fills in the defaults.
 *
 * @throws StreamKitError `bad_option` with one sentence for the first option that is wrong or unknown.
 */
export function resolveOptions<TEnv = unknown, TRequest = IncomingMessage>(
  options: StreamKitOptions<TEnv, TRequest> = {},
): ResolvedOptions<TEnv> {
  const given: unknown = options;
  if (!isPlainObject(given)) throw badOption('object', 'options', given);
  refuseUnknownNames(given, OPTION_NAMES, 'options');
  const optional = <T>(name: keyof StreamKitOptions, check: OptionCheck<T>): T | undefined =>
    given[name] === undefined ? undefined : check(given[name], name);
  const milliseconds = integerBetween(0, LONGEST_TIMER_MS);
  const targetPolicy = optional('targetPolicy', targetPolicyOptions) ?? DEFAULT_TARGET_POLICY;
  const mediaPlane = optional('mediaPlane', oneOf('auto', 'native', 'werift')) ?? 'auto';
  const iceServers = optional('iceServers', iceServersOption) ?? Object.freeze([]);
  const secrets =
    typeof iceServers === 'function' ? [] : iceServers.flatMap(({ credential }) => credential ?? []);
  const udpPort = optional('udpPort', integerBetween(0, 65_535)) ?? 0;
  if (mediaPlane === 'werift' && udpPort !== 0) {
    throw new StreamKitError(
      'bad_option',
      `Expected no udpPort because with mediaPlane werift each viewer has a UDP port of its own`,
    );
  }
  const listenAddress = optional('listenAddress', ipAddress);
  const announcedAddresses = optional('announcedAddresses', listOf(ipAddress)) ?? Object.freeze([]);
  const isReached = (address: string): boolean => isIP(address) === isIP(listenAddress ?? address);
  if (announcedAddresses.length > 0 && !announcedAddresses.some(isReached)) {
    throw new StreamKitError(
      'bad_option',
      `Expected an address of the family of listenAddress, which they stand for, in announcedAddresses`,
    );
  }

  const maxViewersPerSession = optional('maxViewersPerSession', integerBetween(1, 10_000)) ?? 100;
  const access = accessOptions<TEnv>(given);
  const terminal = optional('terminal', terminalOptions);
  if (terminal !== undefined && access.allowAnonymous) {
    throw new StreamKitError(
      'bad_option',
      'Expected no terminal beside allowAnonymous because everybody would get a shell on this machine',
    );
  }

  return Object.freeze<ResolvedOptions<TEnv>>({
    ...access,
    basePath: optional('basePath', basePath) ?? '',
    puppeteerLaunchOptions:
      optional('puppeteerLaunchOptions', launchOptions(restricts(targetPolicy))) ?? Object.freeze({}),
    defaultViewport:
      optional('defaultViewport', viewport) ?? Object.freeze<Viewport>({ width: 1920, height: 1080 }),
    stateUpdateInterval: optional('stateUpdateInterval', integerBetween(10, 60_000)) ?? 100,
    sessionTimeout: optional('sessionTimeout', integerBetween(1, LONGEST_TIMER_MS)) ?? 300_000,
    onError: optional('onError', aFunction) as ResolvedOptions<TEnv>['onError'],
    capture: optional('capture', oneOf('auto', 'tab', 'screencast')) ?? 'auto',
    gpu: optional('gpu', gpuOption) ?? 'auto',
    encoder:
      optional('encoder', encoder(given.ffmpegPath !== undefined)) ??
      Object.freeze({ h264: 'auto', vp8: 'auto' }),
    encoderDevice: optional('encoderDevice', encoderDevice),
    ffmpegPath: optional('ffmpegPath', absolutePath),
    maxSessions: optional('maxSessions', autoOr(integerBetween(1, 1000))) ?? 'auto',
    maxViewersPerSession,
    maxViewersPerCaller:
      optional('maxViewersPerCaller', integerBetween(1, 10_000)) ??
      Math.max(4, Math.ceil(maxViewersPerSession / 2)),
    sessionLimits: optional('sessionLimits', sessionLimitOptions),
    sessionBudget: optional('sessionBudget', sessionBudgetOption) ?? Object.freeze({}),
    restart: optional('restart', restartOptions) ?? DEFAULT_RESTART,
    pauseGraceMs: optional('pauseGraceMs', milliseconds) ?? 5000,
    viewerReattachMs: optional('viewerReattachMs', milliseconds) ?? 15_000,
    iceServers,
    listenAddress,
    announcedAddresses,
    mediaPlane,
    udpPort,
    replayOnJoin: optional('replayOnJoin', aBoolean) ?? false,
    maxRungs: optional('maxRungs', autoOr(integerBetween(1, 3))) ?? 'auto',
    lipSync: lipSyncOption(given.lipSync, 'lipSync'),
    soundDtx: optional('soundDtx', aBoolean) ?? false,
    logger: loggerOption(given.logger, secrets),
    launchTimeoutMs: optional('launchTimeoutMs', integerBetween(100, 600_000)) ?? 30_000,
    loadTimeoutMs: optional('loadTimeoutMs', integerBetween(100, 600_000)) ?? 60_000,
    hangTimeoutMs: optional('hangTimeoutMs', integerBetween(5000, 3_600_000)) ?? 60_000,
    cdp: optional('cdp', aBoolean) ?? false,
    sessionProcess: optional('sessionProcess', sessionProcessOptions) ?? DEFAULT_SESSION_PROCESS,
    pool: optional('pool', poolOptions),
    maxBitrateBps: optional(
      'maxBitrateBps',
      integerBetween(BITRATE_BOUNDS_BPS.least, BITRATE_BOUNDS_BPS.most),
    ),
    targetPolicy,
    recording: optional('recording', recordingOptions),
    hls: optional('hls', hlsOptions),
    profileDirectory: optional('profileDirectory', profileOptions),
    terminal,
    control: controlOptions(given.control, 'control'),
    page: pageOptions(given.page, 'page'),
    files: optional('files', fileOptions) ?? DEFAULT_FILES,
    streamKitWeb: streamKitWebOptions(given.streamKitWeb, 'streamKitWeb'),
    cluster: optional('cluster', clusterOptions),
    ...observabilityOptions(given),
  });
}

function basePath(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^\/[^?#\s]*$/.test(value) || value.includes('//')) {
    throw badOption('path that begins with a slash', name, value);
  }
  return value.endsWith('/') ? value.slice(0, -1) : value;
}

function viewport(value: unknown, name: string): Viewport {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['width', 'height'], name);
  return Object.freeze({
    width: evenIntegerBetween(64, 3840)(given.width, `${name}.width`),
    height: evenIntegerBetween(64, 2160)(given.height, `${name}.height`),
  });
}

/** @param anyName - another FFmpeg than ours may have other encoders. */
function encoder(anyName: boolean): OptionCheck<ResolvedOptions['encoder']> {
  const nameOf = (codec: 'h264' | 'vp8', value: unknown, name: string): string => {
    if (value === undefined) return 'auto';
    if (anyName && typeof value === 'string' && /^\w{1,40}$/.test(value)) return value;
    return oneOf('auto', ...ENCODER_ORDER[codec])(value, name);
  };
  return (value, name) => {
    if (isPlainObject(value)) {
      refuseUnknownNames(value, ['h264', 'vp8'], name);
      return Object.freeze({
        h264: nameOf('h264', value.h264, `${name}.h264`),
        vp8: nameOf('vp8', value.vp8, `${name}.vp8`),
      });
    }
    const named = oneOf('auto', ...ENCODER_NAMES)(value, name);
    return Object.freeze({
      h264: ENCODER_ORDER.h264.find((candidate) => candidate === named) ?? 'auto',
      vp8: ENCODER_ORDER.vp8.find((candidate) => candidate === named) ?? 'auto',
    });
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
