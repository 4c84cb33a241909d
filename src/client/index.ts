export { connectStream } from './connect-stream.js';
export { controlStream } from './input/control-stream.js';
export { StreamConnection } from './connection/stream-connection.js';
export type { InputControl, InputControlOptions, PressType } from './input/input-control.js';
export type { ConnectStreamOptions } from './connection/stream-options.js';
export type {
  ConnectionStatus,
  MediaTransportName,
  StateChange,
  StreamEvents,
  ViewerRole,
} from './connection/stream-events.js';
export type { BlockedPlayback } from './media/playback.js';
export type {
  SessionMetadata,
  StreamSessionStatus as SessionStatus,
  StreamSessionState,
  VideoMetadata,
} from '../protocol/state-document.js';
export type { ViewerBoundsChange } from '../protocol/viewer-bounds.js';
export type { CreateSessionRequest, RenderOptions, RequestHeaders } from './connection/signaling.js';
export { StreamError, type ClientErrorCode } from './connection/stream-error.js';
export type { RecentStats, StreamStats } from './diagnose/stream-stats.js';
export type { CandidatePaths } from './diagnose/candidate-paths.js';
export type { ClientReport } from './diagnose/client-report.js';
export type { IceServerFailure, PeerReport } from './diagnose/peer-report.js';
export type {
  ConsumerDiagnostics,
  EncodingDiagnostics,
  SessionDiagnostics as ServerDiagnostics,
  StageTime,
  ViewerDiagnostics,
} from '../protocol/session-diagnostics.js';
export { StateStore, type PatchOperation } from './connection/state-store.js';
export { readEventStream, SseParser, type SseEvent, type SseListener } from './connection/sse-reader.js';
export { diagnose } from './diagnose/diagnose.js';
export type { Finding, FindingCode } from './diagnose/finding.js';
export {
  stageLatency,
  type LatencyStage,
  type LatencyStageName,
  type StageLatency,
} from './diagnose/stage-latency.js';
