import { afterAll, beforeAll, expect, test } from 'vitest';

import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

/** What a page does once, by `test/fixtures/flood.html`. */
const ONCE = [
  ...['console', 'post', 'data', 'stringify', 'binding', 'error', 'rejection', 'title', 'hash', 'cookie'],
  ...['clipboard', 'cursor', 'worker', 'dialog', 'metadata'],
];
/** What it does as fast as it can. */
const FLOODS = [
  ...['objects', 'images', 'send', 'metadatas', 'errors', 'titles', 'frames', 'popups', 'history'],
  ...['cursors', 'dialogs', 'downloads', 'sockets'],
];
/** A page that is ended for what it did. */
const ENDS = ['page_misbehaved', 'browser_crashed', 'browser_hung'];

let server: TestServer;
let browser: ViewerBrowser;
let healthy: CreatedSession;
let witness: ViewerTab;

beforeAll(async () => {
  [server, browser] = await Promise.all([TestServer.start(), ViewerBrowser.launch()]);
  healthy = await server.create(server.page('mode=counter&fps=30'));
  await server.state(healthy, ({ status }) => status !== 'initializing');
  witness = await browser.open(server);
  await witness.connect(healthy);
  await witness.firstPicture();
});

afterAll(async () => {
  await witness.close();
  await Promise.all([server.close(), browser.close()]);
});

test.each([...ONCE, ...FLOODS])(
  'a page that turns on its server by %s harms at most its own session',
  async (attack) => {
    const session = await server.create(`${server.origin}/fixtures/flood.html?attack=${attack}`);
    const { error } = await server.state(
      session,
      ({ status, metadata }) => status === 'error' || metadata?.page?.done === true,
      60_000,
    );
    if (error !== undefined) expect(ENDS).toContain(error.code ?? server.errors.at(-1));
    await server.delete(session);
    // The other one is as it was, and its viewer sees it move.
    expect((await (await fetch(healthy.url)).json()).status).toBe('streaming');
    const time = await witness.read<number>('window.video.currentTime');
    await witness.until(`window.video.currentTime > ${time + 0.5}`);
  },
);
