// A model of a large cluster on a virtual clock: the real lease, placement and directory in memory, seeded; and what the
// directory's commands cost a real Redis, where there is one. Nothing in it is measured on a network.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger } from '../../dist/base/logger.js';
import { LEASE_MS } from '../../dist/cluster/directory.js';
import { Membership } from '../../dist/cluster/membership.js';
import { MemoryDirectory } from '../../dist/cluster/memory-directory.js';
import { NodeSearch } from '../../dist/cluster/placement.js';
import { RedisDirectory } from '../../dist/cluster/redis-directory.js';
import { quantile, round, sleep } from './rig.mjs';

const SEED = 20261130;
const NODES = 1_000;
const ROOM = 12;
/** Nodes are spread over them evenly; one node in five of each draws on a GPU. */
const REGIONS = ['eu', 'us', 'asia'];
const GPU_SHARE = 5;
const SESSIONS = 10_000;
const VIEWERS = 100_000;
/** Of a node, in viewers of one 720p30 stream of 2 Mbit/s on 1 Gbit/s. */
const UPLINK_VIEWERS = 500;
const STORM_MS = 60_000;
const KILLED = 100;
const AWAY_MS = 10_000;
const TRIES = 4;

/** mulberry32. */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Time that passes from one timer to the next: a binary heap of them. */
class ModelClock {
  #nowMs = 0;
  #heap = [];
  #order = 0;

  nowUs = () => this.#nowMs * 1000;
  wallMs = () => this.#nowMs;

  after(delayMs, callback) {
    const timer = { atMs: this.#nowMs + delayMs, order: this.#order++, callback };
    this.#push(timer);
    return { cancel: () => (timer.callback = undefined) };
  }

  every(intervalMs, callback) {
    let timer;
    let cancelled = false;
    const next = () => {
      timer = this.after(intervalMs, () => {
        callback();
        if (!cancelled) next();
      });
    };
    next();
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  /** Lets it pass; what is awaited by then has been answered. */
  async advance(ms) {
    const untilMs = this.#nowMs + ms;
    while (this.#heap.length > 0 && this.#heap[0].atMs <= untilMs) {
      const { atMs } = this.#heap[0];
      this.#nowMs = atMs;
      while (this.#heap.length > 0 && this.#heap[0].atMs === atMs) this.#pop().callback?.();
      await new Promise(setImmediate);
    }
    this.#nowMs = untilMs;
  }

  #isBefore(one, other) {
    return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
  }

  #push(timer) {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(heap[at], heap[parent])) break;
      [heap[at], heap[parent]] = [heap[parent], heap[at]];
      at = parent;
    }
  }

  #pop() {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && this.#isBefore(heap[left], heap[least])) least = left;
      if (right < heap.length && this.#isBefore(heap[right], heap[least])) least = right;
      if (least === at) return first;
      [heap[at], heap[least]] = [heap[least], heap[at]];
      at = least;
    }
  }
}

/** The directory as the nodes reach it: counts the commands, and can be away. */
class ReachedDirectory {
  isAway = false;
  counts = { beat: 0, find: 0, claim: 0, fence: 0, draw: 0, release: 0, nodes: 0, leave: 0 };

  constructor(directory) {
    for (const name of Object.keys(this.counts)) {
      this[name] = (...parameters) => {
        this.counts[name] += 1;
        return this.isAway ? Promise.reject(new Error('away')) : directory[name](...parameters);
      };
    }
  }

  /** Commands per second by name since the last call. */
  rates(ms) {
    const rates = Object.fromEntries(
      Object.entries(this.counts).map(([name, count]) => [name, (count * 1000) / ms]),
    );
    for (const name of Object.keys(this.counts)) this.counts[name] = 0;
    return rates;
  }
}

class ModelNode {
  sessions = new Set();
  isAlive = true;
  fenced = 0;

