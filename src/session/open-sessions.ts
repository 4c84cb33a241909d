import type { MachineLoad } from '../base/machine-load.js';
import type { ResolvedOptions } from '../options/stream-kit-options.js';
import type { StreamTokenRequest } from '../options/stream-token-request.js';
import type { Overflow } from '../overflow/open-overflow.js';
import type { ProfileStore } from '../profiles/profile-store.js';
import type { RecordingRoom } from '../recording/open-recording.js';
import type { Spare, WarmPool } from '../render/warm-pool.js';
import { Admission } from './admission.js';
import { applicationCaller, type Caller } from './caller.js';
import { CpuRoom } from './cpu-room.js';
import type { FindIceServers } from './event-stream-link.js';
import { errorReporter, type ReportError } from './error-reporter.js';
import { IceServerSource } from './ice-server-source.js';
import { newSessionCounters, type SessionCounters } from './session-counters.js';
import { SessionObservers } from './session-observers.js';
import type { ServerFeatures } from './placement.js';
import { poolRoom } from './pool-room.js';
import type { SessionParts, SessionSettings } from './session-parts.js';
import { SessionPlaylists } from './session-playlists.js';
import { SessionRecordings } from './session-recordings.js';
import { SessionRegistry } from './session-registry.js';
import { SessionTransfers } from './session-transfers.js';
import { StreamKitProfiles } from './stream-kit-profiles.js';
import { StreamKitSessions } from './stream-kit-sessions.js';

/** The options of the room. */
export type SessionsOptions = Omit<SessionSettings, 'maxRungs'> &
  Pick<
    ResolvedOptions,
    | 'cluster'
    | 'defaultViewport'
    | 'iceServers'
    | 'logger'
    | 'maxRungs'
    | 'maxSessions'
    | 'onError'
    | 'targetPolicy'
    | 'terminal'
    | 'videoCodecs'
  >;

/** What the rooms below bring in: what sessions are made of, and the machine that carries them. */
export interface RouterParts extends Omit<
  SessionParts,
  'counters' | 'cpuRoom' | 'findIceServers' | 'observe' | 'overflow' | 'terminals'
> {
  readonly machine: MachineLoad;
  /** Whether pages are drawn on a GPU, as far as it is known. Default: they are not. */
  readonly drawsOnGpu?: () => boolean;
  /** Browsers that are kept ready; begun here. Default: none. */
  readonly pool?: Pick<WarmPool<Spare>, 'begin' | 'counts'> | undefined;
}

export interface SessionsParts extends RouterParts, Pick<SessionParts, 'terminals'> {
  readonly recording: RecordingRoom;
  /** Undefined: there is no option `profileDirectory`. */
  readonly profiles: ProfileStore | undefined;
  readonly createToken: (request: StreamTokenRequest) => string;
  /** @param readSentBytes - media bytes that were ever sent to viewers. */
  readonly openOverflow: (readSentBytes: () => number) => Overflow | undefined;
}

/** All sessions of a router, and what goes with them. */
export interface SessionRoom {
  readonly registry: SessionRegistry;
  readonly sessions: StreamKitSessions;
  readonly profiles: StreamKitProfiles;
  /** Undefined: nothing is recorded. */
  readonly recordings: SessionRecordings | undefined;
  /** Undefined: there are no playlists. */
  readonly playlists: SessionPlaylists | undefined;
  readonly iceServers: IceServerSource;
  readonly transfers: SessionTransfers;
  readonly counters: SessionCounters;
  readonly observers: SessionObservers;
  /** What this server has now. */
  readonly features: () => ServerFeatures;
  /** Most sessions at once. */
  readonly maxSessions: number;
  readonly reportError: ReportError;
  /** Who has created a session, also one that is gone but was recorded; undefined where nobody knows. */
  readonly creatorOf: (streamId: string) => Caller | undefined;
}

/** Most encodings at a time with `maxRungs: 'auto'`, while there is the CPU time for them. */
const MAX_RUNGS = 3;

export function openSessions(options: SessionsOptions, given: SessionsParts): SessionRoom {
  const { recording, profiles, createToken, openOverflow, pool, drawsOnGpu, ...partsGiven } = given;
  const { clock, machine } = given;
  const { logger, defaultViewport: viewport, maxBitrateBps, videoCodecs, targetPolicy, terminal } = options;
  const hasAutoRungs = options.maxRungs === 'auto';
  const maxRungs = options.maxRungs === 'auto' ? MAX_RUNGS : options.maxRungs;
  const counters = newSessionCounters();
  const reportError = errorReporter(options);
  const observers = new SessionObservers((name, event) => sessions.observe(name, event), logger);
  const { observe } = observers;
  const admission = new Admission({
    ...{ maxSessions: options.maxSessions, machine, clock },
    spares: pool && (() => pool.counts.ready),
  });
  const cpuRoom = hasAutoRungs ? new CpuRoom(machine, clock) : undefined;
  const iceServers = new IceServerSource(options.iceServers, clock, logger);
  const overflow = openOverflow(() => {
    const sent = counters.viewers.read();
    return sent['video.bytesSent'] + sent['audio.bytesSent'];
  });
  const findIceServers = (streamId: string): FindIceServers =>
    iceServers.finder(streamId, applicationCaller(undefined));
  const registry = new SessionRegistry({
    parts: { ...partsGiven, counters, observe, cpuRoom, overflow, findIceServers },
    settings: { ...options, maxRungs },
    admission,
    onSessionError: (error, streamId, { context }) => reportError(error, streamId, context),
  });
  const { store, openHls } = recording;
  const recordings = store && new SessionRecordings(registry, store, observe);
  const playlists = openHls && new SessionPlaylists(registry, openHls);
  const defaults = { viewport, maxBitrateBps, videoCodecs };
  const region = options.cluster?.region;
  const features = (): ServerFeatures => ({ region, gpu: drawsOnGpu?.() ?? false });
  const sessions: StreamKitSessions = new StreamKitSessions({
    ...{ registry, profiles, recordings, iceServers, targetPolicy, terminal, createToken, features, logger },
    defaults,
  });
  pool?.begin(poolRoom(admission, () => registry.pagesLeft));
  return {
    ...{ registry, sessions, recordings, playlists, counters, observers, features, reportError },
    profiles: new StreamKitProfiles(profiles),
    iceServers,
    transfers: new SessionTransfers({
      ...{ registry, recordings, profiles, iceServers, defaults, targetPolicy, features, clock, logger },
    }),
    maxSessions: admission.maxSessions,
    creatorOf: (streamId) => registry.creatorOf(streamId) ?? recordings?.creatorOf(streamId),
  };
}
