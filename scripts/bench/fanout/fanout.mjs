// The fan-out tables: what a packet costs, how many viewers one machine carries, what more threads bring, how soon a
// newcomer sees a picture.
import { availableParallelism } from 'node:os';

import { cpuSeconds, round, sleep } from '../rig.mjs';
import { janusAddress, janusVersion, startJanus } from './janus.mjs';
import { joinsTable, joinTargets, measureJoins, warmUpJoins } from './joins.mjs';
import { lateJoiner } from './late-joiner.mjs';
import { buildLiveKit, LIVEKIT, startLiveKit } from './livekit.mjs';
import { LoadGenerator } from './load-generator.mjs';
import { coresOf, measureRawLimit, measureServer, STREAMS } from './measure.mjs';
import { joinUpTo, startFanoutServer } from './server-process.mjs';
import { carry } from './carry.mjs';

/** By the fewest viewers that they are for. */
const TARGETS_RAW = { 100: 1.4, 300: 1.3 };
const TARGET_WERIFT = 20;
const TARGET_SFU = 10;
const TARGET_FLAT = 0.15;
const SFU_JOINS_AT_ONCE = 6;
const HD = '720p30 4 Mbit/s';
const FULL_HD = '1080p60 8 Mbit/s';

const PLANS = {
  full: {
    viewers: [1, 10, 100, 300, 500, 1000],
    joinBeside: { viewers: 500, newcomers: 200 },
    werift: [10, 30],
    sfu: [10, 60],
    settleMs: 1_500,
    seconds: 5,
    rawMs: 1_500,
    carry: { [HD]: { from: 1000, probeS: 8, holdS: 60 }, [FULL_HD]: { from: 1000, probeS: 8, holdS: 60 } },
    threadViewers: 500,
  },
  quick: {
    viewers: [1, 10, 100],
    joinBeside: { viewers: 100, newcomers: 40 },
    werift: [10],
    sfu: [10],
    settleMs: 1_000,
    seconds: 2,
    rawMs: 500,
    carry: { [HD]: { from: 100, probeS: 3, holdS: 5 }, [FULL_HD]: { from: 50, probeS: 3, holdS: 5 } },
    threadViewers: 60,
  },
};

const µs = (value) => (value === undefined ? '' : round(value, 2));
const lossOf = ({ totals, packets }) =>
  totals.lost === 0 ? '0' : `${totals.lost} (${round((totals.lost / packets) * 100, 3)} %)`;

function rowOf(stream, viewers, measured, raw, alike) {
  const { totals, loop } = measured;
  return {
    stream,
    viewers,
    'kpackets/s': round(measured.packetsPerSecond / 1000),
    'CPU µs/packet': µs(measured.cpuUsPerPacket),
    'of it plane': µs(measured.planeUsPerPacket),
    'raw limit': µs(raw),
    '× raw': round(measured.cpuUsPerPacket / raw, 2),
    'raw alike': µs(alike),
    'plane × alike': round(measured.planeUsPerPacket / alike, 2),
    'packets/send': round(measured.packetsPerSend ?? 1, 1),
    lost: lossOf(measured),
    'of it unread': totals.overflowed,
    'frames dropped': measured.framesDropped,
    'cores server/main/load/others': coresOf(measured),
    'loop p50/p99 ms': loop === undefined ? '' : `${round(loop.p50)} / ${round(loop.p99)}`,
    'RTCP from': `${measured.reporting} of ${viewers}`,
  };
}