  constructor(index, directory, clock) {
    const nodeId = `node-${index}`;
    this.nodeId = nodeId;
    this.features = {
      region: REGIONS[index % REGIONS.length],
      gpu: Math.floor(index / REGIONS.length) % GPU_SHARE === 0,
    };
    this.membership = new Membership({
      directory,
      nodeId,
      url: `http://${nodeId}`,
      room: () => ROOM - this.sessions.size,
      features: () => this.features,
      owned: () => this.sessions,
      onFenced: () => {
        this.fenced += 1;
        this.sessions.clear();
      },
      clock: {
        nowUs: clock.nowUs,
        wallMs: clock.wallMs,
        after: (ms, callback) => clock.after(ms, callback),
        // One that was killed does nothing any more.
        every: (ms, callback) => clock.every(ms, () => this.isAlive && callback()),
      },
      logger: silentLogger,
    });
  }
}

class Cluster {
  clock = new ModelClock();
  random = seeded(SEED);
  directory = new ReachedDirectory(new MemoryDirectory(this.clock, this.random));
  nodes = [];
  byId = new Map();
  owners = new Map();
  tries = [];
  /** Sessions at a node of the region to which their request came. */
  atHome = 0;
  refused = 0;

  async start() {
    for (let index = 0; index < NODES; index++) {
      const node = new ModelNode(index, this.directory, this.clock);
      this.nodes.push(node);
      this.byId.set(node.nodeId, node);
      // Not all beat at the same time.
      if (index % 20 === 19) await this.clock.advance(16);
    }
    await this.clock.advance(2 * LEASE_MS);
  }

  entry() {
    for (;;) {
      const node = this.nodes[Math.floor(this.random() * NODES)];
      if (node.isAlive) return node;
    }
  }

  /** As a `POST` at any node does. @returns whether it was created. */
  async create(streamId, need) {
    const { membership, features } = this.entry();
    try {
      await membership.checkHeld();
    } catch {
      return false;
    }
    const search = new NodeSearch({ membership, need, region: features.region, random: this.random });
    for (let count = 1; count <= TRIES; count++) {
      const chosen = await search.next();
      if (chosen === undefined) break;
      const node = this.byId.get(chosen.nodeId);
      if (!node.isAlive || node.sessions.size >= ROOM) continue;
      node.sessions.add(streamId);
      await node.membership.announce(streamId);
      this.owners.set(streamId, node);
      this.tries.push(count);
      if (node.features.region === features.region) this.atHome += 1;
      if (need.gpu === true && !node.features.gpu) throw new Error(`${streamId} has no GPU`);
      return true;
    }
    this.refused += 1;
    return false;
  }

  /** Sessions as their audiences are: the n-th has 1/n of the first one's. */
  popular() {
    let total = 0;
    const sums = Array.from({ length: SESSIONS }, (_, index) => (total += 1 / (index + 1)));
    return () => {
      const wanted = this.random() * total;
      let [low, high] = [0, SESSIONS - 1];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (sums[middle] < wanted) low = middle + 1;
        else high = middle;
      }
      return `session-${low}`;
    };
  }
}

