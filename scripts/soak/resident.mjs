// Where the resident memory of this process lies: in which heap, or in which other kind of mapping.
import { readFileSync } from 'node:fs';
import { getHeapSpaceStatistics } from 'node:v8';

/** glibc reserves as much address space for each arena of a thread, at a multiple of it. */
const ARENA_BYTES = 64n * 1024n * 1024n;
const KIB = 1024;

/** @returns the kind of a mapping that begins with this line of smaps. */
function kindOf(first, access, name) {
  if (name === '[heap]') return 'mallocMain';
  if (name.startsWith('[stack') || name === '[anon: glibc: stack]') return 'other';
  if (name !== '' && !name.startsWith('[')) return 'file';
  return access.startsWith('rw') && BigInt(`0x${first}`) % ARENA_BYTES === 0n ? 'mallocThreads' : 'anonymous';
}

/**
 * Bytes by kind, and all of them as `rss`: `mallocMain` and `mallocThreads` of malloc, `file` of programs and shared memory, `anonymous` of V8, of
 * large pieces of malloc and of stacks; `v8` is what V8 says of its own, and `v8Young`
 * the part of it for new objects, which grows with how many come at once and is not given back.
 */
export function residentMemory() {
  const bytes = { mallocMain: 0, mallocThreads: 0, file: 0, anonymous: 0, other: 0 };
  let kind = 'other';
  for (const line of readFileSync('/proc/self/smaps', 'latin1').split('\n')) {
    const head = /^([0-9a-f]+)-[0-9a-f]+ (\S+) \S+ \S+ \S+ *(.*)$/.exec(line);
    if (head !== null) kind = kindOf(head[1], head[2], head[3]);
    const [, rss] = /^Rss: +(\d+) kB/.exec(line) ?? [];
    if (rss !== undefined) bytes[kind] += Number(rss) * KIB;
  }
  const spaces = getHeapSpaceStatistics();
  const physical = (of) => spaces.filter(of).reduce((sum, { physical_space_size: size }) => sum + size, 0);
  const isYoung = ({ space_name: name }) => name.startsWith('new_');
  const rss = Object.values(bytes).reduce((sum, some) => sum + some, 0);
  return { rss, ...bytes, v8: physical(() => true), v8Young: physical(isYoung) };
}
