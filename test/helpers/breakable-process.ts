import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** A process that a test stops and kills. */
export class BreakableProcess {
  protected constructor(protected child: ChildProcess) {}

  /** It stands still and keeps its connections. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  /** The program defines what SIGUSR2 does. */
  signal(): void {
    this.child.kill('SIGUSR2');
  }

  /** It loses all that it had in memory. Idempotent. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}