async function model() {
  const cluster = new Cluster();
  const { clock, directory } = cluster;
  await cluster.start();
  directory.rates(1);

  // Every session in half a minute; one in eight needs a GPU.
  for (let index = 0; index < SESSIONS; index++) {
    await cluster.create(`session-${index}`, { gpu: index % 8 === 0 });
    if (index % 100 === 99) await clock.advance(300);
  }
  const created = { rates: directory.rates((SESSIONS / 100) * 300) };
  const loads = cluster.nodes.map(({ sessions }) => sessions.size);
  const placement = {
    mean: SESSIONS / NODES,
    least: Math.min(...loads),
    most: Math.max(...loads),
    secondTries: cluster.tries.filter((count) => count > 1).length,
    refused: cluster.refused,
    atHome: cluster.atHome,
  };

  // Every viewer in a minute, each at any node.
  const draw = cluster.popular();
  const audiences = new Map();
  const told = [];
  let killedAtMs;
  for (let index = 0; index < VIEWERS; index++) {
    const streamId = draw();
    audiences.set(streamId, (audiences.get(streamId) ?? 0) + 1);
    const entry = cluster.entry();
    const owner = cluster.owners.get(streamId);
    if (owner !== entry) {
      const found = await entry.membership.find(streamId);
      if (found.kind !== 'owned') throw new Error(`${streamId} is ${found.kind}`);
      entry.membership.watch(found.node, () => {
        if (entry.isAlive) told.push(clock.wallMs() - killedAtMs);
      });
    }
    if (index % 100 === 99) await clock.advance((STORM_MS / VIEWERS) * 100);
  }
  const storm = { rates: directory.rates(STORM_MS) };
  const beyond = [...audiences.values()].filter((viewers) => viewers > UPLINK_VIEWERS);
  const popularity = {
    most: Math.max(...audiences.values()),
    sessions: beyond.length,
    viewers: beyond.reduce((sum, viewers) => sum + viewers - UPLINK_VIEWERS, 0),
  };
  await clock.advance(20_000);
  directory.rates(1);
  await clock.advance(20_000);
  const steady = { rates: directory.rates(20_000) };

  // Redis is gone, and comes back as it was.
  directory.isAway = true;
  await clock.advance(AWAY_MS);
  directory.isAway = false;
  const backAtMs = clock.wallMs();
  let creatableAfterMs;
  while (creatableAfterMs === undefined && clock.wallMs() - backAtMs < 20_000) {
    await clock.advance(100);
    const results = await Promise.all(
      cluster.nodes
        .slice(0, 50)
        .map(({ membership }) => membership.checkHeld().then(Boolean, () => 'refused')),
    );
    if (!results.includes('refused')) creatableAfterMs = clock.wallMs() - backAtMs;
  }
  await clock.advance(3 * LEASE_MS);
  const failover = {
    creatableAfterMs,
    lost: cluster.nodes.reduce((sum, { fenced }) => sum + fenced, 0),
    told: told.length,
  };
  directory.rates(1);

  // A tenth of the nodes at once.
  killedAtMs = clock.wallMs();
  for (const node of cluster.nodes.slice(0, KILLED)) node.isAlive = false;
  await clock.advance(2 * LEASE_MS);
  const loss = {
    rates: directory.rates(2 * LEASE_MS),
    told: told.length,
    p50: quantile(told, 0.5),
    worst: told.reduce((most, ms) => Math.max(most, ms), 0),
  };
  return { placement, created, storm, steady, popularity, failover, loss };
}

