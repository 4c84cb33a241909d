import { expect, it } from 'vitest';

import { CdpGuest } from '../../../../src/render/capture/cdp-guest.js';
import { ScriptedBrowser } from '../../../helpers/scripted-browser.js';
import { settle } from '../../../helpers/virtual-clock.js';

const MEBIBYTE = 2 ** 20;

class GuestHarness {
  readonly sent: any[] = [];
  ended: string | undefined;
  readonly presses: string[] = [];
  guest!: CdpGuest;
  root = '';
  #lastId = 0;

  static async open(browser: ScriptedBrowser): Promise<GuestHarness> {
    const harness = new GuestHarness();
    harness.guest = await CdpGuest.open(browser.connection, () => false, {
      send: (json) => void harness.sent.push(JSON.parse(json)),
      onPress: (targetId) => void harness.presses.push(targetId),
      onScreenshot: () => Promise.resolve(),
      onEnded: (reason) => (harness.ended = reason),
    });
    harness.root = `ROOT-${browser.named('Target.attachToBrowserTarget').length}`;
    return harness;
  }

  send(method: string, params: object = {}, sessionId?: string): void {
    this.#lastId += 1;
    this.guest.receive(JSON.stringify({ id: this.#lastId, method, params, sessionId }));
  }

  /** The browser attaches it to a target. */
  attach(browser: ScriptedBrowser, sessionId: string, url = 'https://example.org/'): Promise<void> {
    const targetInfo = { targetId: `T-${sessionId}`, type: 'page', url };
    return browser.say({
      method: 'Target.attachedToTarget',
      params: { sessionId, targetInfo, waitingForDebugger: false },
      sessionId: this.root,
    });
  }

  get errors(): string[] {
    return this.sent.flatMap(({ error }) => (error === undefined ? [] : [error.message as string]));
  }
}

it('guests that send more than the browser answers do not use up what our own commands may', async () => {
  const browser = new ScriptedBrowser();
  const guests: GuestHarness[] = [];
  for (let i = 0; i < 8; i++) guests.push(await GuestHarness.open(browser));
  for (const harness of guests) for (let i = 0; i < 501; i++) harness.send('Browser.getVersion');
  await settle();
  expect(browser.named('Browser.getVersion')).toHaveLength(8 * 500);
  for (const { errors } of guests) expect(errors).toEqual(['Too many commands wait for an answer']);
  const ours = browser.connection.browser.send('Browser.getVersion');
  await settle();
  const { id } = browser.commands.at(-1) ?? {};
  await browser.say({ id, result: { product: 'ours' } });
  expect(await ours).toEqual({ product: 'ours' });
});

it('a guest whose commands the browser does not read leaves room for our own', async () => {
  const browser = new ScriptedBrowser();
  const harness = await GuestHarness.open(browser);
  const text = 'a'.repeat(5 * MEBIBYTE);
  // In one task, in which nothing is read.
  for (let i = 0; i < 3; i++) harness.send('Input.insertText', { text });
  const ours = browser.connection.browser.send('Browser.getVersion');
  expect(harness.errors).toEqual([expect.stringContaining('cannot be sent')]);
  await settle();
  await browser.say({ id: browser.named('Browser.getVersion')[0]?.id, result: {} });
  expect(await ours).toEqual({});
});

it('an event that is too long ends the guest whose session it is of, and no other', async () => {
  const browser = new ScriptedBrowser();
  const [first, second] = [await GuestHarness.open(browser), await GuestHarness.open(browser)];
  await first.attach(browser, 'S-1');
  await second.attach(browser, 'S-2');
  browser.connection.browser.on('Runtime.bindingCalled', () => undefined);
  const payload = 'a'.repeat(17 * MEBIBYTE);
  await browser.say({ method: 'Runtime.bindingCalled', params: { payload }, sessionId: 'S-1' });
  await settle();
  expect([first.ended, second.ended, browser.oversized]).toEqual(['oversized', undefined, []]);
  // A session that the guest had, and that nobody has any more.
  await browser.say({ method: 'Runtime.bindingCalled', params: { payload }, sessionId: 'S-1' });
  expect(browser.oversized).toEqual([]);
  await browser.say({ method: 'Runtime.bindingCalled', params: { payload } });
  expect(browser.oversized).toEqual(['Runtime.bindingCalled']);
});

it('an answer that is too long fails one command of the guest', async () => {
  const browser = new ScriptedBrowser();
  const harness = await GuestHarness.open(browser);
  harness.send('Browser.getVersion');
  await settle();
  const { id } = browser.named('Browser.getVersion')[0] ?? {};
  await browser.say({ id, result: { product: 'a'.repeat(41 * MEBIBYTE) } });
  expect([harness.errors, harness.ended]).toEqual([['The answer is too long'], undefined]);
});

it.each([
  'chrome://settings/',
  'chrome-untrusted://x/',
  'devtools://devtools/',
  'chrome-extension://abc/x.js',
])('a target with the URL %s does not exist for a guest', async (url) => {
  const browser = new ScriptedBrowser();
  const harness = await GuestHarness.open(browser);
  await harness.attach(browser, 'S-1', url);
  const targetInfo = { targetId: 'T-S-1', type: 'page', url };
  await browser.say({ method: 'Target.targetCreated', params: { targetInfo }, sessionId: harness.root });
  harness.send('Target.attachToTarget', { targetId: 'T-S-1', flatten: true });
  harness.send('Runtime.evaluate', { expression: '1' }, 'S-1');
  expect(harness.errors).toEqual(['No target with given id found', 'Session with given id not found.']);
  expect(harness.sent.filter(({ method }) => method !== undefined)).toEqual([]);
  expect(browser.named('Target.detachFromTarget').map(({ params }) => params)).toEqual([
    { sessionId: 'S-1' },
  ]);
});

it('a guest has at most 500 sessions', async () => {
  const browser = new ScriptedBrowser();
  const harness = await GuestHarness.open(browser);
  // Its root is one.
  for (let i = 1; i <= 500; i++) await harness.attach(browser, `S-${i}`);
  expect(harness.sent).toHaveLength(499);
  expect(browser.named('Target.detachFromTarget').map(({ params }) => params)).toEqual([
    { sessionId: 'S-500' },
  ]);
  harness.send('Target.attachToTarget', { targetId: 'T-S-1', flatten: true });
  expect(harness.errors).toEqual(['A client has at most 500 sessions']);
  await browser.say({
    method: 'Target.detachedFromTarget',
    params: { sessionId: 'S-1' },
    sessionId: harness.root,
  });
  await harness.attach(browser, 'S-501');
  expect(harness.sent.at(-1).params.sessionId).toBe('S-501');
});

it.each([
  [
    'it resumes it',
    (_: GuestHarness, browser: ScriptedBrowser) =>
      browser.say({ method: 'Debugger.resumed', params: {}, sessionId: 'S-1' }),
  ],
  [
    'its debugger is off',
    async (harness: GuestHarness, browser: ScriptedBrowser) => {
      harness.send('Debugger.disable', {}, 'S-1');
      await settle();
      await browser.say({ id: browser.named('Debugger.disable')[0]?.id, result: {}, sessionId: 'S-1' });
    },
  ],
  [
    'it navigates it',
    async (harness: GuestHarness, browser: ScriptedBrowser) => {
      harness.send('Page.navigate', { url: 'https://example.org/' }, 'S-1');
      await settle();
      await browser.say({ id: browser.named('Page.navigate')[0]?.id, result: {}, sessionId: 'S-1' });
    },
  ],
  [
    'it lets go of the page',
    (harness: GuestHarness, browser: ScriptedBrowser) =>
      browser.say({
        method: 'Target.detachedFromTarget',
        params: { sessionId: 'S-1' },
        sessionId: harness.root,
      }),
  ],
  ['it ends', ({ guest }: GuestHarness) => guest.close()],
])('a page that a guest has halted counts as halted until %s', async (_until, end) => {
  const browser = new ScriptedBrowser();
  const harness = await GuestHarness.open(browser);
  await harness.attach(browser, 'S-1');
  await browser.say({ method: 'Debugger.paused', params: { callFrames: [] }, sessionId: 'S-1' });
  expect(harness.guest.hasPaused).toBe(true);
  await end(harness, browser);
  expect(harness.guest.hasPaused).toBe(false);
});

it('input of a guest waits in order while a person has control, and other commands pass', async () => {
  const browser = new ScriptedBrowser();
  const harness = await GuestHarness.open(browser);
  harness.guest.setInput('hold');
  harness.send('Input.insertText', { text: 'first' });
  harness.send('Browser.getVersion');
  harness.send('Input.insertText', { text: 'second' });
  await settle();
  expect(browser.named('Input.insertText')).toEqual([]);
  expect(browser.named('Browser.getVersion')).toHaveLength(1);
  harness.guest.setInput('pass');
  await settle();
  expect(browser.named('Input.insertText').map(({ params }) => params?.text)).toEqual(['first', 'second']);
});

it('input of a guest is refused without control, also what waited for it', async () => {
  const browser = new ScriptedBrowser();
  const harness = await GuestHarness.open(browser);
  harness.guest.setInput('hold');
  harness.send('Input.insertText', { text: 'first' });
  harness.guest.setInput('refuse');
  harness.send('Input.insertText', { text: 'second' });
  await settle();
  expect(harness.errors).toEqual(Array(2).fill(expect.stringContaining('does not have control')));
  expect(browser.named('Input.insertText')).toEqual([]);
});

it('a guest has at most 500 commands and 1 MiB of input waiting for control', async () => {
  const browser = new ScriptedBrowser();
  const harness = await GuestHarness.open(browser);
  harness.guest.setInput('hold');
  harness.send('Input.insertText', { text: 'a'.repeat(MEBIBYTE) });
  for (let i = 0; i < 501; i++) harness.send('Input.insertText', { text: 'b' });
  expect(harness.errors).toEqual([
    'Too much input waits for control of the page',
    'Too many commands wait for an answer',
  ]);
});

it('a press of a guest is told with the page that it is in', async () => {
  const browser = new ScriptedBrowser();
  const harness = await GuestHarness.open(browser);
  await harness.attach(browser, 'S-1');
  harness.send('Input.dispatchMouseEvent', { type: 'mouseMoved' }, 'S-1');
  expect(harness.presses).toEqual([]);
  harness.send('Input.dispatchMouseEvent', { type: 'mousePressed' }, 'S-1');
  expect(harness.presses).toEqual(['T-S-1']);
});
