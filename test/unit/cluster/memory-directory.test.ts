import { MemoryDirectory } from '../../../src/cluster/memory-directory.js';
import { directoryContract } from '../../helpers/directory-contract.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

directoryContract('in memory', () => {
  const clock = new VirtualClock();
  return Promise.resolve({ directory: new MemoryDirectory(clock), advance: (ms) => clock.advance(ms) });
});
