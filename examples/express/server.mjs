// Mounts the router in Express and renders a page of the same application.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createStreamKitRouter } from '@open-game-system/stream-kit-server';
import express from 'express';

const port = Number(process.env.PORT ?? 3001);
const client = dirname(fileURLToPath(import.meta.resolve('@open-game-system/stream-kit-server/client')));

const app = express();
const streamKit = createStreamKitRouter({
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});
app.use('/stream', streamKit);
app.use('/client', express.static(client));
app.use(express.static(join(import.meta.dirname, '../page')));

const server = app.listen(port, '127.0.0.1', () => console.log(`Open http://127.0.0.1:${port}`));
// WebSocket upgrades do not pass through Express.
streamKit.attach(server, { path: '/stream' });

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    server.close();
    server.closeAllConnections();
  });
}