/** Our native plane at every number of viewers, the raw limit before each; then as many as the machine carries. */
async function measureNative(plan) {
  const generator = new LoadGenerator();
  const sinks = new LoadGenerator();
  sinks.setSweepInterval(5_000);
  const bitrateBps = Math.max(...Object.values(STREAMS).map((stream) => stream.bitrateBps));
  const server = await startFanoutServer({ mediaPlane: 'native', bitrateBps });
  const rows = [];
  const joins = [];
  const results = [];
  try {
    for (const viewers of plan.viewers) {
      progress(`native plane, ${viewers} viewers`);
      await server.call('stopPlaying');
      const raws = await measureRawLimit(sinks, [{ destinations: viewers, durationMs: plan.rawMs }]);
      joins.push(await measureJoins(server, generator, viewers));
      for (const [stream, parameters] of Object.entries(STREAMS)) {
        await server.call('play', parameters);
        const measured = await measureServer(server, generator, plan);
        await server.call('stopPlaying');
        const alike = await measureRawLimit(sinks, [
          {
            destinations: viewers,
            durationMs: plan.rawMs,
            packetsPerCall: Math.round(measured.packetsPerSend),
            intervalMs: 1000 / parameters.frameRate,
          },
        ]);
        rows.push(rowOf(stream, viewers, measured, raws[0].usPerPacket, alike[0].usPerPacket));
        results.push({ stream, viewers, measured, raw: raws[0].usPerPacket });
      }
      if (viewers !== plan.joinBeside.viewers) continue;
      await warmUpJoins(server, generator, plan.joinBeside.newcomers);
      await server.call('play', STREAMS[HD]);
      await sleep(plan.settleMs);
      const { serverCores } = results.findLast(({ stream }) => stream === HD).measured;
      const count = viewers + plan.joinBeside.newcomers;
      joins.push(await measureJoins(server, generator, count, { viewers, serverCores }));
    }
    const carried = {};
    for (const [stream, search] of Object.entries(plan.carry)) {
      progress(`native plane, as many viewers of ${stream} as are carried`);
      carried[stream] = await carry(server, generator, search, stream);
    }
    return { rows, joins, results, carried };
  } finally {
    await server.close();
    generator.close();
    sinks.close();
  }
}

/** The same viewers of 1080p60 by 1, 2, 4 … threads that send, up to the machine's cores. */
async function measureThreads(plan) {
  const rows = [];
  for (let threads = 1; threads <= Math.max(2, availableParallelism()); threads *= 2) {
    progress(`native plane, ${threads} threads`);
    const generator = new LoadGenerator();
    const server = await startFanoutServer({ mediaPlane: 'native', sendThreads: threads });
    try {
      await joinUpTo(server, generator, plan.threadViewers);
      await server.call('play', STREAMS[FULL_HD]);
      const measured = await measureServer(server, generator, plan);
      rows.push({
        threads,
        viewers: plan.threadViewers,
        'kpackets/s': round(measured.packetsPerSecond / 1000),
        'CPU µs/packet': µs(measured.cpuUsPerPacket),
        'of it plane': µs(measured.planeUsPerPacket),
        'busiest thread, cores': round(measured.busiestThreadCores, 2),
        'packets/send': round(measured.packetsPerSend ?? 1, 1),
        lost: lossOf(measured),
        'of it unread': measured.totals.overflowed,
        'frames dropped': measured.framesDropped,
        'cores server/main/load/others': coresOf(measured),
      });
    } finally {
      await server.close();
      generator.close();
    }
  }
  return rows;
}

async function measureWerift(plan) {
  const generator = new LoadGenerator();
  const server = await startFanoutServer({ mediaPlane: 'werift' });
  const rows = [];
  try {
    await server.call('play', STREAMS[HD]);
    for (const viewers of plan.werift) {
      progress(`werift, ${viewers} viewers`);
      await joinUpTo(server, generator, viewers);
      rows.push({ viewers, ...(await measureServer(server, generator, plan)) });
    }
    return rows;
  } finally {
    await server.close();
    generator.close();
  }
}

