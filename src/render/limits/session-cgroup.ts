import { accessSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { cgroupFileValue } from '../../base/own-cgroup.js';
import type { ResolvedSessionLimits } from '../../options/session-limit-options.js';
import type { LimitedSession } from './session-limiter.js';

const KILL_TIMEOUT_MS = 2_000;
const KILL_POLL_MS = 10;

/** The cgroup of one session: its limits, and everything that its processes start. */
export class SessionCgroup implements LimitedSession {
  readonly #directory: string;
  #closing: Promise<void> | undefined;
  /** Kept when the cgroup is gone. */
  #ranOutOfMemory = false;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws Error of the system where a limit cannot be set; the cgroup is gone then. */
  static create(directory: string, limits: ResolvedSessionLimits, pid: number): SessionCgroup {
    mkdirSync(directory);
    try {
      const { memoryBytes, cpuWeight, pids } = limits;
      if (memoryBytes !== undefined) {
        write(directory, 'memory.max', memoryBytes);
        // Without accounting of swap, which a kernel may lack, there is nothing to forbid.
        if (hasFile(directory, 'memory.swap.max')) write(directory, 'memory.swap.max', 0);
        // A browser without its renderer is no use: all of the session ends, and nothing else.
        write(directory, 'memory.oom.group', 1);
      }
      if (cpuWeight !== undefined) write(directory, 'cpu.weight', cpuWeight);
      if (pids !== undefined) write(directory, 'pids.max', pids);
      write(directory, 'cgroup.procs', pid);
    } catch (thrown) {
      rmdirSync(directory);
      throw thrown;
    }
    return new SessionCgroup(directory);
  }

  get outOfMemory(): boolean {
    this.#ranOutOfMemory ||= (cgroupFileValue(this.#directory, 'memory.events', 'oom_kill') ?? 0) > 0;
    return this.#ranOutOfMemory;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ranOutOfMemory = this.outOfMemory;
    write(this.#directory, 'cgroup.kill', 1);
    const deadlineMs = performance.now() + KILL_TIMEOUT_MS;
    while (cgroupFileValue(this.#directory, 'cgroup.events', 'populated') === 1) {
      if (performance.now() > deadlineMs) break;
      await setTimeout(KILL_POLL_MS);
    }
    await rmdir(this.#directory);
  }
}

function write(directory: string, name: string, value: number): void {
  writeFileSync(join(directory, name), String(value));
}

function hasFile(directory: string, name: string): boolean {
  try {
    accessSync(join(directory, name));
    return true;
  } catch {
    return false;
  }
}
