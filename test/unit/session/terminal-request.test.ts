import { mkdtempSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { TerminalRequest } from '../../../src/session/terminal-request.js';
import { asksForTerminal, parseTerminalRequest } from '../../../src/session/terminal-request.js';
import { terminalOptions } from '../../../src/options/terminal-options.js';
import { codeOf } from '../../helpers/session-harness.js';

function parse(terminal: unknown, options: object = {}): TerminalRequest {
  return parseTerminalRequest(
    { terminal },
    terminalOptions({ enabled: true, command: ['sh'], ...options }, 'terminal'),
  );
}

describe('a request for a terminal', () => {
  it('is one by its key', () => {
    expect(asksForTerminal({ terminal: {} })).toBe(true);
    expect(asksForTerminal({ terminal: null })).toBe(true);
    expect(asksForTerminal({ targetUrl: 'x' })).toBe(false);
    expect(asksForTerminal([])).toBe(false);
    expect(asksForTerminal(null)).toBe(false);
  });

  it('gets what the options say where it says nothing', () => {
    expect(parse({}, { env: { A: '1' }, cwd: '/usr' })).toEqual({
      command: ['sh'],
      cols: 80,
      rows: 24,
      cwd: '/usr',
      env: { A: '1' },
    });
    expect(parse({}, { maxCols: 40, maxRows: 10 })).toMatchObject({ cols: 40, rows: 10 });
  });

  it('names commands that there are, and whatever it likes only where that is allowed', async () => {
    const options = { commands: { top: ['top', '-d', '5'] } };
    expect(parse({ command: 'top' }, options).command).toEqual(['top', '-d', '5']);
    for (const command of ['ls', 'constructor', '__proto__', ['top']]) {
      expect(await codeOf(() => parse({ command }, options))).toBe('forbidden');
    }
    const any = { ...options, anyCommand: true };
    expect(parse({ command: 'top' }, any).command).toEqual(['top', '-d', '5']);
    expect(parse({ command: 'ls | wc' }, any).command).toEqual(['/bin/sh', '-c', 'ls | wc']);
    expect(parse({ command: ['ls', '-l'] }, any).command).toEqual(['ls', '-l']);
    for (const command of ['', [], [1], ['a\0b'], {}, null, 'a\0']) {
      expect(await codeOf(() => parse({ command }, any))).toBe('bad_request');
    }
  });

  it('has a size within bounds', async () => {
    for (const size of [
      { cols: 0 },
      { cols: 501 },
      { rows: 201 },
      { rows: 1.5 },
      { cols: '80' },
      { rows: null },
    ]) {
      expect(await codeOf(() => parse(size))).toBe('bad_request');
    }
  });

  it('starts in folders that are named, whatever leads out of them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cwd-test-'));
    try {
      mkdirSync(join(folder, 'in', 'deep'), { recursive: true });
      mkdirSync(join(folder, 'inside'));
      symlinkSync('/etc', join(folder, 'in', 'out'));
      const options = { directories: [join(folder, 'in')] };
      expect(parse({ cwd: join(folder, 'in') }, options).cwd).toBe(join(folder, 'in'));
      expect(parse({ cwd: join(folder, 'in', 'deep') }, options).cwd).toBe(join(folder, 'in', 'deep'));
      for (const cwd of ['inside', 'in/..', 'in/out', 'in/none', '']) {
        expect(await codeOf(() => parse({ cwd: join(folder, cwd) }, options))).toBe('forbidden');
      }
      expect(await codeOf(() => parse({ cwd: folder }))).toBe('forbidden');
      expect(await codeOf(() => parse({ cwd: 'in' }, options))).toBe('bad_request');
      expect(parse({ cwd: '/usr' }, { directories: ['/'] }).cwd).toBe('/usr');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is not asked for with what only pages have', () => {
    for (const key of ['budget', 'placement']) {
      const body = { terminal: {}, [key]: {} };
      const options = terminalOptions({ enabled: true }, 'terminal');
      expect(() => parseTerminalRequest(body, options)).toThrow(`no ${key} for a terminal`);
    }
  });

  it('sets variables that it may, and tells of no value', async () => {
    const options = { allowEnv: ['LANG'], env: { A: '1', LANG: 'C' } };
    expect(parse({ env: { LANG: 'de' } }, options).env).toEqual({ A: '1', LANG: 'de' });
    expect(await codeOf(() => parse({ env: { A: '2' } }, options))).toBe('forbidden');
    for (const env of [[], 'x', { LANG: 1 }, { 'a b': 'x' }, { LANG: 'a\0' }]) {
      expect(await codeOf(() => parse({ env }, options))).toBe('bad_request');
    }
    expect(() => parse({ env: { LANG: ['secret'] } }, options)).toThrow(/^(?!.*secret)/);
  });
});

describe('options of terminals', () => {
  it.each([
    [{}, 'terminal.enabled'],
    [{ enabled: true, command: [] }, 'terminal.command'],
    [{ enabled: true, command: 'sh' }, 'terminal.command'],
    [{ enabled: true, commands: { a: 'b' } }, 'terminal.commands.a'],
    [{ enabled: true, cwd: 'x' }, 'terminal.cwd'],
    [{ enabled: true, stateDir: `/${'x'.repeat(60)}` }, 'terminal.stateDir'],
    [{ enabled: true, attach: { names: ['a b'] } }, 'terminal.attach.names[0]'],
    [{ enabled: true, attach: {} }, 'terminal.attach.names'],
    [{ enabled: true, env: { A: 1 } }, 'terminal.env.A'],
    [{ enabled: true, allowEnv: ['a-b'] }, 'terminal.allowEnv[0]'],
    [{ enabled: true, shell: 'x' }, 'shell'],
    [{ enabled: false, command: [] }, 'terminal.command'],
  ])('are refused by name: %j', (options, name) => {
    expect(() => terminalOptions(options, 'terminal')).toThrow(name);
  });

  it('are none where they are off', () => {
    expect(terminalOptions({ enabled: false }, 'terminal')).toBeUndefined();
  });
});
