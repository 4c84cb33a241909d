import { EventEmitter } from 'node:events';
import { createContext, runInContext } from 'node:vm';

import { beforeEach, expect, it } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import { relayCalls } from '../../../../src/render/capture/call-relay.js';
import type { CdpSession } from '../../../../src/render/capture/cdp-connection.js';
import { TabControls, type TabControlsParameters } from '../../../../src/render/capture/page-controls.js';
import { installDevices, scriptNames, watchPointer } from '../../../../src/render/capture/page-scripts.js';

const names = scriptNames();

/** A document in a realm of its own, with those of our scripts that closing its tab takes. */
class TabDocument {
  /** What {@link installDevices} was told. */
  readonly told: unknown[] = [];
  /** What the scripts called us with. */
  readonly calls: unknown[] = [];
  readonly #shared = new EventTarget();
  readonly #realm: object;

  /** @param closes - whether the browser lets it close its tab. */
  constructor(closes: boolean) {
    const window = new EventTarget();
    const shared = Object.assign(this.#shared, { now: () => performance.now() });
    this.#realm = createContext({
      ...{ performance: shared, CustomEvent, Event, document: {}, navigator: Object.create({}) as object },
      addEventListener: window.addEventListener.bind(window),
      dispatchEvent: window.dispatchEvent.bind(window),
    });
    this.run(`top = globalThis; closed = false; close = () => void (closed = ${String(closes)})`);
    for (const script of [installDevices, relayCalls, watchPointer])
      this.run(`(${script.toString()})(${JSON.stringify(names)})`);
    shared.addEventListener(names.told, (event) =>
      this.told.push(JSON.parse((event as CustomEvent<string>).detail)),
    );
  }

  get closed(): boolean {
    return this.run('closed') === true;
  }

  run(source: string): unknown {
    return runInContext(source, this.#realm);
  }

  connect(onCall: (payload: string) => void): void {
    Object.assign(this.#realm, {
      [names.binding]: (payload: string) => {
        this.calls.push(JSON.parse(payload));
        onCall(payload);
      },
    });
  }

  tell(value: object): void {
    this.#shared.dispatchEvent(new CustomEvent(names.told, { detail: JSON.stringify(value) }));
  }
}

interface CommandParameters {
  readonly contextId?: number;
  readonly executionContextId?: number;
  readonly expression?: string;
}

/** A tab of which only the documents are real. */
class FakeTab extends EventEmitter {
  readonly #documents = new Map<number, TabDocument>();
  #contextId = 0;

  /** The main frame has another document. */
  navigate(closes: boolean): TabDocument {
    const document = this.replace(closes);
    this.emit('Page.frameNavigated', { frame: { id: 'main' } });
    return document;
  }

  /** It is not told yet. */
  replace(closes: boolean): TabDocument {
    const document = new TabDocument(closes);
    this.#documents.clear();
    this.#documents.set(++this.#contextId, document);
    return document;
  }

  async send(
    method: string,
    { contextId = 0, executionContextId = 0, expression = '' }: CommandParameters = {},
  ): Promise<object> {
    // The browser answers in a later turn of the loop.
    await new Promise((resolve) => setImmediate(resolve));
    if (method === 'Page.getFrameTree') return { frameTree: { frame: { id: 'main' } } };
    if (method === 'Page.createIsolatedWorld') return { executionContextId: this.#contextId };
    if (method === 'Runtime.addBinding')
      this.#documents
        .get(executionContextId)
        ?.connect((payload) =>
          this.emit('Runtime.bindingCalled', { name: names.binding, payload, executionContextId }),
        );
    if (method !== 'Runtime.evaluate') return {};
    const document = this.#documents.get(contextId);
    if (document === undefined) throw new Error('Cannot find context with specified id');
    return { result: { value: document.run(expression) } };
  }
}

let tab: FakeTab;
let first: TabDocument;
let controls: TabControls;
/** Whether another tab stays. */
let mayClose: boolean;
/** Whether the tab counts as one that is about to close. */
let isLeaving: boolean;

beforeEach(async () => {
  tab = new FakeTab();
  first = tab.replace(false);
  [mayClose, isLeaving] = [true, false];
  const parameters: Partial<TabControlsParameters> = {
    ...{ cdp: tab as unknown as CdpSession, names, copiesImages: false, logger: silentLogger },
    prepareSession: () => Promise.resolve(),
    onClosing: () => (isLeaving = mayClose),
    onStays: () => (isLeaving = false),
  };
  controls = await TabControls.install(parameters as TabControlsParameters);
  return () => controls.close();
});

/** Whether the scripts of a document hear of us; what it was told before, it has. */
async function isReached(document: TabDocument): Promise<void> {
  controls.setOnlyTab(false);
  await expect.poll(() => document.told).toContainEqual({ isOnlyTab: false });
}

it('the answer to one document is not given to a later one of the tab', async () => {
  await isReached(first);
  first.run('close()');
  expect(isLeaving).toBe(true);
  await expect.poll(() => first.told).toContainEqual({ mayClose: true });
  // The browser does not let it.
  await expect.poll(() => isLeaving).toBe(false);
  const second = tab.navigate(true);
  await isReached(second);
  expect(second.told).not.toContainEqual({ mayClose: true });
  // It asks for itself.
  mayClose = false;
  second.run('close()');
  await expect.poll(() => second.told).toContainEqual({ mayClose: false });
  expect(second.closed).toBe(false);
  mayClose = true;
  second.run('close()');
  await expect.poll(() => second.closed).toBe(true);
  expect(isLeaving).toBe(true);
});

it('a tab whose document navigates before it has the answer stays, and so does one that goes otherwise', async () => {
  await isReached(first);
  first.run('close()');
  expect(isLeaving).toBe(true);
  const second = tab.navigate(true);
  await expect.poll(() => isLeaving).toBe(false);
  await isReached(second);
  second.run('close()');
  expect(isLeaving).toBe(true);
  // The answer fails before the browser reports the navigation.
  tab.replace(true);
  await expect.poll(() => isLeaving).toBe(false);
  expect([first.closed, second.closed]).toEqual([false, false]);
});

it('a tab that closes stays where another document takes its place first', async () => {
  const closing = tab.navigate(true);
  await isReached(closing);
  closing.run('close()');
  await expect.poll(() => closing.closed).toBe(true);
  expect(isLeaving).toBe(true);
  tab.navigate(true);
  expect(isLeaving).toBe(false);
});

it('a document that hears that it may close the tab, but did not ask, reports that the tab stays', async () => {
  const document = tab.navigate(true);
  await isReached(document);
  document.tell({ mayClose: false });
  expect(document.calls).toEqual([]);
  document.tell({ mayClose: true });
  expect(document.calls).toEqual([{ type: 'close', value: 'stays' }]);
  expect(document.closed).toBe(false);
});
