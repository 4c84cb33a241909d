import { beforeEach, expect, it } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import type { PageEvent } from '../../../../src/protocol/page-events.js';
import type { CdpSession } from '../../../../src/render/capture/cdp-connection.js';
import { TabControls, type TabControlsParameters } from '../../../../src/render/capture/page-controls.js';
import { PagePrompts } from '../../../../src/render/capture/page-prompts.js';
import { scriptNames } from '../../../../src/render/capture/page-scripts.js';
import { FakeFrames } from '../../../helpers/fake-frames.js';

const SELECT = {
  ...{ widget: 1, kind: 'select', rect: { x: 0, y: 0, width: 100, height: 20 }, multiple: false },
  ...{ value: '', min: '', max: '', step: '' },
  options: [{ value: 'a', label: 'a', selected: true, disabled: false, group: '' }],
};

let tab: FakeFrames;
let events: PageEvent[];
let controls: TabControls;

beforeEach(async () => {
  const names = scriptNames();
  tab = new FakeFrames(names, 'main');
  events = [];
  const onPageEvent = (event: PageEvent): void => void events.push(event);
  const parameters: Partial<TabControlsParameters> = {
    ...{ cdp: tab as unknown as CdpSession, names, copiesImages: false, logger: silentLogger },
    ...{ prepareSession: () => Promise.resolve(), isShown: () => true },
    ...{ shown: () => ({ width: 640, height: 360 }), prompts: new PagePrompts(onPageEvent) },
    listener: { onPageEvent, onCursor: () => undefined, onClipboard: () => undefined },
  };
  controls = await TabControls.install(parameters as TabControlsParameters);
  return () => controls.close();
});

async function says(frameId: string, type: string, value: unknown): Promise<void> {
  await expect.poll(() => tab.call(frameId, type, value)).toBe(true);
}

it('what a document held and asked for is over when another replaces it', async () => {
  await says('main', 'editing', 'numeric');
  await says('main', 'pointer_lock', true);
  await says('main', 'widget', SELECT);
  expect(events.map(({ type }) => type)).toEqual(['editing', 'pointer_lock', 'select']);
  events.length = 0;
  tab.navigated('main');
  expect(events).toEqual([
    { type: 'prompt_closed', id: '1' },
    { type: 'editing', active: false },
    { type: 'pointer_lock', locked: false },
  ]);
});

it('what one frame holds stays when another is removed', async () => {
  tab.navigated('child', 'main');
  await says('child', 'cursor', 'text');
  await says('main', 'editing', 'text');
  await says('main', 'widget', SELECT);
  events.length = 0;
  tab.emit('Page.frameDetached', { frameId: 'child' });
  expect(events).toEqual([]);
});
