// Bundles a React page by esbuild and serves it with the router.
import { join } from 'node:path';

import { createStreamKitRouter } from '@open-game-system/stream-kit-server';
import { build } from 'esbuild';
import express from 'express';

const port = Number(process.env.PORT ?? 3001);
const bundle = join(import.meta.dirname, 'dist');
await build({
  entryPoints: [join(import.meta.dirname, 'app.jsx')],
  bundle: true,
  splitting: true,
  format: 'esm',
  jsx: 'automatic',
  // One copy of React, although the package is linked from a folder with a React of its own.
  alias: { react: join(import.meta.dirname, 'node_modules/react') },
  outdir: bundle,
});

const app = express();
const streamKit = createStreamKitRouter({
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});
app.use('/stream', streamKit);
app.use('/dist', express.static(bundle));
app.get('/', (_request, response) => {
  response.send(
    '<!doctype html><title>React</title><div id="root"></div><script type="module" src="/dist/app.js"></script>',
  );
});
app.use(express.static(join(import.meta.dirname, '../page')));

const server = app.listen(port, '127.0.0.1', () => console.log(`Open http://127.0.0.1:${port}`));
streamKit.attach(server, { path: '/stream' });

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    server.close();
    server.closeAllConnections();
  });
}
