import { expect, it } from 'vitest';

import { EncoderProbe } from '../../../../src/render/encode/encoder-probe.js';

it('a process that cannot be started is a report, not an error', async () => {
  // Longer than one argument of a program may be on Linux: Node throws.
  const name = 'x'.repeat(200_000);
  const probe = new EncoderProbe({
    candidates: [{ name, codec: 'h264', device: undefined }],
    ...{ timeoutMs: 60_000, measureMs: 0, keepsAlive: true },
  });
  expect(await probe.reports).toEqual([{ name, works: false, reason: 'spawn E2BIG' }]);
});
