import { EventEmitter } from 'node:events';

import { beforeEach, expect, test } from 'vitest';

import type { PageEvent } from '../../../../src/protocol/page-events.js';
import { BrowserTab } from '../../../../src/render/capture/browser-tab.js';
import type { CdpConnection, CdpSession } from '../../../../src/render/capture/cdp-connection.js';
import type { PageTab } from '../../../../src/render/capture/page-tab.js';
import { PageTabs } from '../../../../src/render/capture/page-tabs.js';
import { silentLogger } from '../../../../src/base/logger.js';

/** A browser of which only the targets are real. */
class FakeBrowser extends EventEmitter {
  readonly sessions = new Map<string, FakeSession>();

  async send(method: string, { targetId = '' }: { targetId?: string } = {}): Promise<unknown> {
    if (method === 'Target.closeTarget') this.closed(targetId);
    if (method === 'Target.createTarget') {
      await Promise.resolve();
      // Before the answer, as Chromium has it.
      this.emit('sessionattached', this.open('own'));
      return { targetId: 'own' };
    }
    const targetInfos = [...this.sessions.keys()].map((id) => ({ targetId: id, title: id, url: '' }));
    return { targetInfos };
  }

  open(targetId: string, openerId?: string): FakeSession {
    const session = new FakeSession({ targetId, type: 'page', ...(openerId !== undefined && { openerId }) });
    this.sessions.set(targetId, session);
    return session;
  }

  closed(targetId: string): void {
    const session = this.sessions.get(targetId);
    this.sessions.delete(targetId);
    session?.emit('disconnected');
  }
}

class FakeSession extends EventEmitter {
  isDetached = false;

  constructor(readonly target: CdpSession['target']) {
    super();
  }

  send(): Promise<unknown> {
    return Promise.resolve({});
  }

  detach(): Promise<void> {
    this.isDetached = true;
    this.emit('disconnected');
    return Promise.resolve();
  }
}

let browser: FakeBrowser;
let events: PageEvent[];
let lost: string[];
/** Target ids, in the order in which they were captured. */
let captured: string[];
/** What happens while a tab is captured. */
let onCapture: (targetId: string, onShown: () => void) => void | Promise<void>;
let tabs: PageTabs;
const pages = new Map<string, PageTab>();
/** What each tab was told of being the only one, by target id. */
const onlyTab = new Map<string, boolean>();

beforeEach(async () => {
  browser = new FakeBrowser();
  [events, lost, captured] = [[], [], []];
  onCapture = () => undefined;
  pages.clear();
  onlyTab.clear();
  const attach = (targetId: string): Promise<FakeSession> => {
    const session = new FakeSession({ targetId, type: 'page' });
    browser.emit('sessionattached', session);
    return Promise.resolve(session);
  };
  const connection = { browser, attach } as unknown as CdpConnection;
  tabs = new PageTabs({
    ...{ connection, captureTitle: 'capture', newTabs: 'tabs', maxTabs: 8, logger: silentLogger },
    prepare: (id, tab, isOnlyTab) => {
      const nothing = (): void => undefined;
      const setOnlyTab = (isOnly: boolean): void => void onlyTab.set(tab.targetId, isOnly);
      setOnlyTab(isOnlyTab);
      const controls = { show: nothing, hide: nothing, setGamepads: nothing, setOnlyTab };
      const front = { toFront: () => Promise.resolve(), toBack: nothing, close: nothing };
      const page = { id, tab, cdp: tab.cdp, controls, title: '', url: '', ...front } as unknown as PageTab;
      pages.set(tab.targetId, page);
      return Promise.resolve(page);
    },
    capture: async ({ tab: { targetId } }, onShown) => {
      captured.push(targetId);
      await onCapture(targetId, onShown);
      onShown();
    },
    onLost: (what) => lost.push(what),
    emit: (event) => events.push(event),
  });
  const first = browser.open('first') as unknown as CdpSession;
  await tabs.begin(BrowserTab.of(connection, first));
  await tabs.watch();
  return () => tabs.close();
});

/** A press in a tab opens another. */
function open(targetId: string, openerId = 'first', pressedIn = openerId): void {
  const pressed = pages.get(pressedIn);
  if (pressed !== undefined) tabs.press(pressed);
  browser.emit('sessionattached', browser.open(targetId, openerId));
}

function toldTabs(): Extract<PageEvent, { type: 'tabs' }> | undefined {
  return events.findLast((event) => event.type === 'tabs');
}

async function shows(targetId: string, count: number): Promise<void> {
  await expect.poll(() => [tabs.shown.tab.targetId, toldTabs()?.tabs.length]).toEqual([targetId, count]);
  expect(toldTabs()?.activeId).toBe(pages.get(targetId)?.id);
}

test('the last tab knows that it is the only one, which its page cannot close', async () => {
  expect([...onlyTab]).toEqual([['first', true]]);
  open('second');
  await shows('second', 2);
  expect([...onlyTab]).toEqual([
    ['first', false],
    ['second', false],
  ]);
  browser.closed('first');
  expect(onlyTab.get('second')).toBe(true);
});

