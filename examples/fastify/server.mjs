// Registers the router as a Fastify plugin.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import fastifyStatic from '@fastify/static';
import { createStreamKitRouter } from '@open-game-system/stream-kit-server';
import Fastify from 'fastify';

const port = Number(process.env.PORT ?? 3001);
const client = dirname(fileURLToPath(import.meta.resolve('@open-game-system/stream-kit-server/client')));

const streamKit = createStreamKitRouter({
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});
const fastify = Fastify({ forceCloseConnections: true });
await fastify.register(streamKit.fastify(), { prefix: '/stream' });
await fastify.register(fastifyStatic, { root: client, prefix: '/client/' });
await fastify.register(fastifyStatic, { root: join(import.meta.dirname, '../page'), decorateReply: false });
streamKit.attach(fastify.server, { path: '/stream' });

await fastify.listen({ port, host: '127.0.0.1' });
console.log(`Open http://127.0.0.1:${port}`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    await fastify.close();
  });
}
