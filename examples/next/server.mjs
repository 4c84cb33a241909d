// A custom server for Next.js: streams go to the router, everything else to Next.
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createStreamKitRouter } from '@open-game-system/stream-kit-server';
import express from 'express';
import next from 'next';

const port = Number(process.env.PORT ?? 3001);
const client = dirname(fileURLToPath(import.meta.resolve('@open-game-system/stream-kit-server/client')));

const nextApp = next({ dev: false, dir: import.meta.dirname });
await nextApp.prepare();

const app = express();
const streamKit = createStreamKitRouter({
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});
app.use('/stream', streamKit);
app.use('/client', express.static(client));
app.use('/game.html', express.static(join(import.meta.dirname, '../page/game.html')));
const handle = nextApp.getRequestHandler();
app.use((request, response) => handle(request, response));

const server = createServer(app);
streamKit.attach(server, { path: '/stream' });
server.listen(port, '127.0.0.1', () => console.log(`Open http://127.0.0.1:${port}`));

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    await nextApp.close();
    server.close();
    server.closeAllConnections();
  });
}
