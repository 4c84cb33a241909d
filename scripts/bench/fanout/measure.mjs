// One measurement of a server that sends to the load generator's viewers.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { round, sleep } from '../rig.mjs';

export const STREAMS = {
  '720p30 4 Mbit/s': { frameRate: 30, bitrateBps: 4_000_000 },
  '1080p60 8 Mbit/s': { frameRate: 60, bitrateBps: 8_000_000 },
};

/** CPU time that the whole machine has used, and that its host took from it, s. */
function machineSeconds() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .split(/\s+/)
    .slice(1)
    .map((ticks) => Number(ticks) / 100);
  return user + nice + system + irq + softirq + steal;
}

/**
 * Our server over a while: what it sent, what that cost and what arrived.
 * @param options - watchLoop: also measure the event loop's delay, afterwards, because measuring it costs CPU.
 */
export async function measureServer(server, generator, { settleMs, seconds, watchLoop = true }) {
  await sleep(settleMs);
  const sumBefore = await server.call('consumers');
  generator.restartCounts();
  const generatorBefore = process.cpuUsage();
  const machineBefore = machineSeconds();
  const before = await server.call('counters');
  await sleep(seconds * 1000);
  const after = await server.call('counters');
  const machine = machineSeconds() - machineBefore;
  const totals = generator.totals();
  const generatorCpu = process.cpuUsage(generatorBefore);
  const sumAfter = await server.call('consumers');
  let loop;
  if (watchLoop) {
    await server.call('watchLoop');
    await sleep(2_000);
    loop = await server.call('loopDelay');
  }
  const wallUs = after.nowUs - before.nowUs;
  const cpuUs = after.cpuUs - before.cpuUs;
  // What did not arrive was sent too.
  const packets = totals.packets + totals.lost + totals.rtxPackets;
  const planeUs = after.plane === null ? undefined : after.plane.cpuUs - before.plane.cpuUs;
  const threadsUs = Object.entries(after.threads)
    .filter(([name]) => name !== 'main')
    .map(([name, us]) => us - (before.threads[name] ?? 0));
  return {
    totals,
    packets,
    packetsPerSecond: packets / (wallUs / 1e6),
    cpuUsPerPacket: cpuUs / packets,
    planeUsPerPacket: planeUs === undefined ? undefined : planeUs / packets,
    packetsPerSend:
      after.plane === null
        ? undefined
        : (after.plane.packetsSent - before.plane.packetsSent) /
          (after.plane.sendCalls - before.plane.sendCalls),
    serverCores: cpuUs / wallUs,
    busiestThreadCores: Math.max(...threadsUs) / wallUs,
    mainCores: (after.threads.main - before.threads.main) / wallUs,
    generatorCores: (generatorCpu.user + generatorCpu.system) / wallUs,
    // Whatever else ran, the host's theft included: figures taken beside much of it are worth little.
    otherCores: Math.max(
      0,
      machine / (wallUs / 1e6) - (cpuUs + generatorCpu.user + generatorCpu.system) / wallUs,
    ),
    framesDropped: sumAfter.framesDropped - sumBefore.framesDropped,
    reporting: sumAfter.reporting,
    rssMiB: after.rssMiB,
    loop,
  };
}

const RAW_PACKETS_PER_CALL = 16;

/**
 * µs of CPU for a packet of 1200 bytes, of each run: { destinations, durationMs, packetsPerCall, intervalMs }. By default 16
 * packets per call, and one round over all destinations after the other.
 */
export async function measureRawLimit(generator, runs) {
  const count = Math.max(...runs.map(({ destinations }) => destinations));
  const ports = Array.from({ length: count }, () => generator.addSink());
  const results = [];
  try {
    for (const run of runs) {
      const script = join(import.meta.dirname, 'raw-limit.mjs');
      const argument = JSON.stringify({
        ports,
        runs: [{ packetsPerCall: RAW_PACKETS_PER_CALL, intervalMs: 0, ...run }],
      });
      const { stdout } = await promisify(execFile)(process.execPath, [script, argument]);
      const { cpuUs, packets } = JSON.parse(stdout);
      results.push({ usPerPacket: cpuUs / packets });
    }
  } finally {
    generator.removeSinks();
  }
  return results;
}

/** Cores that were used: by the server, its main thread, the load and everybody else. */
export function coresOf({ serverCores, mainCores, generatorCores, otherCores }) {
  return [serverCores, mainCores, generatorCores, otherCores].map((cores) => round(cores, 2)).join(' / ');
}
