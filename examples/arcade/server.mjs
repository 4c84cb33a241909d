// One game for two players, each with a link of their own, and any number of guests.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { createStreamKitRouter } from '@open-game-system/stream-kit-server';
import express from 'express';

const port = Number(process.env.PORT ?? 3001);
const origin = `http://127.0.0.1:${port}`;

const app = express();
const streamKit = createStreamKitRouter({
  maxSessions: 1,
  // Every player has control, and a gamepad with a place of its own.
  control: { shared: true },
  // Signs the links. Keep one secret if they are to outlive this process.
  streamTokens: { secret: randomBytes(32) },
  // The next game is shown in half the time.
  pool: { size: 1 },
  sessionBudget: { maxDurationMs: 4 * 3_600_000 },
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});
app.use('/stream', streamKit);

/** The game, started when the first visitor asks for it and again after it has ended. */
let game;
async function startGame() {
  const session = await streamKit.sessions.create({ targetUrl: `${origin}/arcade.html` });
  session.on('ended', ({ usage }) => {
    game = undefined;
    console.log(`The game is over: ${usage?.viewerMinutes.toFixed(1)} viewer minutes`);
  });
  session.on('viewer', () => {
    const players = session.viewers().filter(({ role }) => role === 'controller');
    // The page shows it; see arcade.html.
    session.setPageState({ players: players.length });
  });
  return session;
}
app.get('/links', async (_request, response) => {
  game ??= startGame().catch((error) => {
    game = undefined;
    throw error;
  });
  const session = await game;
  const url = `${origin}/stream`;
  const players = [1, 2].map((seat) => session.viewUrl(url, { seat, expiresInSeconds: 3600 }));
  response.json({ guest: session.viewUrl(url, { expiresInSeconds: 3600 }), players });
});
app.use(express.static(import.meta.dirname, { index: 'index.html' }));
app.use(express.static(join(import.meta.dirname, '../page'), { index: false }));

const server = app.listen(port, '127.0.0.1', () => console.log(`Open ${origin}`));
streamKit.attach(server, { path: '/stream' });

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    server.close();
    server.closeAllConnections();
  });
}
