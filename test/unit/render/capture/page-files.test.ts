import { EventEmitter } from 'node:events';

import { expect, it } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import type { PageEvent } from '../../../../src/protocol/page-events.js';
import type { CdpSession } from '../../../../src/render/capture/cdp-connection.js';
import { PageFiles } from '../../../../src/render/capture/page-files.js';
import { PagePrompts } from '../../../../src/render/capture/page-prompts.js';

/** A frame of another site, which has a session of its own. */
class FakeFrame extends EventEmitter {
  readonly target = { targetId: 'site' };
  send(): Promise<object> {
    return Promise.resolve({ node: {}, object: {} });
  }
}

it.each([
  ['its frame has another document', 'Page.frameNavigated', { frame: { id: 'child', parentId: 'main' } }],
  ['its tab has another document', 'Page.frameNavigated', { frame: { id: 'main' } }],
  [
    'the frame above it has another document',
    'Page.frameNavigated',
    { frame: { id: 'site', parentId: 'main' } },
  ],
  ['its frame is removed', 'Page.frameDetached', { frameId: 'child' }],
  ['its process crashes', 'Inspector.targetCrashed', undefined],
  ['its process goes', 'disconnected', undefined],
])('a file chooser is withdrawn when %s, and not before', async (_when, event, parameters) => {
  const tab = new FakeFrame();
  const events: PageEvent[] = [];
  const emit = (told: PageEvent): void => void events.push(told);
  const files = new PageFiles({
    ...{ prompts: new PagePrompts(emit), emit, logger: silentLogger },
    files: { directory: '/nowhere', uploads: true, downloads: false, maxBytes: 1 },
  });
  await files.watch(tab as unknown as CdpSession, () => true);
  tab.emit('Page.fileChooserOpened', { frameId: 'child', backendNodeId: 1, mode: 'selectSingle' });
  await expect.poll(() => events.map(({ type }) => type)).toEqual(['file_chooser']);
  tab.emit('Page.frameNavigated', { frame: { id: 'other', parentId: 'main' } });
  tab.emit('Page.frameDetached', { frameId: 'other' });
  expect(events).toHaveLength(1);
  tab.emit(event, parameters);
  expect(events.map(({ type }) => type)).toEqual(['file_chooser', 'prompt_closed']);
  await expect.poll(() => tab.listenerCount('Page.frameNavigated')).toBe(0);
});
