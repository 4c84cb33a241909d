import type { AdminReport } from './admin.js';
import type { DrainRequest } from './drain-request.js';
import type { RouterHealth } from './health.js';
import type { MoveAnswer } from './move-answer.js';
import type { ProfileInfo } from './profiles.js';
import type { PublicationInfo, PublicationRequest } from './publications.js';
import type { RecordingInfo, RecordingRequest } from './recordings.js';
import type { RouteName } from './routes.js';
import type { SessionDiagnostics } from './session-diagnostics.js';
import type { SessionFile } from './session-file.js';
import type {
  CreatedSession,
  SessionChange,
  SessionSummary,
  StreamKitSessionRequest,
} from './session-requests.js';
import type { EndedSession } from './session-usage.js';
import type { SignalRequest } from './signals.js';
import type { StorageState } from './storage-state.js';
import type { StreamSessionState } from './state-document.js';
import type { ViewerBounds, ViewerBoundsChange } from './viewer-bounds.js';
import type {
  StreamKitWebEnded,
  StreamKitWebInput,
  StreamKitWebReceived,
  StreamKitWebRequest,
  StreamKitWebSession,
  StreamKitWebUpdate,
  StreamKitWebUpdated,
} from './stream-kit-web.js';

/** A body that is no JSON, of one of these media types. */
export interface Content<MediaType extends string> {
  readonly mediaType: MediaType;
}

/** An answer without a body. */
export type NoBody = undefined;

/** What goes into one route, and what comes out when all is well. */
interface RouteBody {
  /** Absent: it takes no body. With `undefined`: it may be left out. */
  readonly request?: unknown;
  /** By status; 101: of the upgrade to WebSocket. */
  readonly answers: Readonly<Record<number, unknown>>;
}

/** Makes it an error to forget a route. */
type EveryRoute<Bodies extends Readonly<Record<RouteName, RouteBody>>> = Bodies;

/**
 * The bodies of every route, by its name: JSON of these types, unless they are {@link Content}. The OpenAPI document takes
 * them from here.
 */
export type RouteBodies = EveryRoute<{
  listSessions: { answers: { 200: { readonly sessions: readonly SessionSummary[] } } };
  createSession: {
    request: StreamKitSessionRequest;
    answers: { 200: Content<'text/event-stream'>; 201: CreatedSession };
  };
  listProfiles: { answers: { 200: { readonly profiles: readonly ProfileInfo[] } } };
  deleteProfile: { answers: { 204: NoBody } };
  readStorageState: { answers: { 200: StorageState } };
  writeStorageState: { request: StorageState; answers: { 204: NoBody } };
  readState: { answers: { 200: StreamSessionState } };
  reconfigureSession: { request: SessionChange; answers: { 200: Required<SessionChange> } };
  endSession: { answers: { 200: EndedSession; 204: NoBody } };
  restartSession: { answers: { 202: NoBody } };
  readDiagnostics: { answers: { 200: SessionDiagnostics } };
  setViewerBounds: { request: ViewerBoundsChange; answers: { 200: ViewerBounds } };
  openEventStream: { answers: { 200: Content<'text/event-stream'> } };
  sendSignal: { request: SignalRequest; answers: { 204: NoBody } };
  openStream: { answers: { 101: NoBody } };
  readView: { answers: { 200: Content<'text/html'> } };
  readViewFile: { answers: { 200: Content<'text/javascript'> } };
  openDebugger: { answers: { 101: NoBody } };
  takeSnapshot: { answers: { 200: Content<'image/png' | 'image/jpeg'> } };
  probePlayers: { answers: { 204: NoBody } };
  createPlayer: { request: Content<'application/sdp'>; answers: { 201: Content<'application/sdp'> } };
  probePlayer: { answers: { 204: NoBody } };
  patchPlayer: {
    request: Content<'application/trickle-ice-sdpfrag'>;
    answers: { 200: Content<'application/trickle-ice-sdpfrag'>; 204: NoBody };
  };
  endPlayer: { answers: { 200: NoBody } };
  readPlaylist: { answers: { 200: Content<'application/vnd.apple.mpegurl'> } };
  readPlaylistFile: { answers: { 200: Content<'video/mp4'> } };
  listRecordings: { answers: { 200: { readonly recordings: readonly RecordingInfo[] } } };
  startRecording: { request: RecordingRequest | undefined; answers: { 201: RecordingInfo } };
  readRecording: { answers: { 200: RecordingInfo } };
  stopRecording: { answers: { 200: RecordingInfo } };
  readRecordingFile: {
    answers: { 200: Content<'video/mp4' | 'video/webm'>; 206: Content<'video/mp4' | 'video/webm'> };
  };
  deleteRecordingFile: { answers: { 204: NoBody } };
  listPublications: { answers: { 200: { readonly publications: readonly PublicationInfo[] } } };
  createPublication: { request: PublicationRequest; answers: { 201: PublicationInfo } };
  readPublication: { answers: { 200: PublicationInfo } };
  endPublication: { answers: { 204: NoBody } };
  listDownloads: { answers: { 200: { readonly files: readonly SessionFile[] } } };
  uploadFile: { request: Content<'*/*'>; answers: { 201: { readonly fileId: string } } };
  readDownload: {
    answers: { 200: Content<'application/octet-stream'>; 206: Content<'application/octet-stream'> };
  };
  createWebSession: { request: StreamKitWebRequest; answers: { 201: StreamKitWebSession } };
  updateWebSession: { request: StreamKitWebUpdate; answers: { 200: StreamKitWebUpdated } };
  endWebSession: { answers: { 200: StreamKitWebEnded } };
  sendWebInput: { request: StreamKitWebInput; answers: { 200: StreamKitWebReceived } };
  openWebSignaling: { answers: { 101: NoBody } };
  readMetrics: { answers: { 200: Content<'text/plain'> } };
  drain: { request: DrainRequest | undefined; answers: { 202: NoBody } };
  receiveSession: {
    request: Content<'application/octet-stream'>;
    answers: { 200: MoveAnswer };
  };
  readAdmin: { answers: { 200: Content<'text/html'> } };
  readAdminFile: { answers: { 200: Content<'text/javascript'> } };
  readAdminReport: { answers: { 200: AdminReport } };
  readAdminPicture: { answers: { 200: Content<'image/jpeg'> } };
  readHealth: { answers: { 200: RouterHealth; 503: RouterHealth } };
  readReadiness: { answers: { 200: RouterHealth; 503: RouterHealth } };
  readOpenApi: { answers: { 200: Readonly<Record<string, unknown>> } };
}>;
