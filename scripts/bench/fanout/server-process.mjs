// Handle of a server.mjs process; and how viewers of the load generator join it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const MAX_FAILED = 200;

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
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  try {
    await call('open', options);
  } catch (error) {
    await kill();
    throw error;
  }
  let named = 0;
  return {
    /** Never given twice: who left and who comes next are not mixed up. */
    newName: () => named++,
    /** Names of the joined viewers by their index in the generator. */
    viewers: new Map(),
    call,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      const killer = setTimeout(() => child.kill('SIGKILL'), 20_000);
      try {
        await call('close').catch(() => child.kill('SIGKILL'));
        await exited;
      } finally {
        clearTimeout(killer);
      }
    },
  };
}

/** One viewer: @returns its index in the generator, and when its answer arrived and when it was connected, µs. */
export async function join1(server, generator, viewer) {
  const { sdp, candidates } = await server.call('offer', { viewer });
  const answer = generator.answer(sdp);
  for (const candidate of candidates) generator.addCandidate(answer.viewer, candidate);
  try {
    // The server may believe in a handshake that the viewer never saw end.
    const [times] = await Promise.all([
      server.call('answer', { viewer, sdp: answer.sdp }),
      generator.connected(answer.viewer),
    ]);
    server.viewers.set(answer.viewer, viewer);
    return { viewer: answer.viewer, ...times };
  } catch (error) {
    generator.remove(answer.viewer);
    throw error;
  }
}

/**
 * Joins viewers until there are `count`, some at a time. A handshake that fails is begun again, as a browser's page would,
 * and counted.
 * @returns seconds it took, and the server's CPU ms for each.
 */
export async function joinUpTo(server, generator, count, atOnce = 4) {
  const first = generator.size;
  let begun = first;
  let failed = 0;
  const before = await server.call('counters');
  const worker = async () => {
    while (begun < count) {
      begun += 1;
      for (;;) {
        const viewer = server.newName();
        const joined = await join1(server, generator, viewer).then(
          () => true,
          () => false,
        );
        if (joined) break;
        failed += 1;
        if (failed > MAX_FAILED) throw new Error('Too many viewers did not connect.');
        await server.call('leave', { viewer });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count - first) }, worker));
  const after = await server.call('counters');
  const joined = count - first;
  return {
    joined,
    failed,
    seconds: (after.nowUs - before.nowUs) / 1e6,
    cpuMsEach: joined === 0 ? 0 : (after.cpuUs - before.cpuUs) / 1000 / joined,
  };
}

/** Lets the last ones leave until there are `count`. */
export async function leaveDownTo(server, generator, count) {
  for (const [index, viewer] of [...server.viewers].slice(count)) {
    generator.remove(index);
    server.viewers.delete(index);
    await server.call('leave', { viewer });
  }
}
