import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { PageController } from '../helpers/page-controller.js';
import { processesOfSessions } from '../helpers/session-processes.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

// A factor that does not divide the size: so places are right at every factor.
const SIZE = { width: 640, height: 360 };
const FACTOR = 1.5;
const MAX_FILE_BYTES = 100_000;
const CSS = { width: SIZE.width / FACTOR, height: SIZE.height / FACTOR };

const USER_AGENT = 'Agent/1 (of the option)';

let server: TestServer;
let browser: ViewerBrowser;
let session: CreatedSession;
let page: PageController;
const agents: unknown[] = [];

beforeAll(async () => {
  [server, browser] = await Promise.all([
    TestServer.start({
      page: { newTabs: 'same', userAgent: USER_AGENT },
      files: { uploads: true, downloads: true, maxBytes: MAX_FILE_BYTES },
      control: { clipboardImages: true },
    }),
    ViewerBrowser.launch(),
  ]);
  server.http.prependListener('request', ({ url, headers }) => {
    if (url === '/fixtures/behaviour.html') agents.push(headers['user-agent']);
  });
  session = await server.create(`${server.origin}/fixtures/behaviour.html`, {
    resolution: `${SIZE.width}x${SIZE.height}`,
    deviceScaleFactor: FACTOR,
  });
  await server.state(session, ({ metadata }) => metadata.page.ready === true);
  page = await PageController.connect(browser, server, session, CSS);
});

beforeEach(() => page.forget());

afterAll(async () => {
  await page.viewer.close();
  await server.close();
  await browser.close();
});

/** Pixel of the picture as the viewer sees it: red, green, blue. */
function pixel(x: number, y: number): Promise<number[]> {
  return page.viewer.read<number[]>(`(() => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    return [...context.getImageData(${x}, ${y}, 1, 1).data.slice(0, 3)];
  })()`);
}

test('the picture has exactly the size asked for, to its last pixel, where the factor does not divide it', async () => {
  expect(await page.viewer.read('[video.videoWidth, video.videoHeight]')).toEqual([640, 360]);
  expect(await page.run('[devicePixelRatio, outerWidth === innerWidth]')).toEqual([FACTOR, true]);
  for (const [width, height] of [
    [400, 240],
    [1366, 768],
    [640, 360],
  ]) {
    await page.send({ type: 'resize', width, height });
    await page.viewer.until(`video.videoWidth === ${width} && video.videoHeight === ${height}`);
  }
  // The field in the corner is 20 CSS pixels, of which a few are cut off.
  const [red = 0, green = 0, blue = 0] = await pixel(639, 359);
  expect([red > 200, green < 60, blue > 200]).toEqual([true, true, true]);
  await page.send({ type: 'resize', width: 641, height: 361 });
  expect(await page.told('resize')).toEqual({ type: 'resize', width: 640, height: 360 });
});

test('nothing but the page is in its history', async () => {
  expect(await page.run('[firstHistoryLength, history.length]')).toEqual([1, 1]);
  await page.run('void history.back()');
  await page.press('ArrowLeft', 'ArrowLeft', ['Alt']);
  await page.click(50, 200, 3);
  expect(await page.run('document.title')).toBe('behaviour');
});

test('shortcuts of the browser do nothing but give the page its keys', async () => {
  for (const [code, key, ...held] of [
    ['KeyW', 'w', 'Control'],
    ['F4', 'F4', 'Control'],
    ['KeyW', 'W', 'Control', 'Shift'],
    ['F4', 'F4', 'Alt'],
    ['KeyT', 't', 'Control'],
    ['KeyN', 'n', 'Control'],
    ['Tab', 'Tab', 'Control'],
    ['F5', 'F5'],
    ['KeyR', 'r', 'Control'],
  ] as const) {
    await page.press(code, key, held);
  }
  const lines = await page.lines('keydown Ctrl+r');
  for (const key of ['Ctrl+w', 'Ctrl+F4', 'Ctrl+W', 'F4', 'Ctrl+t', 'Ctrl+n', 'Ctrl+Tab', 'F5', 'Ctrl+r']) {
    expect(lines).toContain(`keydown ${key} true`);
  }
  expect(await page.run('document.title')).toBe('behaviour');
});

