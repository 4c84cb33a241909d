/** What a stream token can be good for. `stream` is the WebSocket of the protocol. */
export const STREAM_TOKEN_SCOPES = [
  'state',
  'sse',
  'signal',
  'snapshot',
  'whep',
  'hls',
  'recordings',
  'files',
  'stream',
  'cdp',
] as const;
export type StreamTokenScope = (typeof STREAM_TOKEN_SCOPES)[number];
