// The router under soak, in a process of its own. Options as JSON in the first argument; answers `sample` lines with what the
// process holds after a garbage collection, and ends with its input.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { getHeapCodeStatistics } from 'node:v8';

import { createStreamKitRouter } from '../../dist/index.js';
import { countNativeObjects } from './native-objects.mjs';
import { residentMemory } from './resident.mjs';
import { buildTrim } from './trim-malloc.mjs';

/** A thread of V8 gives pages back after a collection, up to 40 MiB of them. */
const SETTLE_MS = 500;

const nativeObjects = countNativeObjects();
const malloc = buildTrim();

const router = createStreamKitRouter({
  listenAddress: '127.0.0.1',
  targetPolicy: { allowPrivateAddresses: true },
  onError: (error) => console.error(error),
  ...JSON.parse(process.argv[2] ?? '{}'),
});
const server = createServer((request, response) => void router(request, response));
router.attach(server);
// A slow machine would close idle connections in the moment in which the soak uses them again.
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(JSON.stringify({ origin: `http://127.0.0.1:${server.address().port}` }));

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

const countIn = (folder) => readdirSync(folder).length;

/** Resident memory of the session processes that are running, without their browsers: the largest, and how many there are. */
function sessionProcesses() {
  const sizes = [];
  for (const pid of readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1')
    .split(' ')
    .filter(Boolean)) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('session-process')) continue;
      sizes.push(
        Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024,
      );
    } catch {
      // It has exited since.
    }
  }
  return { sessionProcesses: sizes.length, sessionProcessRss: Math.max(0, ...sizes) };
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line !== 'sample') continue;
  const loopDelayP99Ms = delay.percentile(99) / 1e6;
  delay.reset();
  globalThis.gc?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  const compiled = getHeapCodeStatistics();
  const heapCode = compiled.code_and_metadata_size + compiled.bytecode_and_metadata_size;
  const series = (await router.metrics()).split('\n').filter((row) => row !== '' && !row.startsWith('#'));
  await setTimeout(SETTLE_MS);
  // What malloc keeps free is nothing that is held: its heaps are cut up for hours.
  malloc?.trim();
  const { rss, ...resident } = residentMemory();
  const sample = {
    // Whether V8's heap and buffers grow is told by what is used of them: V8 keeps pages for as much as it once had.
    ...{ rssRest: rss - resident.v8 - process.memoryUsage().arrayBuffers, rss },
    ...{ heapCode, heapObjects: heapUsed - heapCode, external, arrayBuffers, loopDelayP99Ms },
    descriptors: countIn('/proc/self/fd'),
    threads: countIn('/proc/self/task'),
    handles: process.getActiveResourcesInfo().length,
    series: series.length,
    nativeObjects: nativeObjects(),
    resident,
    ...sessionProcesses(),
  };
  console.log(JSON.stringify(sample));
  // Neither the collection nor the count is what is measured.
  delay.reset();
}
malloc?.remove();
await router.close();
server.closeAllConnections();
server.close();