test('a list is drawn by the controller, and its answer is the choice of a user', async () => {
  await page.click(50, 12);
  const { id, rect, multiple, options } = await page.told('select');
  expect(multiple).toBe(false);
  expect(options).toEqual([
    { label: 'alpha', selected: true, disabled: false },
    { label: 'beta', selected: false, disabled: false, group: 'group' },
    { label: 'gamma', selected: false, disabled: true, group: 'group' },
    { label: 'delta', selected: false, disabled: false, group: 'group' },
  ]);
  expect(rect.width).toBeCloseTo(100 / CSS.width, 2);
  await page.send({ type: 'select', id, indexes: [3] });
  expect(await page.lines('change one')).toEqual(
    expect.arrayContaining(['input one delta true', 'change one delta true']),
  );
  await page.told('prompt_closed', `message.id === '${id}'`);
});

test('a list that is cancelled, and one that the page closes, change nothing', async () => {
  await page.click(50, 12);
  const { id } = await page.told('select');
  await page.send({ type: 'select', id, cancel: true });
  await page.told('prompt_closed', `message.id === '${id}'`);
  await expect.poll(() => page.run("document.querySelector('select:open') === null")).toBe(true);
  await page.forget();
  await page.click(50, 12);
  const again = await page.told('select');
  await page.run("document.querySelector('#one').blur()");
  await page.told('prompt_closed', `message.id === '${again.id}'`);
  expect(await page.run("document.querySelector('#one').value")).toBe('delta');
});

test('a list of several, and one in a frame of another site', async () => {
  await page.click(150, 12);
  const { id, multiple } = await page.told('select');
  expect(multiple).toBe(true);
  await page.send({ type: 'select', id, indexes: [1, 2] });
  await page.lines('change many 2,3 true');
  await page.forget();
  await page.click(250, 112);
  const inFrame = await page.told('select');
  expect(inFrame.rect.x).toBeCloseTo(200 / CSS.width, 2);
  expect(inFrame.rect.y).toBeCloseTo(100 / CSS.height, 2);
  await page.send({ type: 'select', id: inFrame.id, indexes: [1] });
  await page.lines('frame change one beta true');
});

test('dates, times and colours are picked by the controller', async () => {
  await page.click(340, 12);
  const date = await page.told('picker');
  expect(date).toMatchObject({ kind: 'date', value: '', min: '2020-01-01' });
  await page.send({ type: 'picker', id: date.id, value: '2027-03-17' });
  await page.lines('change date 2027-03-17 true');
  await page.forget();
  await page.click(299, 42);
  const when = await page.told('picker');
  expect(when.kind).toBe('datetime-local');
  await page.send({ type: 'picker', id: when.id, value: '2026-12-05T23:45' });
  await page.lines('change when 2026-12-05T23:45 true');
  await page.forget();
  await page.click(385, 12);
  const color = await page.told('picker');
  expect(color).toMatchObject({ kind: 'color', value: '#102030' });
  await page.send({ type: 'picker', id: color.id, value: '#ff8000' });
  await page.lines('change color #ff8000 true');
  for (const [kind, y, value] of [
    ['month', 102, '2027-11'],
    ['week', 132, '2027-W09'],
    ['time', 162, '13:07'],
  ] as const) {
    await page.forget();
    await page.click(179, y);
    const { id } = await page.told('picker', `message.kind === '${kind}'`);
    await page.send({ type: 'picker', id, value });
    await page.lines(`change ${kind} ${value} true`);
  }
});

test('suggestions follow what is typed', async () => {
  await page.click(50, 42);
  expect((await page.told('picker')).options.map(({ value }: { value: string }) => value)).toEqual([
    'Paris',
    'Prague',
    'Rome',
  ]);
  await page.send({ type: 'text', text: 'p' });
  const { id, options } = await page.told('picker', 'message.options.length === 2');
  expect(options).toEqual([
    { value: 'Paris', label: '' },
    { value: 'Prague', label: '' },
  ]);
  await page.send({ type: 'picker', id, value: 'Prague' });
  await page.lines('input city Prague true');
});

test('dialogs are answered by the controller', async () => {
  await page.click(250, 72);
  const confirmation = await page.told('dialog');
  expect(confirmation).toMatchObject({ kind: 'confirm', message: 'Really?' });
  await page.send({ type: 'dialog', id: confirmation.id, accept: true });
  const question = await page.told('dialog', "message.kind === 'prompt'");
  expect(question).toMatchObject({ message: 'Name?', defaultValue: 'nobody' });
  await page.send({ type: 'dialog', id: question.id, accept: true, text: 'somebody' });
  expect(await page.lines('prompt')).toEqual(expect.arrayContaining(['confirm true', 'prompt somebody']));
});

