import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';

import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

/** Two pixels of the picture are one of the page. */
const CSS = { width: 320, height: 180 };

let server: TestServer;
let upgrades: Server;
let browser: ViewerBrowser;
let viewer: ViewerTab;
let session: CreatedSession;

/** Of the data channel and of the viewer, for the page of the viewer. */
const WATCH_CHANNEL = `(() => {
  window.channelMessages = [];
  const Native = RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...parameters) {
      super(...parameters);
      this.addEventListener('datachannel', ({ channel }) => {
        window.channel = channel;
        channel.onmessage = ({ data }) => window.channelMessages.push(JSON.parse(data));
      });
    }
  };
})()`;

beforeAll(async () => {
  [server, browser] = await Promise.all([
    TestServer.start({
      control: { policy: 'first', clipboard: 'press' },
      validateRequest: (request) => ({
        authorized: true,
        role: (request.url ?? '').includes('watch') ? 'viewer' : 'owner',
      }),
    }),
    ViewerBrowser.launch(),
  ]);
  upgrades = createServer();
  server.router.attach(upgrades);
  upgrades.listen(0, '127.0.0.1');
  session = await server.create(`${server.origin}/fixtures/input.html`, {
    resolution: '640x360',
    deviceScaleFactor: 2,
  });
  await server.state(session, ({ metadata }) => metadata.page.ready === true);
  viewer = await browser.open(server);
  await viewer.page.evaluate(WATCH_CHANNEL);
  await viewer.connect(session);
  await viewer.until("window.channel?.readyState === 'open' && channelMessages.length > 0");
  await viewer.firstPicture();
});

beforeEach(async () => {
  await viewer.read('void (viewer.messages.length = 0, channelMessages.length = 0)');
});

afterAll(async () => {
  await viewer.close();
  await server.close();
  upgrades.closeAllConnections();
  upgrades.close();
  await browser.close();
});

async function send(...messages: object[]): Promise<void> {
  await viewer.page.evaluate(
    (texts) => {
      for (const text of texts) (window as any).channel.send(text);
    },
    messages.map((message) => JSON.stringify(message)),
  );
}

/** A place of the page, in CSS pixels, as fractions of the picture. */
function at(x: number, y: number): { x: number; y: number } {
  return { x: x / CSS.width, y: y / CSS.height };
}

function pointer(action: string, x: number, y: number, button = 0, buttons?: number): object {
  return { type: 'pointer', action, ...at(x, y), button, ...(buttons === undefined ? {} : { buttons }) };
}

async function click(x: number, y: number): Promise<void> {
  await send(pointer('move', x, y), pointer('down', x, y), pointer('up', x, y));
}

function keyboard(action: string, code: string, key: string): object {
  return { type: 'keyboard', action, code, key };
}

function pressed(code: string, key: string): object[] {
  return [keyboard('down', code, key), keyboard('up', code, key)];
}

function pageLines(): Promise<string[]> {
  return viewer.read<string[]>('viewer.messages.flatMap(({ lines }) => lines)');
}

/** What the page has told, once a line of it begins so. */
async function lines(last: string): Promise<string[]> {
  try {
    await viewer.until(
      `viewer.messages.some(({ lines }) => lines.some((line) => line.startsWith(${JSON.stringify(last)})))`,
    );
  } catch {
    throw new Error(`No ${last} in ${JSON.stringify(await pageLines())}`);
  }
  return pageLines();
}

async function told(type: string): Promise<any> {
  await viewer.until(`channelMessages.some((message) => message.type === ${JSON.stringify(type)})`);
  return viewer.read(`channelMessages.find((message) => message.type === ${JSON.stringify(type)})`);
}

/** Clears the field and puts the caret there. */
async function focusField(): Promise<void> {
  await click(100, 15);
  await send(...[keyboard('down', 'ControlLeft', 'Control'), ...pressed('KeyA', 'a')]);
  await send(keyboard('up', 'ControlLeft', 'Control'), ...pressed('Delete', 'Delete'));
  await lines('keyup Delete');
  await viewer.read('void (viewer.messages.length = 0, channelMessages.length = 0)');
}

