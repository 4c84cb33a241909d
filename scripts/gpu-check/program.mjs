// Programs that a driver may crash or hang: each is a process group of its own, and ends after a while.
import { spawn } from 'node:child_process';

const MAX_OUTPUT = 64 * 1024;

/**
 * Runs a script of Node.js.
 *
 * @param {string[]} args
 * @param {{ cwd: string, seconds: number, env?: Record<string, string> }} options - `seconds`: after which it is killed.
 * @returns {Promise<{ output: string, code: number | undefined, late: boolean }>} the last 64 KiB of both of its outputs; no
 * code where a signal ended it.
 */
export function runProgram(args, { cwd, seconds, env = {} }) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, ...env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }, seconds * 1000);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => (output = (output + text).slice(-MAX_OUTPUT)));
    }
    child.on('error', (error) => (output += error.message));
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ output, code: code ?? undefined, late });
    });
  });
}
