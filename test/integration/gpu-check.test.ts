import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { root } from '../helpers/product.js';

function run(script: string, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, 'scripts/gpu-check', script), ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr }),
    );
  });
}

const hasDevice =
  existsSync('/dev/nvidia0') ||
  (existsSync('/dev/dri') && readdirSync('/dev/dri').some((name) => name.startsWith('renderD')));

it.skipIf(hasDevice)('without a GPU the check says what is missing, and ends with status 2', async () => {
  const { code, output } = await run('main.mjs');
  const lines = output.trim().split('\n');
  expect(lines[0]).toBe('There is no GPU that could be checked.');
  expect(lines.slice(1).map((line) => /^missing: ([^:,]+)/.exec(line)?.[1])).toEqual([
    'a device',
    'h264_nvenc',
    'h264_vaapi',
    'vp8_vaapi',
    'vp9_vaapi',
    'vp9_qsv',
    'av1_nvenc',
    'av1_vaapi',
    'av1_qsv',
    'hevc_nvenc',
    'hevc_vaapi',
    'hevc_qsv',
    'h264_qsv',
  ]);
  expect(code).toBe(2);
});

it('the check of a failover passes for an encoder that works, and fails for one that does not open', async () => {
  const fine = await run('failover.mjs', 'libx264');
  expect(fine.output).toContain('replaced: libx264 by libx264 (the driver was reset)');
  expect(fine.output).toContain('pictures: 60 of 60, 0 dropped, 0 not decoded');
  expect(fine.code).toBe(0);
  // A device that is not there: it never begins with it.
  const other = await run('failover.mjs', 'h264_vaapi', '/dev/dri/renderD999');
  expect(other.code).toBe(1);
});
