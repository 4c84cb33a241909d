import type { ConnectStreamOptions } from '@open-game-system/stream-kit-server/client';

/**
 * The options for one connection, with functions that ask for the newest ones each time.
 *
 * @param latest - those of the last render.
 * @param joined - the session that was made of `create` before; undefined: none.
 */
export function connectOptions(
  latest: { readonly current: Omit<ConnectStreamOptions, 'video'> },
  joined: string | undefined,
): ConnectStreamOptions {
  const hasToken = latest.current.token !== undefined;
  return {
    ...latest.current,
    ...(joined === undefined ? {} : { streamId: joined, create: undefined }),
    // The hook calls them.
    onState: undefined,
    onStatus: undefined,
    onError: undefined,
    headers: () => {
      const { headers = {} } = latest.current;
      return typeof headers === 'function' ? headers() : headers;
    },
    token: hasToken
      ? () => {
          const { token = '' } = latest.current;
          return typeof token === 'function' ? token() : token;
        }
      : undefined,
    fetch: (...request) => (latest.current.fetch ?? fetch)(...request),
  };
}