/** A server that others have written. @param start - starts it. */
async function measureSfu(name, start, plan, options) {
  const generator = new LoadGenerator(options);
  const rows = [];
  let sfu;
  try {
    sfu = await start(STREAMS[HD]);
    await sfu.play(STREAMS[HD]);
    for (const viewers of plan.sfu) {
      progress(`${name}, ${viewers} viewers`);
      while (generator.size < viewers) {
        const count = Math.min(SFU_JOINS_AT_ONCE, viewers - generator.size);
        await Promise.all(Array.from({ length: count }, () => sfu.join(generator)));
      }
      await sleep(plan.settleMs);
      generator.restartCounts();
      const before = cpuSeconds(sfu.pid);
      const startMs = performance.now();
      await sleep(plan.seconds * 1000);
      const cpuUs = (cpuSeconds(sfu.pid) - before) * 1e6;
      const wallUs = (performance.now() - startMs) * 1000;
      const totals = generator.totals();
      const packets = totals.packets + totals.lost + totals.rtxPackets;
      rows.push({
        viewers,
        totals,
        packets,
        packetsPerSecond: packets / (wallUs / 1e6),
        cpuUsPerPacket: cpuUs / packets,
        serverCores: cpuUs / wallUs,
      });
    }
    return rows;
  } finally {
    await sfu?.close();
    generator.close();
  }
}

/** @returns its rows, and what there is to say of it. */
async function measureJanus(plan) {
  const version = janusVersion();
  if (version === undefined) return { note: 'Janus is not installed (Debian package janus): skipped.' };
  try {
    const rows = await measureSfu('Janus', startJanus, plan, { address: janusAddress() });
    return { rows, note: `Janus ${version}, streaming plugin.` };
  } catch (error) {
    return { note: `Janus ${version} gave nothing: ${error.message}` };
  }
}

async function measureLiveKit(plan) {
  const reason = buildLiveKit();
  if (reason !== undefined) return { note: `LiveKit is skipped: ${reason}.` };
  try {
    const rows = await measureSfu('LiveKit', startLiveKit, plan);
    const note =
      `LiveKit ${LIVEKIT}, published to by WHIP. Its answers offer no transport-wide feedback, so its viewers send none, ` +
      'which favours it.';
    return { rows, note };
  } catch (error) {
    return { note: `LiveKit ${LIVEKIT} gave nothing: ${error.message}` };
  }
}

const sendersRow = (sender, { viewers, ...measured }) => ({
  sender,
  viewers,
  'kpackets/s': round(measured.packetsPerSecond / 1000),
  'CPU µs/packet': µs(measured.cpuUsPerPacket),
  cores: round(measured.serverCores, 2),
  lost: lossOf(measured),
  'samples wrong': `${measured.totals.sampleFailures} of ${measured.totals.sampled}`,
});

/** A full run takes minutes: what it is at, beside the tables. */
const progress = (text) => console.error(`… ${text}`);

const met = (value) => (value ? 'yes' : 'no');

