// One session for everybody who opens the page: the first viewer has control and can hand it to another.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createStreamKitRouter } from '@open-game-system/stream-kit-server';
import express from 'express';

const port = Number(process.env.PORT ?? 3001);
const client = dirname(fileURLToPath(import.meta.resolve('@open-game-system/stream-kit-server/client')));

const app = express();
const streamKit = createStreamKitRouter({
  maxSessions: 1,
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});
app.use('/stream', streamKit);
app.use('/client', express.static(client));

/** The session of the party, created when the first guest asks for it and again after it has ended. */
let party;
async function partyId() {
  party ??= createParty();
  return (await party).id;
}
async function createParty() {
  try {
    const session = await streamKit.sessions.create({ targetUrl: `http://127.0.0.1:${port}/game.html` });
    session.on('ended', () => (party = undefined));
    return session;
  } catch (error) {
    party = undefined;
    throw error;
  }
}
app.get('/party', async (_request, response) => response.json({ streamId: await partyId() }));
app.use(express.static(import.meta.dirname, { index: 'index.html' }));
app.use(express.static(join(import.meta.dirname, '../page')));

const server = app.listen(port, '127.0.0.1', () =>
  console.log(`Open http://127.0.0.1:${port} in several windows`),
);
streamKit.attach(server, { path: '/stream' });

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    server.close();
    server.closeAllConnections();
  });
}
