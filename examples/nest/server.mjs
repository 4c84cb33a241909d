// Mounts the router in a NestJS application on Express.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import 'reflect-metadata';

import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createStreamKitRouter } from '@open-game-system/stream-kit-server';

const port = Number(process.env.PORT ?? 3001);
const client = dirname(fileURLToPath(import.meta.resolve('@open-game-system/stream-kit-server/client')));

const streamKit = createStreamKitRouter({
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});

/** Ends the sessions with the application. */
class AppModule {
  onApplicationShutdown() {
    return streamKit.close();
  }
}
Module({})(AppModule);

const app = await NestFactory.create(AppModule, {
  logger: ['error', 'warn'],
  forceCloseConnections: true,
});
app.enableShutdownHooks();
app.use('/stream', streamKit);
app.useStaticAssets(client, { prefix: '/client/' });
app.useStaticAssets(join(import.meta.dirname, '../page'));
await app.listen(port, '127.0.0.1');
streamKit.attach(app.getHttpServer(), { path: '/stream' });
console.log(`Open http://127.0.0.1:${port}`);
