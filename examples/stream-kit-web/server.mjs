// Serves clients of stream-kit-web: their routes below /stream/session, and their signaling.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { createStreamKitRouter } from '@open-game-system/stream-kit-server';

const port = Number(process.env.PORT ?? 3001);
const FILES = {
  '/': join(import.meta.dirname, 'index.html'),
  '/game.html': join(import.meta.dirname, '../page/game.html'),
};

const streamKit = createStreamKitRouter({
  basePath: '/stream',
  streamKitWeb: true,
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});

const server = createServer((request, response) => {
  // The router calls back for paths that are not its own.
  streamKit(request, response, async () => {
    const file = FILES[new URL(request.url, 'http://localhost').pathname];
    if (file === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': 'text/html' }).end(await readFile(file));
  });
});
// The signaling is a WebSocket.
streamKit.attach(server);
server.listen(port, '127.0.0.1', () => console.log(`Open http://127.0.0.1:${port}`));

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    server.close();
    server.closeAllConnections();
  });
}