/** What one command costs Redis, µs of its one thread, with all nodes known. @returns undefined where there is no Redis. */
async function redisCosts() {
  if (spawnSync('redis-server', ['--version']).error !== undefined) return undefined;
  const { Redis } = await import('ioredis');
  const folder = mkdtempSync(join(tmpdir(), 'bench-redis-'));
  const socket = join(folder, 'socket');
  const server = spawn(
    'redis-server',
    ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder],
    {
      stdio: 'ignore',
    },
  );
  const redis = new Redis(socket);
  // It tries again until the server listens.
  redis.on('error', () => {});
  try {
    const directory = new RedisDirectory(redis, 'bench');
    const nodes = Array.from({ length: NODES }, (_, index) => ({
      nodeId: `node-${index}`,
      incarnation: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
      url: `http://10.0.0.${index}:8080/stream`,
      room: 1,
      region: REGIONS[index % REGIONS.length],
      gpu: index % GPU_SHARE === 0,
    }));
    const beats = async (watched) => {
      for (const node of nodes) await directory.beat(node, watched);
    };
    const claim = (node, index) => directory.claim(node, [`session-${index}`]);
    await beats([]);
    const watched = nodes.slice(0, VIEWERS / NODES);
    const works = {
      beat: () => beats(watched),
      claim: async () => {
        for (const [index, node] of nodes.entries()) await claim(node, index);
      },
      draw: async () => {
        for (const { region, gpu } of nodes) await directory.draw({ region, gpu });
      },
      find: async () => {
        for (const index of nodes.keys()) await directory.find(`session-${index}`);
      },
    };
    const costs = {};
    for (const [name, work] of Object.entries(works)) {
      await redis.call('CONFIG', 'RESETSTAT');
      await work();
      const stats = await redis.info('commandstats');
      costs[name] = Number(/cmdstat_eval:.*usec_per_call=([\d.]+)/.exec(stats)?.[1]);
      await sleep(10);
    }
    return costs;
  } finally {
    redis.disconnect();
    server.kill();
    await new Promise((resolve) => server.once('exit', resolve));
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function clusterModel() {
  const { placement, created, storm, steady, popularity, failover, loss } = await model();
  const costs = await redisCosts();
  const phases = {
    'sessions are created': created,
    'viewers come': storm,
    'all is quiet': steady,
    'nodes are lost': loss,
  };
  return [
    {
      title: 'A large cluster, modelled',
      note:
        `${NODES} nodes with room for ${ROOM} sessions each in ${REGIONS.length} regions, ` +
        `one in ${GPU_SHARE} with a GPU, ${SESSIONS} sessions in 30 s, one in eight for a GPU, ${VIEWERS} viewers in ${STORM_MS / 1000} s, ` +
        `each at any node, the audience of the n-th session 1/n of the first one's; seed ${SEED}. The real lease, placement and ` +
        'directory in memory, on a virtual clock.',
      rows: [
        {
          what: 'sessions at a node: mean / least / most',
          is: `${placement.mean} / ${placement.least} / ${placement.most}`,
        },
        {
          what: 'sessions placed at the second try or later / refused',
          is: `${placement.secondTries} / ${placement.refused}`,
        },
        {
          what: 'sessions in the region of their request',
          is: `${round((100 * placement.atHome) / SESSIONS)} %`,
        },
        { what: 'viewers of the most watched session', is: popularity.most },
        {
          what: `sessions with more viewers than one uplink carries (${UPLINK_VIEWERS}) / viewers beyond it`,
          is: `${popularity.sessions} / ${popularity.viewers}`,
        },
        {
          what: `Redis away for ${AWAY_MS / 1000} s: nodes declared lost / sessions can be created again after`,
          is: `${failover.lost} / ${failover.creatableAfterMs} ms`,
        },
        {
          what: `${KILLED} nodes lost at once: viewers told / after ms p50 / worst`,
          is: `${loss.told} / ${round(loss.p50, 0)} / ${round(loss.worst, 0)}`,
        },
      ],
    },
    {
      name: 'cluster-redis',
      title: 'What the cluster asks of Redis',
      note: 'Commands per second in each phase of the model, and how busy they keep the one thread of a Redis on this machine.',
      rows: Object.entries(phases).map(([phase, { rates }]) => ({
        when: phase,
        'beat /s': Math.round(rates.beat),
        'find /s': Math.round(rates.find),
        'claim /s': Math.round(rates.claim),
        'draw /s': Math.round(rates.draw),
        'fence /s': Math.round(rates.fence),
        'Redis busy %':
          costs === undefined
            ? 'no Redis here'
            : round(
                (rates.beat * costs.beat +
                  rates.find * costs.find +
                  rates.claim * costs.claim +
                  rates.draw * costs.draw) /
                  1e4,
              ),
      })),
    },
    ...(costs === undefined
      ? []
      : [
          {
            name: 'redis-commands',
            title: 'Cost of a command to Redis',
            note: `${NODES} nodes known; a beat looks at ${VIEWERS / NODES} watched nodes.`,
            rows: Object.entries(costs).map(([command, us]) => ({ command, µs: round(us) })),
          },
        ]),
  ];
}
