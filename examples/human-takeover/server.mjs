// A script fills a form, stops at a captcha, a person solves it in the viewer, and the script goes on. What the
// page has stored is kept for the next run.
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createStreamKitRouter } from '@open-game-system/stream-kit-server';
import express from 'express';

const port = Number(process.env.PORT ?? 3001);
// What pages have stored is kept here, cookies included.
const profiles = process.env.PROFILE_DIRECTORY ?? join(tmpdir(), 'stream-kit-example-profiles');
const client = dirname(fileURLToPath(import.meta.resolve('@open-game-system/stream-kit-server/client')));

const app = express();
const streamKit = createStreamKitRouter({
  maxSessions: 1,
  // The script has control until a person asks for it.
  control: { policy: 'automation' },
  // With a key (`key: process.env.PROFILE_KEY`) profiles are encrypted.
  profileDirectory: { path: profiles },
  // The page to render is served by this process; other private addresses stay out of reach.
  targetPolicy: {
    allowPrivateAddresses: (address, targetPort) => address === '127.0.0.1' && targetPort === port,
  },
});
app.use('/stream', streamKit);
app.use('/client', express.static(client));

async function fillForm(session) {
  await session.whenStreaming();
  const page = await session.page();
  await page.type('[name=name]', 'Ada Lovelace');
  await page.type('[name=email]', 'ada@example.org');
  await page.click('#next');
  await page.waitForSelector('[name=captcha]', { visible: true });
  console.log('A person is needed');
  // Resolves when a person has had control and has given it back.
  await session.control.handOver();
  await page.type('[name=message]', 'Sent by a script and a person.');
  await page.click('#send');
  await page.waitForSelector('#sent', { visible: true });
  console.log('The form is sent');
  await session.end();
}

/** The session, created when the first visitor asks for it and again after it has ended. */
let current;
function start() {
  const created = streamKit.sessions.create({
    targetUrl: `http://127.0.0.1:${port}/form.html`,
    // As a browser that Ada has used before: what it stores now is there the next time.
    profile: { id: 'ada', save: true },
  });
  created.then(
    (session) => {
      session.on('message', (message) => console.log(`The page says ${JSON.stringify(message)}`));
      session.on('profile', ({ saved, code }) => console.log(saved ? 'The profile is stored' : code));
      session.on('ended', ({ usage }) => {
        current = undefined;
        console.log(`It took ${usage?.cpuSeconds?.toFixed(1)} s of CPU time`);
      });
      fillForm(session).catch((error) => console.log(`The script stopped: ${error.message}`));
    },
    () => (current = undefined),
  );
  return created;
}
app.get('/session', async (_request, response) => {
  current ??= start();
  response.json({ streamId: (await current).id });
});
app.use(express.static(import.meta.dirname, { index: 'index.html' }));

const server = app.listen(port, '127.0.0.1', () => console.log(`Open http://127.0.0.1:${port}`));
streamKit.attach(server, { path: '/stream' });

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await streamKit.close();
    server.close();
    server.closeAllConnections();
  });
}