function targets({ results, joins, carried }, werift, sfus) {
  const hd = results.filter(({ stream }) => stream === HD);
  const worstFrom = (least, most) =>
    Math.max(
      ...results
        .filter(({ viewers }) => viewers >= least && viewers < most)
        .map(({ measured, raw }) => measured.cpuUsPerPacket / raw),
    );
  const best = hd.findLast(({ viewers }) => viewers >= 100).measured.cpuUsPerPacket;
  const costs = hd.filter(({ viewers }) => viewers >= 100).map(({ measured }) => measured.cpuUsPerPacket);
  const spread = Math.max(...costs) / Math.min(...costs) - 1;
  const overWerift = werift.at(-1).cpuUsPerPacket / costs[0];
  const rows = [
    ...Object.entries(TARGETS_RAW).flatMap(([least, target], i, all) => {
      const most = Number(all[i + 1]?.[0] ?? Infinity);
      const worst = worstFrom(Number(least), most);
      if (!Number.isFinite(worst)) return [];
      return [
        {
          figure: `CPU a packet over the raw limit, worst row from ${least} viewers on`,
          target: `≤ ${target}`,
          measured: round(worst, 2),
          met: met(worst <= target),
        },
      ];
    }),
    {
      figure: `times cheaper than werift at ${werift.at(-1).viewers} viewers (ours at 100)`,
      target: `≥ ${TARGET_WERIFT}`,
      measured: round(overWerift),
      met: met(overWerift >= TARGET_WERIFT),
    },
  ];
  for (const [name, { rows: measured }] of Object.entries(sfus)) {
    if (measured === undefined) continue;
    const over = measured.at(-1).cpuUsPerPacket / costs[0];
    rows.push({
      figure: `times cheaper than ${name} at ${measured.at(-1).viewers} viewers (ours at 100)`,
      target: `≥ ${TARGET_SFU}`,
      measured: round(over),
      met: met(over >= TARGET_SFU),
    });
  }
  rows.push(
    {
      figure: `spread of the cost from 100 to ${hd.at(-1).viewers} viewers, ${HD} (µs/packet at the end: ${µs(best)})`,
      target: `≤ ${TARGET_FLAT * 100} %`,
      measured: `${round(spread * 100)} %`,
      met: met(spread <= TARGET_FLAT),
    },
    ...joinTargets(joins),
    ...Object.entries(carried).map(([stream, { viewers, seconds, held, reporting }]) => ({
      figure: `viewers of ${stream} held without loss`,
      target: '1000 for 60 s, RTCP from all',
      measured: `${viewers} for ${seconds} s, RTCP from ${reporting}`,
      met: met(held && viewers >= 1000 && seconds >= 60),
    })),
  );
  return rows;
}

export async function fanout({ quick = false } = {}) {
  const plan = quick ? PLANS.quick : PLANS.full;
  const native = await measureNative(plan);
  const threads = await measureThreads(plan);
  const werift = await measureWerift(plan);
  const sfus = { Janus: await measureJanus(plan), LiveKit: await measureLiveKit(plan) };
  progress('late joiners');
  const late = await lateJoiner({ quick });
  const ours = native.results.filter(({ stream }) => stream === HD);
  return [
    {
      name: 'fanout',
      title: 'Fan-out',
      note:
        `CPU of the server's whole process over the packets it sent, ${plan.seconds} s a row, H.264-like frames and Opus at ` +
        '50 packets/s; viewers with ICE, DTLS, RR, NACK and transport-wide feedback (every 50 ms) in a process of their ' +
        'own, sockets with UDP_GRO. Raw limit: AES-128-GCM and one UDP_SEGMENT send for 16 packets of 1200 bytes, to as ' +
        'many such sockets; alike: as many packets per call as ours sent, to all of them once per picture, and then nothing until ' +
        "the next one. Unread: dropped by a viewer's full socket.",
      rows: native.rows,
    },
    {
      name: 'fanout-senders',
      title: 'The same stream by others',
      note: [`${HD}, ${plan.seconds} s a row.`, ...Object.values(sfus).map(({ note }) => note)].join(' '),
      rows: [
        ...ours.map(({ viewers, measured }) => sendersRow('ours, native', { viewers, ...measured })),
        ...werift.map((row) => sendersRow('ours, werift', row)),
        ...Object.entries(sfus).flatMap(([name, { rows = [] }]) => rows.map((row) => sendersRow(name, row))),
      ],
    },
    ...Object.values(native.carried).map(({ table }) => table),
    joinsTable(native.joins),
    {
      name: 'fanout-threads',
      title: 'Threads that send',
      note:
        `${FULL_HD}. With more than one thread another one receives. The load generator needs cores as well: for more threads ` +
        'than this machine has cores, see `make -C native thread-scaling`.',
      rows: threads,
    },
    late,
    {
      name: 'fanout-targets',
      title: 'Targets',
      note: quick ? 'From a quick run: no figures to quote.' : 'From this run.',
      rows: targets(native, werift, sfus),
    },
  ];
}
