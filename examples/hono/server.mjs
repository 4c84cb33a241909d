// Mounts the router in Hono, a web-standard host: a Request goes in, a Response comes out.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { serve } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { createStreamKitRouter } from '@open-game-system/stream-kit-server';
import { Hono } from 'hono';

const port = Number(process.env.PORT ?? 3001);
const client = dirname(fileURLToPath(import.meta.resolve('@open-game-system/stream-kit-server/client')));

const streamKit = createStreamKitRouter({
  basePath: '/stream',
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});
const hono = new Hono();
// A Request has no client address: @hono/node-server keeps it with the Node request.
const stream = (context) =>
  streamKit.fetch(context.req.raw, { remoteAddress: context.env.incoming.socket.remoteAddress });
hono.all('/stream', stream);
hono.all('/stream/*', stream);
hono.use(
  '/client/*',
  serveStatic({ root: client, rewriteRequestPath: (path) => path.replace('/client', '') }),
);
hono.use('/*', serveStatic({ root: join(import.meta.dirname, '../page') }));

const server = serve({ fetch: hono.fetch, port, hostname: '127.0.0.1' }, () =>
  console.log(`Open http://127.0.0.1:${port}`),
);
streamKit.attach(server);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    server.close();
    server.closeAllConnections();
  });
}
