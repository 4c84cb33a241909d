export { connectStream, StreamConnection, type ConnectStreamOptions } from './stream-connection.js';
export type { ConnectionStatus, StateChange, StreamEvents, ViewerRole } from './stream-events.js';
export type { SessionMetadata, SessionStatus, StreamSessionState, VideoMetadata } from './session-state.js';
export type { CreateSessionRequest, RenderOptions, RequestHeaders } from './signaling.js';
export { StreamError, type ClientErrorCode } from './stream-error.js';
export type { StreamStats } from './stream-stats.js';
export { StateStore, type PatchOperation } from './state-store.js';
export { readEventStream, SseParser, type SseEvent, type SseListener } from './sse-reader.js';
