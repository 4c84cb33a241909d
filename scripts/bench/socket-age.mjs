// How old pictures are that come over the WebSocket, on links of several rates, and whether that age creeps.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

import { WebSocket } from 'ws';

import { quantile, round, sleep, startOurs, startPages } from './rig.mjs';

/** Rates of the link by the second at which each begins, bits/s; the last ends the row. */
const ROWS = {
  clean: [[0, Infinity], [20]],
  '2 Mbit/s': [[0, 2e6], [20]],
  '6 → 1 → 6 Mbit/s': [[0, 6e6], [8, 1e6], [18, 6e6], [33]],
};
/** What a router on the way holds at most. */
const QUEUE_BYTES = 64 * 1024;
const TICK_MS = 5;
const KIND_AUDIO = 2;

/** STREAM_KIT_AGE_MINUTES=30 adds a row of that length on a clean link, which shows whether the age grows. */
export async function socketAge() {
  const minutes = Number(process.env.STREAM_KIT_AGE_MINUTES ?? 0);
  const [ours, pages] = await Promise.all([startOurs(), startPages()]);
  const rows = [];
  const table = minutes > 0 ? { ...ROWS, [`${minutes} min`]: [[0, Infinity], [minutes * 60]] } : ROWS;
  try {
    for (const [link, schedule] of Object.entries(table))
      rows.push({ link, ...(await measure(ours, pages, schedule)) });
  } finally {
    await ours.close();
    pages.close();
  }
  return {
    title: 'Age of pictures over the WebSocket',
    note:
      '720p30 H.264, a page that scrolls text; from capture to the arrival of the whole picture, ms. Drift: median of the ' +
      'last fifth less that of the second.',
    rows,
  };
}

async function measure(ours, pages, schedule) {
  const created = await fetch(`${ours.origin}/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      targetUrl: `${pages.origin}/scroll.html`,
      renderOptions: { resolution: '1280x720', frameRate: 30, videoCodec: 'h264' },
    }),
  });
  const { streamId } = await created.json();
  const relay = await startRelay(Number(new URL(ours.origin).port));
  const socket = new WebSocket(`ws://127.0.0.1:${relay.port}/stream/${streamId}/stream`);
  const ages = [];
  let bytes = 0;
  let keyframes = 0;
  socket.on('message', (data, isBinary) => {
    if (!isBinary) return;
    bytes += data.length;
    const kind = data.readUInt8(8);
    if (kind === KIND_AUDIO) return;
    if (kind === 0) keyframes++;
    ages.push(Number(process.hrtime.bigint() / 1000n - data.readBigUInt64BE(9)) / 1000);
  });
  try {
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'resume', lastSeq: null }));
    await once(socket, 'message');
    for (let index = 0; ages.length === 0 && index < 200; index++) await sleep(100);
    ages.length = 0;
    [bytes, keyframes] = [0, 0];
    const startMs = performance.now();
    for (const [atSecond, rateBps] of schedule) {
      await sleep(startMs + atSecond * 1000 - performance.now());
      if (rateBps !== undefined) relay.setRate(rateBps);
    }
    const seconds = (performance.now() - startMs) / 1000;
    const fifth = Math.floor(ages.length / 5);
    return {
      'frames/s': round(ages.length / seconds),
      'p50 ms': round(quantile(ages, 0.5), 0),
      'p95 ms': round(quantile(ages, 0.95), 0),
      'max ms': round(Math.max(...ages), 0),
      keyframes,
      'kbit/s': round((bytes * 8) / seconds / 1000, 0),
      'drift ms': round(quantile(ages.slice(-fifth), 0.5) - quantile(ages.slice(fifth, 2 * fifth), 0.5)),
    };
  } finally {
    socket.terminate();
    relay.close();
    await fetch(`${ours.origin}/stream/${streamId}`, { method: 'DELETE' });
  }
}

/** A TCP relay whose way to the viewer has a rate and a short queue. */
async function startRelay(toPort) {
  let bytesPerMs = Infinity;
  const ends = new Set();
  const server = createServer((viewer) => {
    const origin = connect(toPort, '127.0.0.1');
    let queue = [];
    let queuedBytes = 0;
    let budget = 0;
    viewer.pipe(origin);
    origin.on('data', (data) => {
      if (bytesPerMs === Infinity && queuedBytes === 0) {
        viewer.write(data);
        return;
      }
      queue.push(data);
      queuedBytes += data.length;
      if (queuedBytes > QUEUE_BYTES) origin.pause();
    });
    let lastMs = performance.now();
    const timer = setInterval(() => {
      const nowMs = performance.now();
      budget = Math.min(budget + (nowMs - lastMs) * bytesPerMs, 50 * bytesPerMs);
      lastMs = nowMs;
      while (queue.length > 0 && budget > 0) {
        const [head, ...rest] = queue;
        const piece = head.subarray(0, Math.ceil(Math.min(budget, head.length)));
        viewer.write(piece);
        budget -= piece.length;
        queuedBytes -= piece.length;
        queue = piece.length === head.length ? rest : [head.subarray(piece.length), ...rest];
      }
      if (queuedBytes < QUEUE_BYTES / 2) origin.resume();
    }, TICK_MS);
    const close = () => {
      clearInterval(timer);
      viewer.destroy();
      origin.destroy();
    };
    ends.add(close);
    for (const end of [viewer, origin]) end.on('close', close).on('error', close);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    setRate: (rateBps) => void (bytesPerMs = rateBps / 8000),
    close: () => {
      server.close();
      for (const close of ends) close();
    },
  };
}
