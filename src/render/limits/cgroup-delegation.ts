import { accessSync, constants, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { OwnCgroup } from '../../base/own-cgroup.js';
import { readCgroupFile } from '../../base/own-cgroup.js';
import { isProcessAlive, processStartTicks } from '../../base/process-table.js';
import type { ResolvedSessionLimits } from '../../options/session-limit-options.js';
import { SessionCgroup } from './session-cgroup.js';
import type { SessionLimiter } from './session-limiter.js';

/** A cgroup with children that distribute resources must hold no process itself: this one goes into a leaf. */
const HOST_CGROUP = 'stream-kit-host';
const SESSION_CGROUP = /^stream-kit-session-(\d+)-(\d+)-/;
const CONTROLLERS = ['memory', 'cpu', 'pids'] as const;

/** A part of the cgroup v2 hierarchy in which this process may make cgroups of its own (cgroups(7), "Delegation"). */
export class CgroupDelegation {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /**
   * Looks, and changes nothing.
   *
   * @returns why there is none, if there is none.
   */
  static find(own: OwnCgroup | undefined): CgroupDelegation | { readonly reason: string } {
    if (own === undefined) return { reason: 'cgroup v2 is not mounted' };
    // Another router of this process, or an earlier one, has been here.
    const directory = basename(own.directory) === HOST_CGROUP ? dirname(own.directory) : own.directory;
    const available = readCgroupFile(directory, 'cgroup.controllers')?.split(' ') ?? [];
    const missing = CONTROLLERS.filter((controller) => !available.includes(controller));
    if (missing.length > 0) {
      return { reason: `the cgroup of this process has no controller for ${missing.join(', ')}` };
    }
    try {
      for (const path of ['', 'cgroup.procs', 'cgroup.subtree_control']) {
        accessSync(join(directory, path), constants.W_OK);
      }
    } catch {
      return { reason: `${directory} is not delegated to this process` };
    }
    return new CgroupDelegation(directory);
  }

  /**
   * Moves this process into a leaf and hands the controllers down.
   *
   * @throws Error where other processes are in the same cgroup.
   */
  open(limits: ResolvedSessionLimits, logger: Logger): SessionLimiter {
    this.#handDownControllers();
    this.#sweep(logger);
    const startTicks = processStartTicks(process.pid) ?? '0';
    return {
      limit: (streamId, pid) => {
        const name = `stream-kit-session-${process.pid}-${startTicks}-${streamId}-${pid}`;
        return SessionCgroup.create(join(this.directory, name), limits, pid);
      },
      close: () => undefined,
    };
  }

  #handDownControllers(): void {
    const enabled = readCgroupFile(this.directory, 'cgroup.subtree_control')?.split(' ') ?? [];
    if (CONTROLLERS.every((controller) => enabled.includes(controller))) return;
    // The root of the hierarchy is exempt, and the only cgroup without this file.
    if (readCgroupFile(this.directory, 'cgroup.type') !== undefined) {
      mkdirSync(join(this.directory, HOST_CGROUP), { recursive: true });
      writeFileSync(join(this.directory, HOST_CGROUP, 'cgroup.procs'), String(process.pid));
    }
    try {
      const wanted = CONTROLLERS.map((controller) => `+${controller}`).join(' ');
      writeFileSync(join(this.directory, 'cgroup.subtree_control'), wanted);
    } catch (cause) {
      const message = `Expected no other process in ${this.directory}: start the server in a cgroup of its own, for example with DelegateSubgroup= of systemd`;
      throw new Error(message, { cause });
    }
  }

  /** Removes what servers that were killed have left; their processes are gone soon after them. */
  #sweep(logger: Logger): void {
    for (const name of readdirSync(this.directory)) {
      const [, pid, startTicks] = SESSION_CGROUP.exec(name) ?? [];
      if (pid === undefined || startTicks === undefined || isProcessAlive(Number(pid), startTicks)) continue;
      try {
        rmdirSync(join(this.directory, name));
      } catch (thrown) {
        logger.warn(
          { err: asError(thrown), cgroup: name },
          'a cgroup of a server that is gone is still in use',
        );
      }
    }
  }
}
