export { connectStream } from './connect-stream.js';
export { controlStream } from './control-stream.js';
export { StreamConnection } from './stream-connection.js';
export type { InputControl, InputControlOptions, PressType } from './input-control.js';
export type { ConnectStreamOptions } from './stream-options.js';
export type {
  ConnectionStatus,
  MediaTransportName,
  StateChange,
  StreamEvents,
  ViewerRole,
} from './stream-events.js';
export type { BlockedPlayback } from './playback.js';
export type { SessionMetadata, SessionStatus, StreamSessionState, VideoMetadata } from './session-state.js';
export type { CreateSessionRequest, RenderOptions, RequestHeaders } from './signaling.js';
export { StreamError, type ClientErrorCode } from './stream-error.js';
export type { RecentStats, StreamStats } from './stream-stats.js';
export type { CandidatePaths } from './candidate-paths.js';
export type { ClientReport } from './client-report.js';
export type { IceServerFailure, PeerReport } from './peer-report.js';
export type {
  ConsumerDiagnostics,
  EncodingDiagnostics,
  ServerDiagnostics,
  StageTime,
  ViewerDiagnostics,
} from './server-diagnostics.js';
export { StateStore, type PatchOperation } from './state-store.js';
export { readEventStream, SseParser, type SseEvent, type SseListener } from './sse-reader.js';
export { diagnose } from './diagnose.js';
export type { Finding, FindingCode } from './finding.js';
export {
  stageLatency,
  type LatencyStage,
  type LatencyStageName,
  type StageLatency,
} from './stage-latency.js';