test('a locked pointer turns on and on in one direction', async () => {
  await page.click(50, 72);
  expect(await page.told('pointer_lock')).toEqual({ type: 'pointer_lock', locked: true });
  await page.lines('locked true');
  // Two turns of 360 degrees at a pixel for a degree: more than the page is wide.
  for (let turned = 0; turned < 720; turned += 60) {
    await page.send({ type: 'pointer', action: 'move', movementX: 60, movementY: 0 });
  }
  await page.lines('yaw 720');
  await page.send({ type: 'pointer_lock', locked: false });
  await page.told('pointer_lock', '!message.locked');
});

test('a field that gains and loses the focus is told with its input mode', async () => {
  await page.click(150, 72);
  expect(await page.told('editing')).toEqual({ type: 'editing', active: true, inputMode: 'numeric' });
  await page.send({ type: 'text', text: '12' });
  await page.press('Numpad4', 'ArrowLeft');
  await page.send({ type: 'text', text: '.' });
  await page.lines('input field 1.2');
  await page.click(50, 200);
  expect(await page.told('editing', '!message.active')).toEqual({ type: 'editing', active: false });
});

async function upload(name: string, body: string): Promise<string> {
  const url = `${session.url}/files?name=${encodeURIComponent(name)}`;
  const { fileId } = (await (await fetch(url, { method: 'POST', body })).json()) as { fileId: string };
  return fileId;
}

test('files that the controller uploads are chosen, also in a frame of another site', async () => {
  const chosen = `Promise.all([...document.querySelector('#file').files].map(async (file) => [file.name, await file.text()]))`;
  await page.click(370, 42);
  const { id, multiple, accept } = await page.told('file_chooser');
  expect([multiple, accept]).toEqual([true, 'image/*,.txt']);
  const fileIds = [await upload('../one.txt', '1'), await upload('zwei ü.txt', '2')];
  await page.send({ type: 'file_chooser', id, fileIds });
  await page.lines('change file C:\\fakepath\\one.txt true');
  expect(await page.run(chosen)).toEqual([
    ['one.txt', '1'],
    ['zwei ü.txt', '2'],
  ]);
  // No file of the server is chosen by what is no upload, and nothing by one that is cancelled.
  await page.run(`void addEventListener('cancel', () => log('cancelled'))`);
  for (const answer of [{ fileIds: ['downloads', 'profile'] }, { cancel: true }]) {
    await page.forget();
    await page.click(370, 42);
    await page.send({ type: 'file_chooser', id: (await page.told('file_chooser')).id, ...answer });
    await page.lines('cancelled');
  }
  expect(await page.run("document.querySelector('#file').files.length")).toBe(2);
  await page.forget();
  await page.click(250, 142);
  const inFrame = await page.told('file_chooser');
  await page.send({ type: 'file_chooser', id: inFrame.id, fileIds: fileIds.slice(0, 1) });
  await page.lines('frame change file C:\\fakepath\\one.txt true');
});

test('files that the controller drops are taken by the page, or by the field under them', async () => {
  const fileIds = [await upload('one.txt', '1'), await upload('two.txt', '2')];
  const drop = (x: number, y: number): Promise<void> =>
    page.send({ type: 'drop', ...page.at(x, y), fileIds });
  // The field takes several.
  await page.run("void (document.querySelector('#file').value = '')");
  await drop(370, 42);
  await page.lines('change file C:\\fakepath\\one.txt true');
  await page.run(`void ['dragover', 'drop'].forEach((type) => addEventListener(type, (event) => {
    if (event.target.id !== 'lock') return;
    event.preventDefault();
    if (type === 'drop') Promise.all([...event.dataTransfer.files].map((file) => file.text())).then((texts) =>
      log('dropped ' + [event.target.id, event.clientX, event.clientY, ...texts]));
  }))`);
  await drop(50, 72);
  expect(await page.lines('dropped ')).toContain('dropped lock,50,72,1,2');
  await drop(250, 142);
  expect((await page.told('refused')).what).toBe('file_drop');
});

