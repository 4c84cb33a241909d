// The highest number of viewers that the machine carries together with the generator, without loss.
import { round } from '../rig.mjs';
import { coresOf, measureServer, STREAMS } from './measure.mjs';
import { joinUpTo, leaveDownTo } from './server-process.mjs';

const SETTLE_MS = 2_000;
/** Where viewers have joined: their rates are found meanwhile. */
const SETTLE_NEWCOMERS_MS = 10_000;
const BISECTIONS = 2;
/** What was carried for seconds may not be for a minute: then fewer are held, at most so often. */
const HOLDS = 3;
const FEWER = 0.85;

const isClean = ({ totals, framesDropped, reporting }) =>
  totals.lost === 0 && framesDropped === 0 && totals.silent === 0 && reporting === totals.viewers;

async function resize(server, generator, count) {
  if (count > generator.size) await joinUpTo(server, generator, count);
  else await leaveDownTo(server, generator, count);
}

/**
 * Probes `from` viewers, and where they are not carried half as many, then in between; holds the highest number that was
 * carried for `holdS`, or somewhat fewer where that fails.
 *
 * @param stream - a name of STREAMS.
 */
export async function carry(server, generator, { from, probeS, holdS }, stream) {
  const rows = [];
  const measure = async (viewers, seconds) => {
    const settleMs = viewers > generator.size ? SETTLE_NEWCOMERS_MS : SETTLE_MS;
    await resize(server, generator, viewers);
    await server.call('play', STREAMS[stream]);
    const measured = await measureServer(server, generator, {
      settleMs,
      seconds,
      watchLoop: false,
    });
    const clean = isClean(measured);
    const { totals } = measured;
    rows.push({
      viewers,
      seconds,
      'kpackets/s': round(measured.packetsPerSecond / 1000),
      lost: totals.lost,
      'of it unread': totals.overflowed,
      'frames dropped': measured.framesDropped,
      'viewers losing': totals.losing,
      'RTCP from': `${measured.reporting} of ${viewers}`,
      'samples wrong': `${totals.sampleFailures} of ${totals.sampled}`,
      'cores server/main/load/others': coresOf(measured),
      'busiest thread, cores': round(measured.busiestThreadCores, 2),
      'longest sweep ms': round(totals.longestSweepUs / 1000),
      'server MiB': round(measured.rssMiB, 0),
      carried: clean ? 'yes' : 'no',
    });
    return { clean, measured };
  };
  let low = from;
  while (low > 1 && !(await measure(low, probeS)).clean) low = Math.floor(low / 2);
  let high = low * 2;
  for (let step = 0; step < BISECTIONS && high <= from; step++) {
    const middle = Math.round((low + high) / 2);
    if ((await measure(middle, probeS)).clean) low = middle;
    else high = middle;
  }
  let viewers = low;
  let { clean, measured } = await measure(viewers, holdS);
  for (let hold = 1; hold < HOLDS && !clean && viewers > 1; hold++) {
    viewers = Math.floor(viewers * FEWER);
    ({ clean, measured } = await measure(viewers, holdS));
  }
  return {
    viewers,
    seconds: holdS,
    held: clean,
    reporting: measured.reporting,
    table: {
      name: `fanout-carried-${stream.split(' ')[0]}`,
      title: `Viewers of ${stream} carried`,
      note:
        'On one machine together with the load; the last row is the one that was held. Carried: no packet lost, no frame ' +
        `dropped for a viewer, and RTCP from all; viewers that join have ${SETTLE_NEWCOMERS_MS / 1000} s for their rates to be found.`,
      rows,
    },
  };
}
