import { expect, it } from 'vitest';

import {
  EncoderProbe,
  probeEncoderSync,
  type ProbedCandidate,
} from '../../../../src/render/encode/encoder-probe.js';

// Longer than one argument of a program may be on Linux: Node throws.
const name = 'x'.repeat(200_000);
const candidate: ProbedCandidate = { name, codec: 'h264', device: undefined };

it('a process that cannot be started is a report, not an error', async () => {
  const probe = new EncoderProbe({
    candidates: [candidate],
    ...{ timeoutMs: 60_000, measureMs: 0, keepsAlive: true },
  });
  expect(await probe.reports).toEqual([{ name, works: false, reason: 'spawn E2BIG', untried: true }]);
});

it('a process that cannot be started while the caller waits is a report as well', () => {
  const reason = expect.stringMatching(/^spawnSync .* E2BIG$/);
  expect(probeEncoderSync(candidate, 60_000)).toEqual({ name, works: false, reason, untried: true });
});
