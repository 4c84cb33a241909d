import { connect } from 'node:http2';
import { once } from 'node:events';
import { Readable } from 'node:stream';

/** A `fetch` over one HTTP/2 connection without TLS, which the global one does not speak. */
export function openHttp2Fetch(origin: string): { fetch: typeof fetch; close(): void } {
  const connection = connect(origin);
  return {
    async fetch(input, init = {}) {
      const { pathname, search } = new URL(input as string);
      const stream = connection.request({
        ...(init.headers as Record<string, string> | undefined),
        ':method': init.method ?? 'GET',
        ':path': `${pathname}${search}`,
      });
      stream.on('error', () => undefined);
      init.signal?.addEventListener('abort', () => stream.close());
      stream.end(init.body ?? undefined);
      const [received] = (await once(stream, 'response')) as [Record<string, string>];
      const headers = Object.entries(received).filter(([name]) => !name.startsWith(':'));
      const status = Number(received[':status']);
      const body: unknown = status === 204 ? null : Readable.toWeb(stream);
      return new Response(body as BodyInit | null, { status, headers });
    },
    close: () => connection.destroy(),
  };
}
