// How many viewers join per second, on a quiet server and beside others who watch.
import { round } from '../rig.mjs';
import { joinUpTo, leaveDownTo } from './server-process.mjs';

/** Enough to keep a server busy: each takes some round trips with a viewer that is visited every ms. */
const AT_ONCE = 32;
const TARGET = 300;
const ROUNDS_OF_WARM_UP = 10;

/** V8 has compiled what a join needs after a few thousand of them: `newcomers` join and leave again, several times. */
export async function warmUpJoins(server, generator, newcomers) {
  const count = generator.size;
  for (let done = 0; done < ROUNDS_OF_WARM_UP; done++) {
    await joinUpTo(server, generator, count + newcomers, AT_ONCE);
    await leaveDownTo(server, generator, count);
  }
}

/**
 * Joins viewers until there are `count`.
 *
 * @param beside - what plays meanwhile: to how many, and the cores that it alone takes of the server; undefined: nothing.
 */
export async function measureJoins(server, generator, count, beside) {
  const watching = { before: server.newName() };
  const before = await server.call('consumers', watching);
  const { joined, failed, seconds, cpuMsEach } = await joinUpTo(server, generator, count, AT_ONCE);
  const after = await server.call('consumers', watching);
  const playingMs = ((beside?.serverCores ?? 0) * seconds * 1000) / joined;
  return {
    watching: beside?.viewers ?? 0,
    joined,
    perSecond: joined / seconds,
    cpuMsEach: cpuMsEach - playingMs,
    failed,
    framesDropped: after.framesDropped - before.framesDropped,
  };
}

/** A few are over before the compiler has done its work. */
const isLong = ({ joined }) => joined >= 20;

export function joinsTable(joins) {
  return {
    name: 'fanout-joins',
    title: 'Joins',
    note:
      `ICE and DTLS included, ${AT_ONCE} at once. CPU of the server's whole process, less what those who watch take without ` +
      'newcomers; frames dropped for those. The row with viewers comes after ' +
      `${ROUNDS_OF_WARM_UP} times as many joins, by which V8 has compiled their code.`,
    rows: joins.filter(isLong).map(({ watching, joined, perSecond, cpuMsEach, failed, framesDropped }) => ({
      'watching meanwhile': watching,
      joined,
      'joins/s': round(perSecond),
      'server CPU ms each': round(cpuMsEach, 2),
      'handshakes begun again': failed,
      'frames dropped': framesDropped,
    })),
  };
}

export function joinTargets(joins) {
  const most = Math.max(...joins.map(({ watching }) => watching));
  const worst = joins.filter((part) => isLong(part) && part.watching === most);
  return worst.map(({ watching, perSecond, framesDropped }) => ({
    figure: `joins per second while ${watching} watch, no frame dropped (dropped: ${framesDropped})`,
    target: `≥ ${TARGET}`,
    measured: round(perSecond),
    met: perSecond >= TARGET && framesDropped === 0 ? 'yes' : 'no',
  }));
}
