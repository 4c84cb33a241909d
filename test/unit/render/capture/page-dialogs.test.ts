import { EventEmitter } from 'node:events';

import { expect, test } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import type { PageEvent } from '../../../../src/protocol/page-events.js';
import type { CdpSession } from '../../../../src/render/capture/cdp-connection.js';
import { PageDialogs } from '../../../../src/render/capture/page-dialogs.js';
import { PagePrompts } from '../../../../src/render/capture/page-prompts.js';
import { settle } from '../../../helpers/virtual-clock.js';

class FakeSession extends EventEmitter {
  readonly sent: unknown[] = [];

  send(method: string, parameters: object): Promise<unknown> {
    this.sent.push([method, parameters]);
    return Promise.resolve({});
  }
}

test('a dialog that somebody else has closed is withdrawn, and its answer closes no other', async () => {
  const events: PageEvent[] = [];
  const emit = (event: PageEvent): void => void events.push(event);
  const dialogs = new PageDialogs({ prompts: new PagePrompts(emit), emit, logger: silentLogger });
  dialogs.isLive = true;
  const session = new FakeSession();
  const tab = dialogs.watch(session as unknown as CdpSession, () => true);
  session.emit('Page.javascriptDialogOpening', { type: 'confirm', message: 'Really?' });
  expect([tab.isOpen, events]).toMatchObject([true, [{ type: 'dialog', message: 'Really?' }]]);
  session.emit('Page.javascriptDialogClosed', { result: true });
  await settle();
  expect([tab.isOpen, events.at(-1)?.type, session.sent]).toEqual([false, 'prompt_closed', []]);
});
