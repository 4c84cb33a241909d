import type { ConnectStreamOptions } from '@open-game-system/stream-kit-server/client';

/** Options that make another session, or look for it elsewhere, when they change. */
export type SessionOptions = Pick<ConnectStreamOptions, 'url' | 'streamId' | 'create'>;
/** Options that take another viewer of the same session. Whatever is in neither is used as it is at the time. */
export type ViewerOptions = Pick<
  ConnectStreamOptions,
  'videoCodec' | 'media' | 'transport' | 'timing' | 'credentials'
>;

/** The same for equal options, whatever objects they are. */
export function sessionKey({ url, streamId, create }: SessionOptions): string {
  return JSON.stringify([url, streamId, create]);
}

/** The same for equal options. */
export function viewerKey({ videoCodec, media, transport, timing, credentials }: ViewerOptions): string {
  return JSON.stringify([videoCodec, media, transport, timing, credentials]);
}
