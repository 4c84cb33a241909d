export type { CaptureKind } from './capture/capture.js';
export type { VideoCodec } from './encode/encoded-frame.js';
export type { ErrorCode } from './errors.js';
export { StreamKitError } from './errors.js';
export type { Logger } from './logger.js';
export type { IceServerOption, RequestValidation, StreamKitOptions, Viewport } from './options.js';
export type { SessionChange, StreamKitRouter } from './router.js';
export { createStreamKitRouter } from './router.js';
export type {
  SessionMetadata,
  StreamSessionState,
  StreamSessionStatus,
  VideoMetadata,
} from './session/session-state.js';
