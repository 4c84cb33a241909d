// Handle of a server.mjs process; and how viewers of the load generator join it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export async function startFanoutServer(options) {
  const child = fork(join(import.meta.dirname, 'server.mjs'), {
    serialization: 'advanced',
    // For looking into it: BENCH_SERVER_FLAGS='--cpu-prof --cpu-prof-dir=/tmp'.
    execArgv: process.env.BENCH_SERVER_FLAGS?.split(' ') ?? [],
  });
  const waiting = new Map();
  let nextId = 0;
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  });
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`The server ended (${signal ?? code}).`));
    waiting.clear();
  });
  const call = (method, argument) =>
    new Promise((resolve, reject) => {
      const id = nextId++;
      waiting.set(id, { resolve, reject });
      child.send({ id, method, argument });
    });
  const { plane } = await call('open', options);
  return {
    plane,
    pid: child.pid,
    call,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      const killer = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await call('close').catch(() => undefined);
      await exited;
      clearTimeout(killer);
    },
  };
}

/** One viewer: @returns its index in the generator, and when its answer arrived and when it was connected, µs. */
export async function join1(server, generator, viewer) {
  const { sdp, candidates } = await server.call('offer', { viewer });
  const answer = generator.answer(sdp);
  for (const candidate of candidates) generator.addCandidate(answer.viewer, candidate);
  const times = await server.call('answer', { viewer, sdp: answer.sdp });
  await generator.connected(answer.viewer);
  return { viewer: answer.viewer, ...times };
}

/**
 * Joins viewers until there are `count`, some at a time.
 * @returns seconds it took, and the server's CPU ms for each.
 */
export async function joinUpTo(server, generator, count, atOnce = 16) {
  const first = generator.size;
  let next = first;
  const before = await server.call('counters');
  const worker = async () => {
    while (next < count) await join1(server, generator, next++);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count - first) }, worker));
  const after = await server.call('counters');
  const joined = count - first;
  return {
    joined,
    seconds: (after.nowUs - before.nowUs) / 1e6,
    cpuMsEach: joined === 0 ? 0 : (after.cpuUs - before.cpuUs) / 1000 / joined,
  };
}
