export type {
  CallerLimits,
  CorsOptions,
  RateLimitOptions,
  RequestValidation,
  StreamTokenOptions,
} from './options/access-options.js';
export type { CaptureKind } from './render/capture/capture.js';
export type { ControlOptions, ControlPolicy, ControlRequest } from './options/control-options.js';
export type { VideoCodec } from './render/encode/encoded-frame.js';
export type { ErrorCode } from './base/errors.js';
export { StreamKitError } from './base/errors.js';
export type { FastifyPlugin } from './http/fastify-adapter.js';
export type { FetchConnection, FetchHandler } from './http/fetch-adapter.js';
export type { KoaMiddleware } from './http/koa-adapter.js';
export type { NodeHandler } from './http/node-adapter.js';
export type { StreamTokenRequest } from './options/stream-token-request.js';
export type { CallerRole, ViewerRole } from './protocol/rights.js';
export type { StreamTokenScope } from './protocol/token-scopes.js';
export type {
  IceServerEntry,
  IceServerOption,
  IceServersContext,
  IceServersHook,
} from './options/ice-server-options.js';
export type { Logger } from './base/logger.js';
export type { WebhookEvent, WebhookOptions } from './options/webhook-options.js';
export type { HealthOptions, MetricsOptions, OpenApiOptions } from './options/observability-options.js';
export type { HealthChecks, RouterHealth } from './protocol/health.js';
export type { DiagnosticsChannelName, DiagnosticsChannels } from './observe/session-channels.js';
export type { StreamKitOptions, Viewport } from './options/stream-kit-options.js';
export type { StreamKitWebOptions } from './options/stream-kit-web-options.js';
export type { PoolOptions } from './options/pool-options.js';
export type { ProfileDirectoryOptions } from './options/profile-options.js';
export type { ProfileInfo, ProfileRequest, SessionProfile } from './protocol/profiles.js';
export type { StorageState } from './protocol/storage-state.js';
export type { ProfileOwner, StreamKitProfiles } from './session/stream-kit-profiles.js';
export type { HlsOptions, RecordingOptions } from './options/recording-options.js';
export type { TargetPolicyOptions } from './options/target-policy-options.js';
export type { TerminalAttachOptions, TerminalOptions } from './options/terminal-options.js';
export type { RecordedFile, RecordingError } from './protocol/recordings.js';
export type { PublicationError, PublicationInfo, PublicationRequest } from './protocol/publications.js';
export type { PublicationOptions } from './options/publication-options.js';
export type {
  OverflowOptions,
  OverflowPlayHook,
  OverflowPublishHook,
  OverflowSession,
  OverflowViewer,
  OverflowWhenOptions,
} from './options/overflow-options.js';
export type { MediaSource, MediaSourceKind } from './protocol/media-source.js';
export type { SessionPublication } from './session/session-publication.js';
export type { RecordingInfo } from './protocol/recordings.js';
export type { RecordingStatus } from './recording/recording.js';
export type { FrameStages, StageTime } from './protocol/session-diagnostics.js';
export type { EncodingDiagnostics } from './protocol/session-diagnostics.js';
export type {
  ConsumerDiagnostics,
  SessionDiagnostics,
  ViewerDiagnostics,
} from './protocol/session-diagnostics.js';
export type { DrainRequest } from './protocol/drain-request.js';
export type { ViewerBounds, ViewerBoundsChange } from './protocol/viewer-bounds.js';
export type { SessionChange, SessionRenderOptions, VideoCodecChoice } from './protocol/session-requests.js';
export type { StreamKitRouter } from './http/stream-kit-router.js';
export { createStreamKitRouter } from './router.js';
export type { StreamKitEvent } from './session/session-event-stream.js';
export type { StreamKitSessionEventName, StreamKitSessionEvents } from './session/session-emitter.js';
export type { ProgramControl } from './session/program-control.js';
export type { SessionRecording } from './session/session-recording.js';
export type { SessionViewer } from './session/session-viewer.js';
export type {
  SessionEndRequest,
  StreamKitSession,
  ViewUrlRequest,
  WaitOptions,
} from './session/stream-kit-session.js';
export type { StreamKitSessionRequest } from './protocol/session-requests.js';
export type { SessionFilter, SessionOwner, StreamKitSessions } from './session/stream-kit-sessions.js';
export type { SessionBudgetOptions } from './options/session-budget-option.js';
export type { SessionBudget, SessionUsage } from './protocol/session-usage.js';
export type { SessionEndReason } from './session/session-events.js';
export type { RecordingRequest } from './protocol/recordings.js';
export type { RecordingWithPaths } from './session/session-recordings.js';
export type {
  RecordingState,
  SessionMetadata,
  StreamSessionState,
  StreamSessionStatus,
  TerminalMetadata,
  VideoMetadata,
} from './protocol/state-document.js';
export type { TurnCredentials, TurnRestParameters } from './options/turn-rest.js';
export { turnRestCredentials } from './options/turn-rest.js';