test('a frame whose process crashes takes nothing else with it', async () => {
  const megabytes = (pid: number): number =>
    (Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * 4) / 1024;
  const frame = "document.querySelector('iframe')";
  await page.run(`void (${frame}.src += '?heavy')`);
  await page.lines('frame loaded');
  // A frame of another site has a process of its own, and now that with the most memory.
  const heavy = (): number | undefined =>
    processesOfSessions().find(({ pid, role }) => role === 'other renderer' && megabytes(pid) > 280)?.pid;
  await expect.poll(heavy).toBeDefined();
  process.kill(heavy() ?? 0, 'SIGKILL');
  await expect.poll(heavy).toBeUndefined();
  await page.run("void (document.body.style.background = '#0a0')");
  await page.viewer.until(`(() => {
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.drawImage(video, 600, 300, 1, 1, 0, 0, 1, 1);
    const [red, green] = context.getImageData(0, 0, 1, 1).data;
    return red < 60 && green > 120;
  })()`);
  await page.click(50, 12);
  const { id } = await page.told('select');
  await page.send({ type: 'select', id, cancel: true });
  // Loaded anew it is as before.
  await page.forget();
  await page.run(`void (${frame}.src = ${frame}.src.replace('?heavy', ''))`);
  await page.lines('frame loaded');
  expect(agents.at(-1)).toBe(USER_AGENT);
  await page.click(250, 112);
  const inFrame = await page.told('select');
  await page.send({ type: 'select', id: inFrame.id, indexes: [1] });
  await page.lines('frame change one beta true');
  await page.run("void (document.body.style.background = '')");
  const { status, metadata } = await server.state(session, () => true);
  expect([status, metadata.restarts]).toEqual(['streaming', 0]);
});

test('what the page downloads is kept for the controller, up to a size', async () => {
  const download = (name: string, bytes: number): Promise<unknown> =>
    page.run(`void Object.assign(document.createElement('a'), {
      href: URL.createObjectURL(new Blob(['x'.repeat(${bytes})])), download: ${JSON.stringify(name)} }).click()`);
  await download('../../etc/pass\u202ewd', 1000);
  const { fileId, name, bytes } = await page.told('download', "message.state === 'finished'");
  expect(name).not.toMatch(/^\.|[/\\\u202e]/);
  expect(bytes).toBe(1000);
  const response = await fetch(`${session.url}/downloads/${fileId}`);
  expect([response.status, await response.text()]).toEqual([200, 'x'.repeat(1000)]);
  const header = 'attachment; filename="../../CON.txt"; filename*=utf-8\'\'..%2F..%00%5CNUL.txt';
  await page.forget();
  const attachment = `/attachment?disposition=${encodeURIComponent(header)}`;
  await page.run(`void (location.href = ${JSON.stringify(attachment)})`);
  const attached = await page.told('download', "message.state === 'finished'");
  expect(attached.name).toMatch(/^_[\w.\- ]+$/);
  await page.forget();
  await download('large', MAX_FILE_BYTES + 1);
  expect((await page.told('refused', "message.what === 'download'")).message).toContain('large');
  const list = (await (await fetch(`${session.url}/downloads`)).json()) as { files: unknown[] };
  expect(list.files).toMatchObject([
    { fileId, name, bytes },
    { fileId: attached.fileId, bytes: 8 },
  ]);
});

/** A page that copies an image of noise, which is large, as one does that is a drawing; one that is cut is too large. */
const COPIES_IMAGE = `void addEventListener('keydown', async ({ key, ctrlKey }) => {
  if (!ctrlKey || !'cx'.includes(key)) return;
  const size = key === 'c' ? [200, 100] : [1000, 400];
  const canvas = new OffscreenCanvas(...size);
  const context = canvas.getContext('2d');
  const noise = context.createImageData(...size);
  const colour = key === 'c' ? (index) => Math.imul(index, 2654435761) >>> 24 : () => Math.random() * 256;
  for (let index = 0; index < noise.data.length; index++)
    noise.data[index] = index % 4 === 3 ? 255 : colour(index);
  context.putImageData(noise, 0, 0);
  await navigator.clipboard.write([new ClipboardItem({ 'image/png': await canvas.convertToBlob() })]);
})`;
const HAS_IMAGE = `navigator.clipboard.read()
  .then(([item]) => item.getType('image/png')).then(createImageBitmap)
  .then((image) => {
    const context = new OffscreenCanvas(200, 100).getContext('2d');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(199, 99, 1, 1);
    const at = 4 * (200 * 100 - 1);
    return image.width === 200 && data[1] === Math.imul(at + 1, 2654435761) >>> 24;
  }).catch(() => false)`;

