// Mounts the router in Koa.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createStreamKitRouter } from '@open-game-system/stream-kit-server';
import Koa from 'koa';
import mount from 'koa-mount';
import serve from 'koa-static';

const port = Number(process.env.PORT ?? 3001);
const client = dirname(fileURLToPath(import.meta.resolve('@open-game-system/stream-kit-server/client')));

const streamKit = createStreamKitRouter({
  basePath: '/stream',
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});
const koa = new Koa();
koa.use(streamKit.koa());
koa.use(mount('/client', serve(client)));
koa.use(serve(join(import.meta.dirname, '../page')));

const server = koa.listen(port, '127.0.0.1', () => console.log(`Open http://127.0.0.1:${port}`));
streamKit.attach(server);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    server.close();
    server.closeAllConnections();
  });
}
