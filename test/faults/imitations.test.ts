import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { PageController } from '../helpers/page-controller.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

const CSS = { width: 640, height: 360 };

let server: TestServer;
let browser: ViewerBrowser;
let session: CreatedSession;
let page: PageController;

beforeAll(async () => {
  [server, browser] = await Promise.all([TestServer.start(), ViewerBrowser.launch()]);
  session = await server.create(`${server.origin}/fixtures/imitations.html?kind=news`);
  page = await PageController.connect(browser, server, session, CSS);
});

beforeEach(() => page.forget());

afterAll(async () => {
  await page.viewer.close();
  await server.close();
  await browser.close();
});

const pointer = (action: string, x: number, y: number, button = 0): object => ({
  ...{ type: 'pointer', action, ...page.at(x, y) },
  button: action === 'move' ? -1 : button,
});
const wheel = (deltaY: number): object => ({ type: 'wheel', ...page.at(320, 180), deltaX: 0, deltaY });
const hold = (action: string, code: string, key: string): object => ({ type: 'keyboard', action, code, key });

async function drag(fromX: number, fromY: number, toX: number, toY: number): Promise<void> {
  const steps = Array.from({ length: 8 }, (_, index) => (index + 1) / 8);
  await page.send(pointer('move', fromX, fromY), pointer('down', fromX, fromY));
  for (const part of steps)
    await page.send(pointer('move', fromX + (toX - fromX) * part, fromY + (toY - fromY) * part));
  await page.send(pointer('up', toX, toY));
}

/** What a visitor of each kind of page does, and what the page then tells. */
const VISITS: Readonly<Record<string, () => Promise<void>>> = {
  news: async () => {
    await page.send(wheel(6000));
    await page.lines('header 0 at 6000');
    await page.lines('loaded 2');
  },
  feed: async () => {
    for (let count = 0; count < 4; count++) await page.send(wheel(3000));
    await expect
      .poll(async () => {
        await page.send(wheel(3000));
        return page.viewer.read("viewer.messages.some(({ lines }) => lines?.includes('forty'))");
      })
      .toBe(true);
  },
  shop: async () => {
    await page.click(450, 25);
    // Of the dialog, whose border and padding are around it.
    await page.click(50, 20);
    await page.click(50, 55);
    await page.press('ArrowUp', 'ArrowUp');
    await page.press('Enter', 'Enter');
    expect(await page.lines('bought')).toContain('bought L,2');
  },
  map: async () => {
    await drag(100, 100, 300, 150);
    await page.lines('moved 200,50');
    await page.send(wheel(-120));
    await page.lines('zoomed -120');
  },
  editor: async () => {
    await page.click(50, 10);
    await page.send({ type: 'text', text: 'plain ' });
    await page.press('KeyB', 'b', ['Control']);
    await page.send({ type: 'composition', text: 'に' }, { type: 'text', text: '日本' });
    await page.lines('html plain <b>日本</b>');
  },
  player: async () => {
    await page.lines('ready');
    await page.click(50, 330);
    await page.lines('played');
    await page.click(50, 330);
    await page.lines('paused');
  },
  dashboard: async () => {
    await page.send(pointer('move', 100, 100), pointer('move', 300, 100));
    const lines = await page.lines('over 4');
    expect(lines.filter((line) => /^(?:over|left)/.test(line))).toEqual(['over 1', 'left 1', 'over 4']);
    await page.send({ type: 'resize', width: 800, height: 360 });
    await page.lines('wide 800');
    await page.send({ type: 'resize', width: 640, height: 360 });
    await page.viewer.until('video.videoWidth === 640');
  },
  chat: async () => {
    await page.click(50, 50);
    await page.send({ type: 'text', text: 'one 🎉' });
    await page.press('Enter', 'Enter', ['Shift']);
    await page.press('KeyX', 'x');
    await page.press('Enter', 'Enter');
    await page.lines('said "one 🎉\\nx"');
  },
  spreadsheet: async () => {
    await page.click(50, 15);
    await page.send({ type: 'paste', data: '1\t2\n3\t4' });
    await page.lines('cells 1,2,3,4');
    await page.press('ArrowDown', 'ArrowDown');
    await page.press('F2', 'F2');
    await page.press('End', 'End');
    await page.press('Digit5', '5');
    await page.press('Tab', 'Tab');
    await page.lines('cell 2 35');
    await page.click(50, 15);
    await page.click(50, 15);
    await page.press('Digit9', '9');
    await page.press('Enter', 'Enter');
    await page.lines('cell 0 9');
  },
  game: async () => {
    await page.send(hold('down', 'ShiftLeft', 'Shift'), hold('down', 'KeyW', 'W'));
    await page.lines('red true');
    await page.viewer.until(`(() => {
      const context = new OffscreenCanvas(1, 1).getContext('2d');
      context.drawImage(video, 0, 0, 1, 1, 0, 0, 1, 1);
      return context.getImageData(0, 0, 1, 1).data[0] > 200;
    })()`);
    await page.send(hold('up', 'KeyW', 'W'), hold('up', 'ShiftLeft', 'Shift'));
    await page.lines('released ShiftLeft');
  },
  application: async () => {
    await page.click(50, 20);
    const pushed = (await page.lines('at #pushed')).find((line) => line.startsWith('at #pushed')) ?? '';
    await page.click(50, 70);
    expect(await page.lines('at  of')).toContain(pushed.replace('#pushed', ''));
  },
  board: async () => {
    // Moves that come faster than pictures are one.
    await page.send(pointer('move', 60, 50), pointer('down', 60, 50), pointer('move', 90, 60));
    await page.lines('drag began');
    await page.send(pointer('move', 390, 100), pointer('move', 400, 100));
    await page.lines('over the list');
    await page.send(pointer('up', 400, 100));
    await page.lines('dropped card true');
    await page.lines('drag ended');
    // The mouse is the page's again.
    await page.click(500, 300);
    await page.lines('clicked');
  },
  whiteboard: async () => {
    const touch = (action: string, ...places: [id: number, x: number][]): object => ({
      ...{ type: 'touch', action },
      touches: places.map(([id, x]) => ({ id, ...page.at(x, 100) })),
    });
    await page.send(touch('start', [1, 100]), touch('start', [2, 300]));
    await page.send(touch('move', [1, 150], [2, 400]), touch('end', [1, 150]), touch('end', [2, 400]));
    expect(await page.lines('touch drew 300-400')).toContain('touch drew 100-150');
  },
  components: async () => {
    await page.click(50, 20);
    await page.lines('kept kept yes');
  },
};

test.each(Object.keys(VISITS))('a page like a public one: %s', async (kind) => {
  await page.viewer.read(`viewer.signal('message', { go: '${kind}' })`);
  await page.lines(`begun ${kind}`);
  await VISITS[kind]?.();
  const told = await page.viewer.read<string[]>('viewer.messages.flatMap(({ lines = [] }) => lines)');
  expect(told.filter((line) => line.startsWith('error'))).toEqual([]);
});