test('a tab that closes while it is being captured gives way to the one before', async () => {
  open('second');
  await shows('second', 2);
  await tabs.act('show', pages.get('first')?.id ?? '');
  await shows('first', 2);
  // The capture of a screencast does not fail with the tab.
  onCapture = (targetId) => {
    if (targetId === 'second') browser.closed('second');
  };
  await tabs.act('show', pages.get('second')?.id ?? '');
  await shows('first', 1);
  expect(captured).toEqual(['second', 'first', 'second', 'first']);
});

test('a tab gets input before its first picture comes, and is told once it is captured', async () => {
  const seen: string[] = [];
  const look = (): void => void seen.push(`${tabs.shown.tab.targetId} ${events.length}`);
  onCapture = async (_, onShown) => {
    look();
    onShown();
    look();
    // What would have been told already comes before this.
    await new Promise((resolve) => setImmediate(resolve));
    look();
  };
  open('second');
  await shows('second', 2);
  expect(seen).toEqual(['first 0', 'second 0', 'second 0']);
});

test.each([
  ['at all', false],
  ['once it has been shown', true],
])('a tab that cannot be captured %s is closed, and the one before is captured again', async (_, isShown) => {
  onCapture = (targetId, onShown) => {
    if (targetId !== 'second') return;
    if (isShown) onShown();
    throw new Error('It cannot be captured');
  };
  open('second');
  await expect.poll(() => events.at(-1)).toMatchObject({ type: 'refused', what: 'new_tab' });
  expect([tabs.shown.tab.targetId, captured, [...browser.sessions.keys()]]).toEqual([
    'first',
    ['second', 'first'],
    ['first'],
  ]);
});

test('a tab that closes while another is being captured stays closed, and the other is shown', async () => {
  onCapture = (targetId) => {
    if (targetId === 'second') browser.closed('first');
  };
  open('second');
  await expect.poll(() => tabs.shown.tab.targetId).toBe('second');
  expect([captured, lost]).toEqual([['second'], []]);
});

test('a tab that closes gives way to its opener, whatever is shown next meanwhile', async () => {
  open('second');
  await shows('second', 2);
  open('third', 'second');
  await shows('third', 3);
  // Asked for first, so shown first; then the tab that has closed needs no successor.
  const shown = tabs.act('show', pages.get('first')?.id ?? '');
  browser.closed('third');
  await shown;
  await shows('first', 2);
  await tabs.act('show', pages.get('second')?.id ?? '');
  open('fourth', 'first');
  await shows('fourth', 3);
  browser.closed('fourth');
  await shows('first', 2);
});

test('the page is lost when no tab can be captured', async () => {
  open('second');
  await shows('second', 2);
  onCapture = () => Promise.reject(new Error('It cannot be captured'));
  browser.closed('second');
  await expect.poll(() => lost).toEqual(['closed']);
});

test('of tabs that close in one turn of the loop one stays, whoever closes them', async () => {
  open('second');
  await shows('second', 2);
  const [first, second] = ['first', 'second'].map((targetId) => pages.get(targetId)) as [PageTab, PageTab];
  // By their pages: one that the browser does not let close itself stays, and so does not count as gone.
  expect([tabs.leave(first), tabs.leave(second)]).toEqual([true, false]);
  tabs.stay(first);
  expect([tabs.leave(second), tabs.leave(first)]).toEqual([true, false]);
  tabs.stay(second);
  // By the controller.
  await Promise.all([tabs.act('close', second.id), tabs.act('close', first.id)]);
  await shows('first', 1);
  expect([[...browser.sessions.keys()], lost]).toEqual([['first'], []]);
  // Not by us: then there is no tab any more, and that is told once.
  open('third');
  await shows('third', 2);
  captured.length = 0;
  browser.closed('third');
  browser.closed('first');
  expect(lost).toEqual(['closed']);
  await tabs.withShown(() => Promise.resolve());
  expect([captured, lost]).toEqual([[], ['closed']]);
});

test('a press in one tab does not let another open a tab', async () => {
  open('second');
  await shows('second', 2);
  open('third', 'first', 'second');
  await expect.poll(() => events.at(-1)).toMatchObject({ type: 'refused', what: 'new_tab' });
  expect([...browser.sessions.keys()]).toEqual(['first', 'second']);
});

test('a tab of ours is none of the page, and keeps the session that is ours', async () => {
  const own = await tabs.openOwn('about:blank#own');
  const automatic = browser.sessions.get('own');
  await expect.poll(() => automatic?.isDetached).toBe(true);
  expect((own.cdp as unknown as FakeSession).isDetached).toBe(false);
  expect([[...pages.keys()], events]).toEqual([['first'], []]);
  // Without a press a page opens none.
  browser.emit('sessionattached', browser.open('second'));
  await expect.poll(() => events.at(-1)).toMatchObject({ type: 'refused', what: 'new_tab' });
});
