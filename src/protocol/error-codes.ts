/**
 * Every error code that a client or a caller can see, with its HTTP status. Codes are stable: clients switch on them, so
 * one is never renamed.
 */
export const ERROR_STATUS = {
  bad_option: 500,
  bad_request: 400,
  bad_target_url: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  no_such_session: 404,
  no_such_viewer: 404,
  no_such_recording: 404,
  method_not_allowed: 405,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  unprocessable: 422,
  upgrade_required: 426,
  precondition_required: 428,
  at_capacity: 429,
  unavailable: 503,
  internal: 500,
  browser_not_found: 500,
  browser_crashed: 500,
  browser_hung: 500,
  gpu_hung: 500,
  capture_stalled: 500,
  sound_lost: 500,
  out_of_memory: 500,
  page_misbehaved: 500,
  capture_failed: 500,
  encoder_failed: 500,
  recording_failed: 500,
  terminal_failed: 500,
  disk_full: 507,
  limit_reached: 507,
  budget_exceeded: 507,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;
