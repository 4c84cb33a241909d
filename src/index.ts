export type {
  CallerLimits,
  CorsOptions,
  RateLimitOptions,
  RequestValidation,
  StreamTokenOptions,
  ViewerRole,
} from './access-options.js';
export type { CaptureKind } from './capture/capture.js';
export type { ControlOptions, ControlPolicy, ControlRequest } from './control-options.js';
export type { VideoCodec } from './encode/encoded-frame.js';
export type { ErrorCode } from './errors.js';
export { StreamKitError } from './errors.js';
export type { FastifyPlugin } from './http/fastify-adapter.js';
export type { FetchConnection, FetchHandler } from './http/fetch-adapter.js';
export type { KoaMiddleware } from './http/koa-adapter.js';
export type { NodeHandler } from './http/node-adapter.js';
export type { StreamTokenRequest, StreamTokenScope } from './http/stream-tokens.js';
export type {
  IceServerEntry,
  IceServerOption,
  IceServersContext,
  IceServersHook,
} from './ice-server-options.js';
export type { Logger } from './logger.js';
export type { HealthOptions, MetricsOptions } from './observability-options.js';
export type { HealthChecks, RouterHealth } from './observe/router-health.js';
export type { DiagnosticsChannelName, DiagnosticsChannels } from './observe/session-channels.js';
export type { StreamKitOptions, Viewport } from './options.js';
export type { HlsOptions, RecordingOptions } from './recording-options.js';
export type { TargetPolicyOptions } from './target-policy.js';
export type { TerminalAttachOptions, TerminalOptions } from './terminal-options.js';
export type { RecordedFile, RecordingError } from './recording/recording-messages.js';
export type { RecordingInfo, RecordingStatus } from './recording/recording.js';
export type { FrameStages, StageTime } from './encode/frame-timing.js';
export type { EncodingDiagnostics } from './session/encoding-figures.js';
export type {
  ConsumerDiagnostics,
  SessionDiagnostics,
  ViewerDiagnostics,
} from './session/session-diagnostics.js';
export type { SessionChange, StreamKitRouter } from './router.js';
export { createStreamKitRouter } from './router.js';
export type { SessionEndReason } from './session/session-events.js';
export type { RecordingRequest, RecordingWithPaths } from './session/session-recordings.js';
export type {
  RecordingState,
  SessionMetadata,
  StreamSessionState,
  StreamSessionStatus,
  TerminalMetadata,
  VideoMetadata,
} from './session/session-state.js';
export type { TurnCredentials, TurnRestParameters } from './turn-rest.js';
export { turnRestCredentials } from './turn-rest.js';
