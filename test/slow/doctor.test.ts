import { execFile } from 'node:child_process';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { describeSessionLimits } from '../../src/render/limits/open-session-limiter.js';

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'demo', 'main.js');

const doctor = (environment: NodeJS.ProcessEnv): Promise<{ code: number; report: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'doctor'], { env: environment }, (error, report) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, report }),
    );
  });

test('doctor says what of this machine a session can use', async () => {
  const { code, report } = await doctor(process.env);
  expect(report).toMatch(/^ {2}h264 +libx264 +works, \d+ frames\/s$/m);
  expect(report).toMatch(/^ {2}vp8 +libvpx +works, \d+ frames\/s$/m);
  expect(report).toMatch(/^ {2}ok {2}browser +Chrome\/\d/m);
  expect(report).toMatch(/^ {2}ok {2}rendering +(?:software|GPU): /m);
  expect(report).toMatch(/^Rendering \(.*\)\n {2}(?:no device: |device \/dev\/)/m);
  expect(report).toMatch(/^ {2}ok {2}UDP +a port can be bound/m);
  expect(report).toContain(`session limits  ${describeSessionLimits()}\n`);
  expect(code).toBe(0);
});

test('doctor names a browser that is not there, and its exit status says so', async () => {
  const { code, report } = await doctor({ ...process.env, PUPPETEER_EXECUTABLE_PATH: '/nowhere/chromium' });
  expect(report).toMatch(/^ {2}-- {2}browser +.*\/nowhere\/chromium/m);
  expect(code).toBe(1);
});
