import { afterEach, describe, expect, it } from 'vitest';

import { cgroupFileValue, findOwnCgroup, readCgroupFile } from '../../../src/base/own-cgroup.js';
import { FileTree } from '../../helpers/file-tree.js';

let tree: FileTree | undefined;

afterEach(() => {
  tree?.remove();
  tree = undefined;
});

function inProc(mountinfo: string, cgroup: string): ReturnType<typeof findOwnCgroup> {
  tree?.remove();
  tree = new FileTree({ 'self/mountinfo': mountinfo, 'self/cgroup': cgroup });
  return findOwnCgroup(tree.path);
}

const OTHER_MOUNT = '22 27 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n';

describe('findOwnCgroup', () => {
  it('joins the place of the hierarchy and the place in it', () => {
    expect(
      inProc(
        `${OTHER_MOUNT}35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n`,
        '0::/system.slice/stream.service\n',
      ),
    ).toEqual({ mountPoint: '/sys/fs/cgroup', directory: '/sys/fs/cgroup/system.slice/stream.service' });
  });

  it('finds the hierarchy beside those of version 1', () => {
    expect(
      inProc(
        '30 29 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 29 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n',
        '4:memory:/a\n0::/\n',
      ),
    ).toEqual({ mountPoint: '/sys/fs/cgroup/unified', directory: '/sys/fs/cgroup/unified' });
  });

  it('knows a part of the hierarchy that is mounted into a container', () => {
    const mount = '35 24 0:30 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n';
    expect(inProc(mount, '0::/docker/abc/app\n')?.directory).toBe('/sys/fs/cgroup/app');
    expect(inProc(mount, '0::/docker/abcd\n')).toBeUndefined();
  });

  it('finds nothing without cgroup v2, outside of what is mounted, or without /proc', () => {
    expect(inProc(OTHER_MOUNT, '0::/\n')).toBeUndefined();
    expect(inProc('35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n', '0::/../host\n')).toBeUndefined();
    expect(findOwnCgroup('/nowhere')).toBeUndefined();
  });
});

describe('files of a cgroup', () => {
  it('are read whole and by key', () => {
    tree?.remove();
    tree = new FileTree({ 'cpu.max': 'max 100000\n', 'memory.events': 'oom 2\noom_kill 1\n' });
    expect(readCgroupFile(tree.path, 'cpu.max')).toBe('max 100000');
    expect(cgroupFileValue(tree.path, 'memory.events', 'oom_kill')).toBe(1);
    expect(cgroupFileValue(tree.path, 'memory.events', 'kill')).toBeUndefined();
    expect(cgroupFileValue(tree.path, 'memory.stat', 'anon')).toBeUndefined();
  });
});
