// What it costs a client to come to another node than that of its session: a patch and a request, each measured at both in turns by
// one clock; and how many scripts Redis runs.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { freePort, quantile, round, sleep } from './rig.mjs';

const PATCHES = 300;
const PATCH_EVERY_MS = 50;
const REQUESTS = 1_000;
const WARM_UP = 100;
/** Two times as long as it takes until everything is said again to Redis. */
const IDLE_MS = 40_000;
const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'demo', 'main.js');

async function startNode(folder, redis, name, maxSessions) {
  const port = await freePort();
  const cluster = {
    ...{ redis, nodeId: name, advertiseUrl: `http://127.0.0.1:${port}/stream` },
    secret: 'a secret of nodes that only this table knows',
  };
  const options = { cluster, maxSessions, listenAddress: '127.0.0.1', rateLimits: false };
  const file = join(folder, `${name}.mjs`);
  const policy = { targetPolicy: { allowPrivateAddresses: true } };
  writeFileSync(file, `export default ${JSON.stringify({ ...options, ...policy })};`);
  const child = spawn(process.execPath, [MAIN, '--port', String(port), '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes(`:${port}`)) return { child, url: `http://127.0.0.1:${port}/stream` };
  }
  throw new Error('A node ended before it printed its address');
}

/** Creates a session and waits until its page is live. @returns its id. */
async function create(url, targetUrl) {
  for (;;) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ targetUrl, renderOptions: { resolution: '320x180' } }),
    });
    const { streamId } = await response.json();
    if (response.status === 503) await sleep(200);
    else if (response.status !== 201) throw new Error(`POST was answered ${response.status}`);
    else {
      for (;;) {
        const { status } = await (await fetch(`${url}/${streamId}`)).json();
        if (status === 'connecting' || status === 'streaming') return streamId;
        if (status === 'error') throw new Error('The session failed');
        await sleep(100);
      }
    }
  }
}

/** Notes when each patch of the page's count arrives. */
async function watch(url, arrivals, signal) {
  const response = await fetch(`${url}/sse?media=none`, { signal });
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of response.body) {
      const atMs = performance.now();
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const n = /"path":"\/metadata\/page\/n","value":(\d+)/.exec(text.slice(0, end))?.[1];
        if (n !== undefined) arrivals.set(Number(n), atMs);
        text = text.slice(end + 2);
      }
    }
  } catch {
    // It was ended.
  }
}

async function time(url) {
  const startedAtMs = performance.now();
  const response = await fetch(url);
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`GET was answered ${response.status}`);
  return performance.now() - startedAtMs;
}

export async function cluster() {
  if (spawnSync('redis-server', ['-v']).error !== undefined) {
    console.error('The table cluster is left out: there is no redis-server');
    return [];
  }
  const { Redis } = await import('ioredis');
  const folder = mkdtempSync(join(tmpdir(), 'bench-cluster-'));
  const port = await freePort();
  const store = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
    ...{ cwd: folder, stdio: 'ignore' },
  });
  const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: null });
  redis.on('error', () => {});
  const pages = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(
      `<script>let n = 0; setInterval(() => streamKit.setMetadata({ n: ++n }), ${PATCH_EVERY_MS})</script>`,
    );
  }).listen(0, '127.0.0.1');
  await once(pages, 'listening');
  const nodes = [];
  const scripts = async () =>
    Number(/cmdstat_eval:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
  const idle = async () => {
    const before = await scripts();
    await sleep(IDLE_MS);
    return ((await scripts()) - before) / (IDLE_MS / 1000);
  };
  try {
    await redis.ping();
    const address = `redis://127.0.0.1:${port}`;
    // There is no other one yet that could take the session.
    nodes.push(await startNode(folder, address, 'owner', 2));
    const owner = nodes[0].url;
    const counting = await create(owner, `http://127.0.0.1:${pages.address().port}/`);
    nodes.push(await startNode(folder, address, 'other', 2));
    const other = nodes[1].url;
    const stop = new AbortController();
    const arrivals = [new Map(), new Map()];
    const watching = [owner, other].map((url, index) =>
      watch(`${url}/${counting}`, arrivals[index], stop.signal),
    );
    while (arrivals[1].size < PATCHES) await sleep(100);
    const idleScripts = await idle();
    stop.abort();
    await Promise.all(watching);
    const patches = [...arrivals[1]].flatMap(([n, atMs]) => {
      const direct = arrivals[0].get(n);
      return direct === undefined ? [] : [atMs - direct];
    });
    const [direct, passed] = [[], []];
    for (let turn = 0; turn < WARM_UP + REQUESTS; turn++) {
      const pair = [await time(`${owner}/${counting}`), await time(`${other}/${counting}`)];
      if (turn < WARM_UP) continue;
      direct.push(pair[0]);
      passed.push(pair[1]);
    }
    const before = await scripts();
    for (let turn = 0; turn < 100; turn++) await time(`${other}/${counting}`);
    // The nodes beat meanwhile.
    const perRequest = Math.max(0, (await scripts()) - before) / 100;
    const row = (what, samples, target) => ({
      what,
      samples: samples.length,
      'p50 ms': round(quantile(samples, 0.5), 2),
      'p95 ms': round(quantile(samples, 0.95), 2),
      target,
    });
    const extra = quantile(passed, 0.5) - quantile(direct, 0.5);
    return [
      {
        name: 'cluster',
        title: 'Through another node',
        note: `Two servers and a Redis on one machine; a page that changes its state every ${PATCH_EVERY_MS} ms, watched at both.`,
        rows: [
          row('patch: later at the other node than at the owner', patches, 'p50 2 ms'),
          row('GET at the owner', direct, ''),
          row('GET at the other node', passed, `p50 2 ms more: ${round(extra, 2)} ms`),
        ],
      },
      {
        name: 'cluster-scripts',
        title: 'Scripts that Redis runs',
        note: `Two nodes, one session that is watched at both, for ${IDLE_MS / 1000} s.`,
        rows: [
          { what: 'a second, all together', scripts: round(idleScripts, 2) },
          { what: 'a node-second', scripts: round(idleScripts / 2, 2) },
          { what: 'a request at another node, beats among them', scripts: round(perRequest, 2) },
        ],
      },
    ];
  } finally {
    for (const { child } of nodes) child.kill('SIGTERM');
    await Promise.all(nodes.map(({ child }) => once(child, 'exit')));
    redis.disconnect();
    store.kill();
    pages.close();
    pages.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}
