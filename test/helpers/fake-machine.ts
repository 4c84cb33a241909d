import type { CpuTime, MachineLoad, MachineSize } from '../../src/base/machine-load.js';

/** A machine of 8 cores and 16 GiB whose load a test sets. */
export class FakeMachine implements MachineLoad {
  readonly size: MachineSize = { cores: 8, memoryBytes: 16 * 2 ** 30 };
  availableBytes: number = this.size.memoryBytes;
  cpuTime: CpuTime = { busySeconds: 0, cores: 8, cgroupSeconds: undefined };

  readAvailableBytes(): number {
    return this.availableBytes;
  }

  readCpuTime(): CpuTime {
    return this.cpuTime;
  }
}
