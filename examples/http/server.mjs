// Mounts the router in a plain node:http server.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createStreamKitRouter } from '@open-game-system/stream-kit-server';

const port = Number(process.env.PORT ?? 3001);
const client = dirname(fileURLToPath(import.meta.resolve('@open-game-system/stream-kit-server/client')));
const page = join(import.meta.dirname, '../page');

const FILES = {
  '/': [join(page, 'index.html'), 'text/html'],
  '/game.html': [join(page, 'game.html'), 'text/html'],
  // The client, and what it loads when it is needed.
  ...Object.fromEntries(
    [
      'index',
      'input-control',
      'overflow-media',
      'picture-clock',
      'prompt-view',
      'socket-media',
      'sound-buffer',
      'stats-sampler',
    ].map((name) => [`/client/${name}.js`, [join(client, `${name}.js`), 'text/javascript']]),
  ),
};

const streamKit = createStreamKitRouter({
  basePath: '/stream',
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});

const server = createServer((request, response) => {
  // The router calls back for paths that are not its own.
  streamKit(request, response, async () => {
    const [file, type] = FILES[new URL(request.url, 'http://localhost').pathname] ?? [];
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': type }).end(await readFile(file));
  });
});
streamKit.attach(server);
server.listen(port, '127.0.0.1', () => console.log(`Open http://127.0.0.1:${port}`));

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    server.close();
    server.closeAllConnections();
  });
}
