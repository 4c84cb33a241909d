import type { Right } from './rights.js';
import type { StreamTokenScope } from './token-scopes.js';

export type RouteMethod = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** One route: a method at a path. HEAD is answered where GET is, OPTIONS at every path. */
export interface RouteDefinition {
  readonly method: RouteMethod;
  /** Below the mount point and `basePath`. A segment that begins with a colon stands for any one segment. */
  readonly path: string;
  /** What its caller needs. */
  readonly right: Right;
  /** Scope of the stream tokens that open it; null: no stream token does. */
  readonly scope: StreamTokenScope | null;
  /** Statuses of its answers when all is well; 101: of the upgrade to WebSocket. */
  readonly statuses: readonly number[];
  /** Media type of the request body. */
  readonly body?: string;
  /** The path is the default of an option, such as `metrics.path`. */
  readonly configurable?: true;
  /** Headers that OPTIONS answers at this path besides `Allow`. */
  readonly optionsHeaders?: Readonly<Record<string, string>>;
}

const JSON_TYPE = 'application/json';
export const SDP_TYPE = 'application/sdp';
export const SDP_FRAGMENT_TYPE = 'application/trickle-ice-sdpfrag';
/** What a page of another origin could not read otherwise. */
export const EXPOSED_HEADERS = { 'Access-Control-Expose-Headers': 'Location, ETag, Link' } as const;

/**
 * Every route of the server, by name. The router serves exactly these, checks the right of each before its handler runs,
 * and takes the scopes of stream tokens from here.
 */
export const ROUTES = {
  listSessions: { method: 'GET', path: '/', right: 'watch', scope: null, statuses: [200] },
  createSession: {
    method: 'POST',
    path: '/',
    right: 'create',
    scope: null,
    statuses: [200, 201],
    body: JSON_TYPE,
  },
  readState: { method: 'GET', path: '/:streamId', right: 'watch', scope: 'state', statuses: [200] },
  reconfigureSession: {
    method: 'PATCH',
    path: '/:streamId',
    right: 'own',
    scope: null,
    statuses: [200],
    body: JSON_TYPE,
  },
  endSession: { method: 'DELETE', path: '/:streamId', right: 'own', scope: null, statuses: [204] },
  restartSession: { method: 'POST', path: '/:streamId/restart', right: 'own', scope: null, statuses: [202] },
  readDiagnostics: {
    method: 'GET',
    path: '/:streamId/diagnostics',
    right: 'watch',
    scope: 'state',
    statuses: [200],
  },
  openEventStream: { method: 'GET', path: '/:streamId/sse', right: 'watch', scope: 'sse', statuses: [200] },
  sendSignal: {
    method: 'POST',
    path: '/:streamId/signal',
    right: 'watch',
    scope: 'signal',
    statuses: [204],
    body: JSON_TYPE,
  },
  openStream: { method: 'GET', path: '/:streamId/stream', right: 'watch', scope: 'stream', statuses: [101] },
  readView: { method: 'GET', path: '/:streamId/view', right: 'watch', scope: 'sse', statuses: [200] },
  readViewFile: { method: 'GET', path: '/view/:file', right: 'none', scope: null, statuses: [200] },
  openDebugger: { method: 'GET', path: '/:streamId/cdp', right: 'own', scope: 'cdp', statuses: [101] },
  takeSnapshot: {
    method: 'GET',
    path: '/:streamId/snapshot',
    right: 'watch',
    scope: 'snapshot',
    statuses: [200],
  },
  probePlayers: { method: 'GET', path: '/:streamId/whep', right: 'watch', scope: 'whep', statuses: [204] },
  createPlayer: {
    method: 'POST',
    path: '/:streamId/whep',
    right: 'watch',
    scope: 'whep',
    statuses: [201],
    body: SDP_TYPE,
    optionsHeaders: { 'Accept-Post': SDP_TYPE, ...EXPOSED_HEADERS },
  },
  probePlayer: {
    method: 'GET',
    path: '/:streamId/whep/:playerId',
    right: 'watch',
    scope: 'whep',
    statuses: [204],
  },
  patchPlayer: {
    method: 'PATCH',
    path: '/:streamId/whep/:playerId',
    right: 'watch',
    scope: 'whep',
    statuses: [200, 204],
    body: SDP_FRAGMENT_TYPE,
    optionsHeaders: { 'Accept-Patch': SDP_FRAGMENT_TYPE, ...EXPOSED_HEADERS },
  },
  endPlayer: {
    method: 'DELETE',
    path: '/:streamId/whep/:playerId',
    right: 'watch',
    scope: 'whep',
    statuses: [200],
  },
  readPlaylist: {
    method: 'GET',
    path: '/:streamId/hls/index.m3u8',
    right: 'watch',
    scope: 'hls',
    statuses: [200],
  },
  readPlaylistFile: {
    method: 'GET',
    path: '/:streamId/hls/:file',
    right: 'watch',
    scope: 'hls',
    statuses: [200],
  },
  listRecordings: {
    method: 'GET',
    path: '/:streamId/recordings',
    right: 'watch',
    scope: 'recordings',
    statuses: [200],
  },
  startRecording: {
    method: 'POST',
    path: '/:streamId/recordings',
    right: 'own',
    scope: null,
    statuses: [201],
    body: JSON_TYPE,
  },
  readRecording: {
    method: 'GET',
    path: '/:streamId/recordings/:recordingId',
    right: 'watch',
    scope: 'recordings',
    statuses: [200],
  },
  stopRecording: {
    method: 'DELETE',
    path: '/:streamId/recordings/:recordingId',
    right: 'own',
    scope: null,
    statuses: [200],
  },
  readRecordingFile: {
    method: 'GET',
    path: '/:streamId/recordings/:recordingId/file',
    right: 'watch',
    scope: 'recordings',
    statuses: [200, 206, 416],
  },
  deleteRecordingFile: {
    method: 'DELETE',
    path: '/:streamId/recordings/:recordingId/file',
    right: 'own',
    scope: null,
    statuses: [204],
  },
  readMetrics: {
    method: 'GET',
    path: '/metrics',
    right: 'operate',
    scope: null,
    statuses: [200],
    configurable: true,
  },
  drain: { method: 'POST', path: '/admin/drain', right: 'operate', scope: null, statuses: [202] },
  readHealth: {
    method: 'GET',
    path: '/healthz',
    right: 'none',
    scope: null,
    statuses: [200, 503],
    configurable: true,
  },
  readReadiness: {
    method: 'GET',
    path: '/healthz/ready',
    right: 'none',
    scope: null,
    statuses: [200, 503],
    configurable: true,
  },
} as const satisfies Record<string, RouteDefinition>;

export type RouteName = keyof typeof ROUTES;
/** Those whose path an option sets. */
export type ConfigurableRoute = {
  [Name in RouteName]: (typeof ROUTES)[Name] extends { configurable: true } ? Name : never;
}[RouteName];