test('the client draws lists and dialogs, copies images, and locks its own pointer', async () => {
  await page.run(COPIES_IMAGE);
  await page.send({ type: 'release_control' });
  await page.viewer.close();
  const { page: client } = await browser.open(server, 'controlled.html');
  const until = (expression: string): Promise<unknown> => client.waitForFunction(expression, { polling: 50 });
  const scale = SIZE.width / CSS.width;
  const click = (x: number, y: number): Promise<void> => client.mouse.click(x * scale, y * scale);
  await client.bringToFront();
  await client.evaluate(`control(${JSON.stringify(session.id)})`);
  await until('input.active && video.videoWidth === 640');

  // With the mouse, and with keys alone.
  await click(50, 12);
  await until("document.querySelector('dialog option') !== null");
  await client.select('dialog select', '1');
  await server.state(session, ({ metadata }) => metadata.page.one === 'beta');
  await click(50, 12);
  await until("document.activeElement?.matches('dialog select')");
  await client.keyboard.press('Home');
  await client.keyboard.press('Enter');
  await until("document.querySelector('dialog') === null");
  await server.state(session, ({ metadata }) => metadata.page.one === 'alpha');

  await click(370, 42);
  await until("document.querySelector('dialog input[type=file]') !== null");
  const input = await client.$('dialog input[type=file]');
  await (await input?.toElement('input'))?.uploadFile(import.meta.filename);
  await client.click('dialog [type=submit]');
  await server.state(session, ({ metadata }) => metadata.page.file?.endsWith('page-behaviour.test.ts'));

  const permission = (name: string): { permission: { name: string }; state: 'granted' } => ({
    ...{ permission: { name }, state: 'granted' },
  });
  await client
    .browserContext()
    .setPermission(server.origin, permission('clipboard-read'), permission('clipboard-write'));
  await client.keyboard.down('Control');
  await client.keyboard.press('c');
  await client.keyboard.up('Control');
  await until(HAS_IMAGE);
  await client.keyboard.down('Control');
  await client.keyboard.press('x');
  await client.keyboard.up('Control');
  await until("told.some(({ type, what }) => type === 'refused' && what === 'clipboard')");

  // A file from the desktop of the viewer.
  await client.evaluate(`(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['content'], 'dropped.txt'));
    const { left, top } = video.getBoundingClientRect();
    const place = { clientX: left + ${370 * scale}, clientY: top + ${42 * scale} };
    for (const type of ['dragenter', 'dragover', 'drop'])
      video.dispatchEvent(new DragEvent(type, { ...place, dataTransfer, cancelable: true }));
  })()`);
  await server.state(session, ({ metadata }) => metadata.page.file?.endsWith('dropped.txt'));

  await click(250, 72);
  await until("document.querySelector('dialog')?.textContent.includes('Really?')");
  await client.keyboard.press('Enter');
  await until("document.querySelector('dialog input') !== null");
  await client.keyboard.type('x');
  await client.keyboard.press('Escape');
  await until("document.querySelector('dialog') === null");

  await click(50, 72);
  await until('document.pointerLockElement === video');
  await client.mouse.move(300, 100);
  await client.mouse.move(340, 100);
  await client.evaluate('document.exitPointerLock()');
  await until("told.some(({ type, locked }) => type === 'pointer_lock' && !locked)");
  // 40 pixels, at least: a move that goes before them may count as well.
  await server.state(session, ({ metadata }) => Math.abs(metadata.page.yaw) >= 40);
  await client.evaluate('stream.releaseControl().then(() => stream.close())');
  await client.close();
  page = await PageController.connect(browser, server, session, CSS);
});

test('a page that opens dialogs in a loop is limited, and one that wants to be asked may be left', async () => {
  await page.viewer.read(`channel.addEventListener('message', ({ data }) => {
    const { type, id } = JSON.parse(data);
    if (type === 'dialog') channel.send(JSON.stringify({ type, id, accept: true }));
  })`);
  await page.viewer.read(`viewer.signal('message', { run: 'for (let i = 0; i < 40; i++) alert(i)' })`);
  await page.told('refused', "message.what === 'dialog'");
  await page.lines('ran for');
  await page.click(50, 200);
  await page.run("void addEventListener('beforeunload', (event) => event.preventDefault())");
  await page.viewer.read("viewer.signal('message', { run: 'location.reload()' })");
  await page.lines('loaded');
});

