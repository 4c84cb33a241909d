import type { StreamTokenScope } from './stream-tokens.js';

/** Every route that a stream token can open, and the scope that it needs. What is not here no token opens. */
const SCOPES: Readonly<Record<string, StreamTokenScope>> = {
  'GET /:streamId': 'state',
  'GET /:streamId/diagnostics': 'state',
  'GET /:streamId/sse': 'sse',
  'POST /:streamId/signal': 'signal',
  'GET /:streamId/snapshot': 'snapshot',
  'GET /:streamId/whep': 'whep',
  'POST /:streamId/whep': 'whep',
  'GET /:streamId/whep/:playerId': 'whep',
  'PATCH /:streamId/whep/:playerId': 'whep',
  'DELETE /:streamId/whep/:playerId': 'whep',
  'GET /:streamId/hls/index.m3u8': 'hls',
  'GET /:streamId/hls/:file': 'hls',
  'GET /:streamId/recordings': 'recordings',
  'GET /:streamId/recordings/:recordingId': 'recordings',
  'GET /:streamId/recordings/:recordingId/file': 'recordings',
};

/** @param path - of the route, with its segments that have a colon. */
export function scopeOf(method: string, path: string): StreamTokenScope | undefined {
  const route = `${method} ${path}`;
  return Object.hasOwn(SCOPES, route) ? SCOPES[route] : undefined;
}
