import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { tryIn, type TrialOutcome } from '../../../../src/render/graphics/renderer-trial.js';

/** Longer than one argument of a program may be on Linux. */
const LONG = 'x'.repeat(200_000);

/** @param script - of a child that gets the order as `order`. */
function trial(script: string, env: Record<string, string>): Promise<TrialOutcome> {
  const folder = mkdtempSync(join(tmpdir(), 'stream-kit-trial-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'child.mjs');
  writeFileSync(
    program,
    `import { readFileSync } from 'node:fs';
    let text = '';
    let ended = false;
    process.stdin.on('end', () => (ended = true)).on('data', (chunk) => {
      text += chunk;
      if (!text.includes('\\n')) return;
      const order = JSON.parse(text);
      const arguments_ = readFileSync('/proc/self/cmdline', 'utf8');
      ${script}
    });`,
  );
  return tryIn(program, {
    launchOptions: { args: ['--lang=de'], env },
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    keepsAlive: true,
  });
}

it('a trial gets its order by its input, which stays open, and nothing of it by its arguments', async () => {
  const outcome = await trial(
    `setImmediate(() => {
      console.log(JSON.stringify({
        renderer: order.launchOptions.env.TOKEN + ' ' + order.launchOptions.env.LONG.length,
        webgl2: arguments_.includes('a-secret'),
        webgpu: ended,
        framesPerSecond: 30,
      }));
      process.exit(0);
    });`,
    { TOKEN: 'a-secret', LONG },
  );
  expect(outcome).toEqual({
    end: 'done',
    facts: { renderer: 'a-secret 200000', webgl2: false, webgpu: false, framesPerSecond: 30 },
  });
});
