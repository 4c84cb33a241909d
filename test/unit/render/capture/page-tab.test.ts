import { EventEmitter } from 'node:events';
import { createContext, runInContext } from 'node:vm';

import { expect, it } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import { BrowserTab } from '../../../../src/render/capture/browser-tab.js';
import type { CdpConnection, CdpSession } from '../../../../src/render/capture/cdp-connection.js';
import { PageBridge } from '../../../../src/render/capture/page-bridge.js';
import { PageDialogs } from '../../../../src/render/capture/page-dialogs.js';
import { PageFiles } from '../../../../src/render/capture/page-files.js';
import { PagePrompts } from '../../../../src/render/capture/page-prompts.js';
import { scriptNames } from '../../../../src/render/capture/page-scripts.js';
import { PageTab } from '../../../../src/render/capture/page-tab.js';
import { PageWorld } from '../../../../src/render/capture/page-world.js';

const ORIGIN = 'http://127.0.0.1';

interface CommandParameters {
  readonly source?: string;
  readonly worldName?: string;
  readonly expression?: string;
}

/** A tab whose page starts after some of our commands. Only the world beside the page is real. */
class FakeTab extends EventEmitter {
  readonly target = { targetId: 'main', type: 'page' };
  /** In their order; those to the browser itself are not among them. */
  readonly commands: string[] = [];
  /** How many of them reach the document before the page starts. */
  readonly #head: number;
  readonly #world: object;
  readonly #names: ReturnType<typeof scriptNames>;
  #isStarted = false;

  constructor(head: number, names: ReturnType<typeof scriptNames>) {
    super();
    this.setMaxListeners(0);
    this.#head = head;
    this.#names = names;
    const window = new EventTarget();
    const document = Object.assign(new EventTarget(), { documentElement: null, activeElement: null });
    this.#world = createContext({
      ...{ document, location: { protocol: 'http:', origin: ORIGIN }, CustomEvent, setTimeout },
      performance: Object.assign(new EventTarget(), { now: () => performance.now() }),
      addEventListener: window.addEventListener.bind(window),
    });
    runInContext('top = self = globalThis', this.#world);
  }

  send(method: string, parameters: CommandParameters = {}): Promise<object> {
    this.#run(method, parameters);
    if (method === 'Page.getFrameTree') return Promise.resolve({ frameTree: { frame: { id: 'main' } } });
    if (method === 'Page.createIsolatedWorld') return Promise.resolve({ executionContextId: 1 });
    return Promise.resolve({ result: {} });
  }

  /** The page is there from now on, and says something. */
  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    runInContext('document.documentElement = { firstChild: {} }', this.#world);
    const said = JSON.stringify({ type: 'message', value: 'early' });
    const event = `new CustomEvent(${JSON.stringify(this.#names.said)}, { detail: ${JSON.stringify(said)} })`;
    runInContext(`performance.dispatchEvent(${event})`, this.#world);
  }

  #run(method: string, { source = '', worldName, expression }: CommandParameters): void {
    if (!method.startsWith('Target.')) this.commands.push(method);
    if (this.commands.length > this.#head) this.#start();
    if (worldName !== undefined) runInContext(source, this.#world);
    if (expression !== undefined) runInContext(expression, this.#world);
    if (method !== 'Runtime.addBinding') return;
    const { binding: name } = this.#names;
    const call = (payload: string): boolean =>
      this.emit('Runtime.bindingCalled', { name, payload, executionContextId: 1 });
    Object.assign(this.#world, { [name]: call });
  }
}

/** A tab whose page starts after as many of our commands as `head`: these commands, and what the page is heard to say. */
async function prepare(head: number): Promise<{ commands: string[]; messages: unknown[] }> {
  const messages: unknown[] = [];
  const names = scriptNames();
  const tab = new FakeTab(head, names);
  const emit = (): void => undefined;
  const listener = {
    ...{ onCursor: () => undefined, onClipboard: () => undefined, onPageEvent: emit },
    ...{ onPageMetadata: () => undefined, onPageMessage: (message: unknown) => void messages.push(message) },
  };
  const logger = silentLogger;
  const prompts = new PagePrompts(emit);
  const browser = {
    send: () => Promise.resolve({ product: 'HeadlessChrome/156.0.0.0', userAgent: 'Chrome' }),
  } as unknown as CdpSession;
  const cdp = tab as unknown as CdpSession;
  const page = {
    ...{ locale: 'de-DE', timezone: 'Europe/Berlin', touch: true, drawSelects: true },
    ...{ headers: { 'x-tab': '1' }, geolocation: { latitude: 0, longitude: 0 } },
    ignoreCertificateErrors: ['127.0.0.1'],
  };
  const world = await PageWorld.prepare(browser, cdp, `${ORIGIN}/`, page, logger);
  const prepared = await PageTab.prepare(
    '1',
    BrowserTab.of({ browser } as unknown as CdpConnection, cdp),
    false,
    {
      ...{ world, names, prompts, listener, logger, deviceScaleFactor: 1, copiesImages: true },
      bridge: new PageBridge({
        ...{ initialData: null, origins: [ORIGIN], saidEvent: names.said, listener, logger },
      }),
      dialogs: new PageDialogs({ prompts, emit, logger }),
      files: new PageFiles({ files: undefined, prompts, emit, logger }),
      size: () => ({ width: 640, height: 360 }),
      ...{ isShown: () => true, isInFront: () => true, onClosing: () => true },
      ...{ onStays: () => undefined, onPress: () => undefined },
    },
  );
  // What a document calls reaches us once the way to it is made.
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  prepared.close();
  return { commands: tab.commands, messages };
}

it('a new tab whose page starts before any one of our commands is loaded again, once', async () => {
  const { commands: all } = await prepare(Infinity);
  expect(all).not.toContain('Page.reload');
  // After those that prepare the tab come those that enter the document.
  const count = all.indexOf('Page.getFrameTree');
  expect(count).toBeGreaterThan(15);
  for (let head = 0; head < count; head++) {
    const { commands, messages } = await prepare(head);
    const place = `before ${all[head]}, command ${head + 1}`;
    expect(
      commands.filter((command) => command === 'Page.reload'),
      place,
    ).toHaveLength(1);
    // It will say so again.
    expect(messages, place).toEqual([]);
  }
});
