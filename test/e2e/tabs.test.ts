import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { PageController } from '../helpers/page-controller.js';
import { type CreatedSession, TestServer } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

const CSS = { width: 640, height: 360 };
const COLOURS = { first: [255, 255, 255], opened: [0, 128, 0], popup: [0, 0, 255] } as const;

let browser: ViewerBrowser;
let server: TestServer;
let page: PageController;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterEach(async () => {
  await page.viewer.close();
  await server.close();
});

afterAll(() => browser.close());

async function begin(options: object = {}, query = ''): Promise<CreatedSession> {
  server = await TestServer.start(options);
  const session = await server.create(`${server.origin}/fixtures/tabs.html${query}`);
  page = await PageController.connect(browser, server, session, CSS);
  await shows('first');
  return session;
}

/** The picture has the colour of the tab: its middle as the viewer sees it. */
async function shows(tab: keyof typeof COLOURS): Promise<void> {
  const [red, green, blue] = COLOURS[tab];
  await page.viewer.until(`(() => {
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
    const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
    return Math.abs(red - ${red}) + Math.abs(green - ${green}) + Math.abs(blue - ${blue}) < 60;
  })()`);
}

/** Evaluates in the page of one tab. */
async function runIn(tab: string, run: string): Promise<unknown> {
  await page.forget();
  await page.viewer.read(`viewer.signal('message', ${JSON.stringify({ tab, run })})`);
  const begin = `${tab} ran `;
  const line = (await page.lines(begin)).find((candidate) => candidate.startsWith(begin)) ?? '';
  return JSON.parse(line.slice(begin.length)) as unknown;
}

test.each(['tab', 'screencast'] as const)(
  'a tab that a click opens is shown, and its viewer switches and closes (%s)',
  async (capture) => {
    await begin({ capture, page: { locale: 'de-DE' } });
    await page.click(250, 20);
    const { id } = await page.told('select');
    await page.send({ type: 'select', id, indexes: [1] });
    await page.lines('first chose ["two",true]');
    await page.click(50, 20, 1);
    const { activeId, tabs } = await page.told('tabs', 'message.tabs[1]?.title === "opened"');
    expect(tabs).toEqual([
      { id: expect.any(String), title: 'first', url: `${server.origin}/fixtures/tabs.html` },
      // Without what may be a secret.
      { id: activeId, title: 'opened', url: `${server.origin}/fixtures/tabs.html` },
    ]);
    await shows('opened');
    // It has our scripts before its own, the size of the picture, the world of the session, and nothing in its history.
    expect(await page.lines('opened loaded')).toContain('opened loaded ["object",640,360,1,"de-DE"]');
    await page.press('KeyA', 'a');
    await page.lines('opened key "a"');

    await page.send({ type: 'tab', action: 'show', id: tabs[0].id });
    await page.told('tabs', `message.activeId === '${tabs[0].id}'`);
    await shows('first');
    await page.press('KeyB', 'b');
    expect(await page.lines('first key "b"')).not.toContain('opened key "b"');

    await page.forget();
    await page.send({ type: 'tab', action: 'show', id: activeId });
    await shows('opened');
    await page.send({ type: 'tab', action: 'close', id: activeId });
    expect(await page.told('tabs', 'message.tabs.length === 1')).toMatchObject({ activeId: tabs[0].id });
    await shows('first');
    // The last one stays.
    await page.send({ type: 'tab', action: 'close', id: tabs[0].id });
    const display = 'navigator.mediaDevices.getDisplayMedia().catch(({ name }) => name)';
    expect(await runIn('first', display)).toBe('NotAllowedError');
    expect(await runIn('first', 'document.visibilityState + document.hasFocus()')).toBe('visibletrue');
  },
);

test('signing in by a pop-up of another origin works, and closing it returns to the opener', async () => {
  const session = await begin({}, '?elsewhere');
  await page.click(150, 20);
  await shows('popup');
  await page.click(320, 180);
  // The bridge is not for its origin.
  expect(await page.lines('first got')).toContain('first got "token undefined 640"');
  await shows('first');
  await page.told('tabs', 'message.tabs.length === 1');
  expect(await runIn('first', 'popup.closed')).toBe(true);
  const { status, metadata } = await server.state(session, () => true);
  expect([status, metadata.restarts]).toEqual(['streaming', 0]);
});

test('a tab that closes itself gives way to another, and the last one stays', async () => {
  const session = await begin({ control: { browserShortcuts: ['reload'] } });
  await page.click(50, 20, 1);
  await shows('opened');
  await page.forget();
  await page.press('F5', 'F5');
  await page.lines('opened loaded');
  await runIn('first', 'void close()');
  await page.told('tabs', 'message.tabs.length === 1');
  // By its history the browser would let one page close itself, and the other not.
  for (const run of ['void close()', "history.pushState(null, '', '#later'), void close()"])
    await runIn('opened', run);
  await page.forget();
  await page.press('KeyA', 'a');
  await page.lines('opened key "a"');
  expect(await runIn('opened', '[close.name, document.visibilityState]')).toEqual(['close', 'visible']);
  await shows('opened');
  const { status, metadata } = await server.state(session, () => true);
  expect([status, metadata.restarts]).toEqual(['streaming', 0]);
});

test('without the options a page gets and gives no files, and its controller is told', async () => {
  await begin();
  // Before the page has it, nothing can be refused: it must be told again.
  await runIn(
    'first',
    "void (onkeydown = () => showPicker.showPicker(), showPicker = document.createElement('input'), showPicker.type = 'file')",
  );
  await page.press('KeyA', 'a');
  expect((await page.told('refused')).what).toBe('file_chooser');
  await page.forget();
  await page.send({ type: 'drop', x: 0.5, y: 0.5, fileIds: ['0'] });
  expect((await page.told('refused')).what).toBe('file_drop');
  await runIn(
    'first',
    "void Object.assign(document.createElement('a'), { href: 'data:,x', download: 'x' }).click()",
  );
  expect((await page.told('refused')).what).toBe('download');
});

test('there are at most as many tabs as the option says, and none without a press', async () => {
  await begin({ page: { maxTabs: 2 } });
  expect(await runIn('first', "open('tabs.html?name=unasked') === null || 'opened'")).toBe('opened');
  await page.told('refused', "message.what === 'new_tab'");
  await page.click(50, 20, 1);
  await shows('opened');
  // What is pressed in one tab is not for another, nor does a tab that nobody sees ask anything.
  await page.click(320, 180);
  expect(await runIn('first', "open('tabs.html?name=unasked') && confirm('hidden')")).toBe(false);
  expect((await page.told('refused')).message).toContain('may not');
  expect(await page.viewer.read("channelMessages.filter(({ type }) => type === 'dialog')")).toEqual([]);
  await page.forget();
  await page.click(50, 20, 1);
  expect((await page.told('refused')).message).toContain('2');
  await shows('opened');
  expect(await page.viewer.read("channelMessages.filter(({ type }) => type === 'tabs')")).toEqual([]);
});
