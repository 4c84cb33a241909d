// A server that others have written, in a process of its own. BENCH_PEER_LOG=1 shows what it says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { sleep } from '../rig.mjs';

const START_TIMEOUT_MS = 15_000;
const END_TIMEOUT_MS = 5_000;

export class PeerProcess {
  #name;
  #child;

  constructor(name, file, args) {
    this.#name = name;
    this.#child = spawn(file, args, {
      stdio: process.env.BENCH_PEER_LOG === undefined ? 'ignore' : 'inherit',
    });
    // It would outlive a bench that is broken off.
    const kill = () => this.#child.kill('SIGKILL');
    process.once('exit', kill);
    this.#child.once('exit', () => process.removeListener('exit', kill));
  }

  get pid() {
    return this.#child.pid;
  }

  /** Resolves once a request to `url` succeeds; rejects where it takes too long, or the process ends. */
  async answers(url) {
    const deadline = performance.now() + START_TIMEOUT_MS;
    const isUp = () =>
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await isUp())) {
      if (this.#isOver || performance.now() > deadline) throw new Error(`${this.#name} did not start.`);
      await sleep(100);
    }
  }

  /** Asks it to end, and ends it where it does not. */
  async close() {
    if (this.#isOver) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), END_TIMEOUT_MS);
    await exited;
    clearTimeout(killer);
  }

  get #isOver() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
