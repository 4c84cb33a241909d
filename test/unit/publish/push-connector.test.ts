import { expect, it } from 'vitest';

import { PushConnector } from '../../../src/publish/push-connector.js';
import { pushTarget } from '../../../src/publish/push-target.js';
import { FakePacketSource } from '../../helpers/recording-fakes.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

it('connections by SRT wait for the thread of the one before', async () => {
  let leave = (): void => undefined;
  const gone = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const connector = new PushConnector({
    target: pushTarget(new URL('srt://live.example.com:9000')),
    client: {
      dial: () => Promise.reject(new Error('SRT dials nothing')),
      addressOf: () => Promise.resolve('192.0.2.7'),
    },
    openThread: () => ({ send: () => undefined, stop: () => undefined, close: () => gone }),
    openSource: new FakePacketSource().open,
    attach: () => undefined,
    clock: new VirtualClock(),
  });
  const open = await connector.prepare();
  const first = open(
    { onConnected: () => undefined, onFailed: () => undefined },
    new AbortController().signal,
  );
  first.open();
  await settle();
  const closing = first.close();
  let isPrepared = false;
  const preparing = connector.prepare().then(() => (isPrepared = true));
  await settle();
  expect(isPrepared).toBe(false);
  leave();
  await Promise.all([closing, preparing]);
});
