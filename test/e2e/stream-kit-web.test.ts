import { afterAll, beforeAll, expect, test } from 'vitest';

import { TestServer } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

let server: TestServer;
let browser: ViewerBrowser;
let tab: ViewerTab;

beforeAll(async () => {
  server = await TestServer.start({ streamKitWeb: true });
  browser = await ViewerBrowser.launch();
  tab = await browser.open(server, 'stream-kit-web.html');
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

test('a client of stream-kit-web sees the page, changes its state, sends it an event and ends it', async () => {
  const { page } = tab;
  const call = (method: string, path: string, body?: object): Promise<any> =>
    page.evaluate((...args) => (window as any).call(...args), method, path, body);
  const session = await call('POST', '', {
    renderUrl: `${server.origin}/fixtures/scene.html`,
    renderOptions: {
      resolution: '720p',
      targetFps: 120,
      quality: 'low',
      priority: 'latency',
      region: 'here',
    },
    initialData: { colour: '#f00' },
  });
  const id = session.sessionId as string;
  expect(session).toMatchObject({ status: 'initializing', iceServers: [] });
  await page.evaluate((created) => {
    const scope = window as any;
    scope.client = scope.connect(created);
  }, session);
  await tab.until(`client.video?.videoWidth === 1280 && colour(client.video) === '100'`);
  expect(await tab.read('client.status')).toBe('streaming');

  const updated = await call('PATCH', `/${id}`, { sceneData: { colour: '#00f' } });
  expect(updated).toEqual({ accepted: true, applied: ['sceneData'] });
  await tab.until(`colour(client.video) === '001'`);

  const changed = await call('PATCH', `/${id}`, { renderOptions: { resolution: '640x360', targetFps: 20 } });
  expect(changed.effective).toMatchObject({ resolution: '640x360', targetFps: 20 });
  await tab.until(`client.video.videoWidth === 640`);

  const event = { type: 'interaction', data: { action: 'click', position: { x: 0.5, y: 0.5 } } };
  const received = await call('POST', `/${id}/input`, event);
  expect(received.received).toBe(true);
  const state = server.router.sessions.get(id);
  await expect.poll(() => (state.state.metadata.page as any).event, { timeout: 30_000 }).toEqual(event);
  expect(await tab.read('client.errors')).toEqual([]);

  const ended = await call('DELETE', `/${id}`);
  expect(ended).toMatchObject({ status: 'terminated', sessionId: id });
  expect(ended.usage.dataTransferred).toBeGreaterThan(0);
  await tab.until('client.errors.length === 1');
  expect(await tab.read('client.errors')).toEqual(['The stream has ended: deleted']);
});