test('a tab that the page opens takes the place of the page, whatever click opens it', async () => {
  await page.viewer.read("viewer.signal('message', { run: 'onbeforeunload = null' })");
  await page.click(350, 72, 1);
  await page.lines('second opener false');
  await page.viewer.until(`(() => {
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.drawImage(video, 0, 0);
    const [red, green] = context.getImageData(0, 0, 1, 1).data;
    return red < 60 && green > 90;
  })()`);
});

/** An HTTP proxy, and what it was asked for: the address, and the credentials. */
async function openProxy(): Promise<{ proxy: Server; port: number; asked: (string | undefined)[][] }> {
  const asked: (string | undefined)[][] = [];
  const proxy = createServer((_request, response) => void response.writeHead(405).end());
  proxy.on('connect', ({ url = '', headers }: IncomingMessage, client) => {
    asked.push([url, headers['proxy-authorization']]);
    const { hostname, port } = new URL(`http://${url}`);
    const onward = connect(Number(port), hostname);
    for (const socket of [client, onward]) socket.on('error', () => undefined);
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    client.pipe(onward).pipe(client);
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  return { proxy, port: (proxy.address() as AddressInfo).port, asked };
}

/** Pixels of a PNG that are red. */
async function redPixels(png: Uint8Array): Promise<number> {
  const tab = await browser.browser.newPage();
  const count = await tab.evaluate(async (base64) => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
    context?.drawImage(image, 0, 0);
    const { data } = context?.getImageData(0, 0, image.width, image.height) ?? { data: [] };
    const isRed = (at: number): boolean => (data[at] ?? 0) > 240 && (data[at + 1] ?? 255) < 20;
    return Array.from({ length: data.length / 4 }, (_, index) => isRed(index * 4)).filter(Boolean).length;
  }, Buffer.from(png).toString('base64'));
  await tab.close();
  return count;
}

test('servers and the page see the user agent that the option names', async () => {
  const live = await server.router.sessions.get(session.id).page();
  expect(await live.evaluate(() => navigator.userAgent)).toBe(USER_AGENT);
  // Of the page, and of its frame of another site, whose process has crashed since.
  expect(agents.length).toBeGreaterThan(1);
  expect(new Set(agents)).toEqual(new Set([USER_AGENT]));
});

test('a page finds the world that the options and its client describe', async () => {
  const { proxy, port, asked } = await openProxy();
  const server = await TestServer.start({
    page: {
      drawSelects: true,
      upstreamProxy: `http://user:p%40ss@127.0.0.1:${port}/`,
      locale: 'de-DE',
      geolocation: { latitude: 52.5, longitude: 13.4 },
      permissions: ['geolocation'],
      headers: { 'x-token': 'of-the-target' },
      cookies: [{ name: 'chosen', value: 'yes' }],
      colorScheme: 'dark',
      newTabs: 'block',
    },
  });
  const tokens: unknown[] = [];
  server.http.prependListener('request', ({ url = '', headers }) => {
    if (url.startsWith('/fixtures/world')) tokens.push(headers['x-token']);
  });
  try {
    const session = await server.create(`${server.origin}/fixtures/world.html`, {
      resolution: '200x400',
      timezone: 'Asia/Tokyo',
      reducedMotion: true,
    });
    const { metadata } = await server.state(
      session,
      ({ status, metadata }) => status === 'connecting' && metadata.page.world !== undefined,
    );
    expect(metadata.page.world).toEqual({
      language: 'de-DE',
      locale: 'de-DE',
      timezone: 'Asia/Tokyo',
      orientation: 'portrait-primary',
      media: [true, true, true, true],
      cookie: 'chosen=yes',
      latitude: 52.5,
      webgpu: expect.toBeOneOf(['found', 'none']),
      headless: false,
      hints: ['Chromium', 'Not=A?Brand'],
    });
    expect(tokens).toEqual(['of-the-target']);
    const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
    expect(asked).toContainEqual([server.origin.replace('http://', ''), authorization]);
    // A list is in the picture: a player that draws none shows it.
    const live = server.router.sessions.get(session.id);
    expect(await redPixels(await live.snapshot())).toBe(0);
    await (await live.page()).click('select');
    await expect.poll(async () => redPixels(await live.snapshot())).toBeGreaterThan(3000);
  } finally {
    await server.close();
    proxy.closeAllConnections();
    proxy.close();
  }
});