interface SocketMessage {
  readonly type: string;
  readonly [name: string]: unknown;
}

/** A WebSocket that keeps its messages of text. */
async function openSocket(query = ''): Promise<{ socket: WebSocket; messages: SocketMessage[] }> {
  const { port } = upgrades.address() as AddressInfo;
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${session.id}/stream${query}`);
  const messages: SocketMessage[] = [];
  socket.on('message', (data, isBinary) => {
    if (!isBinary) messages.push(JSON.parse((data as Buffer).toString()) as SocketMessage);
  });
  await once(socket, 'open');
  return { socket, messages };
}

test('the first viewer controls, and the state says which one that is', async () => {
  const { metadata, instanceInfo } = await server.state(
    session,
    (state) => state.metadata.controllerId !== null,
  );
  expect(metadata.controllerId).toBe('1');
  expect(instanceInfo.viewport).toEqual(CSS);
  expect(metadata.controllerId).not.toBe(await viewer.read('viewer.viewerId'));
});

test('the mouse: places, buttons, double clicks, the wheel and the shape of the pointer', async () => {
  // All at once: what comes later than half a second is no double click.
  await send(
    ...[pointer('move', 20, 50), pointer('down', 20, 50), pointer('up', 20, 50)],
    ...[pointer('down', 20, 50, 0, 1), pointer('up', 20, 50, 0, 0)],
  );
  await lines('dblclick 20,50');
  await send(pointer('down', 40, 100, 2, 2), pointer('up', 40, 100, 2, 0));
  await send({ type: 'wheel', ...at(40, 100), deltaX: 0, deltaY: 120 });
  const found = await lines('wheel 0,120');
  expect(found.filter((line) => /^pointer(?:down|up)/.test(line))).toEqual([
    'pointerdown mouse 0/1 20,50 true',
    'pointerup mouse 0/0 20,50 true',
    'pointerdown mouse 0/1 20,50 true',
    'pointerup mouse 0/0 20,50 true',
    'pointerdown mouse 2/2 40,100 true',
    'pointerup mouse 2/0 40,100 true',
  ]);
  expect(await told('cursor')).toEqual({ type: 'cursor', css: 'pointer' });
});

test('fingers come, move, and go one by one', async () => {
  const touch = (action: string, ...touches: [number, number, number][]): object => ({
    type: 'touch',
    action,
    touches: touches.map(([id, x, y]) => ({ id, ...at(x, y) })),
  });
  await send(touch('start', [70, 20, 90]), touch('start', [-5, 100, 90]));
  await send(touch('move', [70, 30, 95], [-5, 110, 95]));
  await lines('touchmove');
  await send(touch('end', [70, 30, 95]));
  await lines('touchend');
  await send(touch('cancel', [-5, 110, 95]));
  const found = await lines('touchcancel');
  expect(found.filter((line) => line.startsWith('touch'))).toEqual([
    'touchstart 20,90 of 1',
    'touchstart 100,90 of 2',
    'touchmove 30,95 110,95 of 2',
    'touchend 30,95 of 1',
    'touchcancel 110,95 of 0',
  ]);
});

test('keys type, repeat and are shortcuts, with AltGr and dead keys of other layouts', async () => {
  await focusField();
  await send(...pressed('KeyQ', 'a'), keyboard('down', 'KeyB', 'b'), keyboard('down', 'KeyB', 'b'));
  await send(keyboard('up', 'KeyB', 'b'));
  // As Windows tells AltGr and Q of a German keyboard.
  await send(keyboard('down', 'ControlLeft', 'Control'), keyboard('down', 'AltRight', 'AltGraph'));
  await send(...pressed('KeyQ', '@'));
  await send(keyboard('up', 'AltRight', 'AltGraph'), keyboard('up', 'ControlLeft', 'Control'));
  await send(...pressed('BracketLeft', 'Dead'), ...pressed('KeyE', 'ê'));
  await send(
    keyboard('down', 'ShiftLeft', 'Shift'),
    ...pressed('KeyZ', 'Y'),
    keyboard('up', 'ShiftLeft', 'Shift'),
  );
  await send(...pressed('KeyC', 'с'), { type: 'key', name: 'C-a' }, { type: 'keys', data: 'x\x7fz' });
  const found = await lines('input z');
  expect(found.filter((line) => line.startsWith('input')).slice(0, 7)).toEqual([
    'input a',
    'input ab',
    'input abb',
    'input abb@',
    'input abb@ê',
    'input abb@êY',
    'input abb@êYс',
  ]);
  expect(found).toEqual(
    expect.arrayContaining([
      'keydown a KeyQ 65',
      'keydown b KeyB 66 repeat',
      'keydown @ KeyQ 81',
      'keydown Dead BracketLeft 219',
      'keydown Y KeyZ 89 shift',
      'keydown с KeyC 67',
      'keydown a KeyA 65 ctrl',
    ]),
  );
});

test('text of an input method, pasted text, and what the page copies', async () => {
  await focusField();
  await send({ type: 'composition', text: 'にほ' }, { type: 'composition', text: '日本' });
  await send({ type: 'text', text: '日本語' }, { type: 'paste', data: 'pasted “text”' });
  expect(await lines('input 日本語pasted')).toEqual(
    expect.arrayContaining([
      'compositionupdate にほ',
      'compositionupdate 日本',
      'compositionend 日本語',
      'paste pasted “text” true',
      'input 日本語pasted “text”',
    ]),
  );
  await send({ type: 'key', name: 'C-a' }, { type: 'key', name: 'C-c' });
  expect(await told('clipboard')).toEqual({ type: 'clipboard', text: '日本語pasted “text”' });
});

test('the frame of another site has it all as well', async () => {
  await click(200, 15);
  await send({ type: 'text', text: 'in the frame' }, ...pressed('KeyA', 'a'), {
    type: 'paste',
    data: 'there',
  });
  const gamepad = { type: 'gamepad', index: 2, id: 'Pad', axes: [0, -1, 0.5, 0] };
  await send({ ...gamepad, buttons: [{ pressed: true, value: 1 }] });
  await lines('frame pads 2 0,-1,0.5,0 1');
  await lines('pads 2 0,-1,0.5,0 1');
  // Gamepads do not wait for what waits for the page.
  await lines('frame paste there true');
  await send({ ...gamepad, buttons: [{ pressed: false, value: 0.25 }] });
  await lines('frame pads 2 0,-1,0.5,0 0.25');
  await send({ type: 'gamepad', index: 2, connected: false });
  const found = await lines('frame gamepaddisconnected 2 Pad false standard');
  expect(found).toEqual(
    expect.arrayContaining([
      'frame pointerdown mouse 0/1 40,15 true',
      'frame input in the frame',
      'frame keydown a KeyA 65',
      'frame paste there true',
      'gamepadconnected 2 Pad true standard',
      'frame gamepadconnected 2 Pad true standard',
    ]),
  );
});

test('the page may take the whole screen, lock the pointer and write to the clipboard', async () => {
  for (const action of ['fullscreen', 'lock']) {
    await viewer.read(`viewer.signal('message', { action: '${action}' })`);
    await lines(`told {"action":"${action}"}`);
    await click(50, 155);
    await lines(`done ${action} 320x180 true ${action === 'lock'}`);
  }
  await send(pointer('move', 60, 165));
  await lines('locked 10,10');
  await viewer.read("viewer.signal('message', { action: 'unlock' })");
  await lines('done unlock 320x180 false false');
  await viewer.read("viewer.signal('message', { action: 'copy' })");
  await lines('told {"action":"copy"}');
  await click(50, 155);
  expect(await told('clipboard')).toEqual({ type: 'clipboard', text: 'by the page' });
});

test('the picture follows the size that is asked for', async () => {
  await send({ type: 'resize', width: 481, height: 271 });
  await lines('resize 240x135');
  await viewer.until('video.videoWidth === 480 && video.videoHeight === 270');
  const { instanceInfo } = await server.state(session, (state) => state.instanceInfo.viewport.width === 240);
  expect(instanceInfo.viewport).toEqual({ width: 240, height: 135 });
  await send({ type: 'resize', width: 640, height: 360 });
  await viewer.until('video.videoWidth === 640');
});

test('bad input is told what is wrong, and others than the controller may do nothing', async () => {
  await send({ type: 'pointer', action: 'down', x: 2, y: 0, button: 0 });
  expect(await told('error')).toMatchObject({ code: 'bad_input', message: expect.stringContaining('for x') });
  const [may, never] = [await openSocket(), await openSocket('?watch')];
  for (const { socket, messages } of [may, never]) {
    socket.send(JSON.stringify(pointer('down', 5, 5)));
    socket.send('{');
    await expect.poll(() => messages.filter(({ type }) => type === 'error').length).toBe(2);
    expect(messages.filter(({ type }) => type === 'error')).toMatchObject([
      { code: 'forbidden' },
      { code: 'bad_message' },
    ]);
    expect(messages.find(({ type }) => type === 'role')).toMatchObject({ role: 'viewer', controllerId: '1' });
  }
  never.socket.send(JSON.stringify({ type: 'request_control' }));
  await expect.poll(() => never.messages.filter(({ code }) => code === 'forbidden').length).toBe(2);
  expect((await pageLines()).filter((line) => /^pointer(?:down|up)/.test(line))).toEqual([]);
  may.socket.close();
  never.socket.close();
  await server.state(session, ({ metadata }) => metadata.viewers === 1);
});

test('control is handed over, and what was held is let go of', async () => {
  const { socket, messages } = await openSocket();
  await expect.poll(() => messages.some(({ type }) => type === 'role')).toBe(true);
  const publicId = messages.find(({ type }) => type === 'role')?.publicId;
  await send(pointer('move', 30, 100), pointer('down', 30, 100), keyboard('down', 'ShiftLeft', 'Shift'));
  await lines('keydown Shift');
  socket.send(JSON.stringify({ type: 'request_control' }));
  await viewer.until("viewer.signals.includes('control_requested')");
  await viewer.read(`viewer.signal('give_control', { viewerId: ${JSON.stringify(publicId)} })`);
  await lines('pointerup mouse');
  await lines('keyup Shift ShiftLeft 16');
  await expect
    .poll(() => messages.filter(({ type }) => type === 'role').at(-1))
    .toMatchObject({ role: 'controller' });
  await viewer.until("viewer.signals.includes('role')");
  await send(pointer('down', 30, 100));
  expect(await told('error')).toMatchObject({ code: 'forbidden' });

  await viewer.read('void (viewer.messages.length = 0)');
  socket.send(JSON.stringify({ type: 'resume', lastSeq: null }));
  socket.send(JSON.stringify(pointer('down', 35, 105)));
  socket.send(JSON.stringify(keyboard('down', 'KeyG', 'g')));
  expect(await lines('keydown g')).toContain('pointerdown mouse 0/1 35,105 true');
  // It goes without a word; the viewer had not asked, so control is free.
  socket.terminate();
  await lines('pointerup mouse');
  await lines('keyup g KeyG 71');
  await server.state(session, ({ metadata }) => metadata.controllerId === null);
  await viewer.read("viewer.signal('request_control', null)");
  await server.state(session, ({ metadata }) => metadata.controllerId === '1');
});

test('a thousand moves a second come as few, and end where the last one was', async () => {
  const moves = Array.from({ length: 1000 }, (_, index) => pointer('move', 10 + index / 10, 100));
  await send(...moves, pointer('down', 110, 100), pointer('up', 110, 100));
  const found = await lines('pointerup mouse 0/0 110,100');
  const moved = found.filter((line) => line.startsWith('pointermove'));
  expect(moved.length).toBeLessThan(500);
  expect(found.at(-2)).toBe('pointerdown mouse 0/1 110,100 true');
});
