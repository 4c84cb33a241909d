import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';

import { afterEach, expect, test } from 'vitest';

import { until } from '../helpers/patience.js';
import { browsersIn, profilesOf, ServerProcess } from '../helpers/server-process.js';
import { processesOfSessions } from '../helpers/session-processes.js';
import { isTmuxInstalled } from '../helpers/terminal-server.js';

/** What the process in which the router runs may meet. */

let server: ServerProcess;

afterEach(async () => {
  await server.end('SIGTERM');
});

/** Folders of terminals that the server of process `pid` owns. */
function terminalFoldersOf(pid: number): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`stream-kit-terminal-${pid}-`));
}

test.runIf(isTmuxInstalled)(
  'after SIGKILL of the host no process and no file of its sessions is left',
  async () => {
    server = await ServerProcess.start(undefined, undefined, ['--terminal']);
    await server.liveSession();
    const answer = await fetch(`${server.origin}/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ terminal: {} }),
    });
    expect(answer.status).toBe(201);
    await until(() => expect(terminalFoldersOf(server.pid)).toHaveLength(1));
    const { pid } = server;
    const sessions = processesOfSessions(pid);
    const profiles = profilesOf(pid);
    expect(sessions.length).toBeGreaterThan(3);
    expect(profiles).toHaveLength(1);
    await server.end('SIGKILL');
    const startedMs = performance.now();
    await until(() => {
      expect(profilesOf(pid)).toEqual([]);
      expect(terminalFoldersOf(pid)).toEqual([]);
      expect(browsersIn(profiles)).toEqual([]);
      expect(sessions.filter(({ pid: one }) => isRunning(one))).toEqual([]);
    });
    const tookMs = performance.now() - startedMs;
    process.stdout.write(`all gone after ${tookMs.toFixed(0)} ms\n`);
    if ((process.env.STREAM_KIT_ASSERT_FIGURES ?? '') !== '') expect(tookMs).toBeLessThan(1_000);
  },
);

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
