// Our router in a process of its own. Options as JSON in the first argument; prints its origin, answers `delay` lines
// with the event-loop delay since the last, `frames` lines with when raw frames were read and `stages` lines with when the
// last session reached each stage of its start, `spares` lines with how many browsers wait and `sent` lines with the bytes of media
// that were sent, and ends with its input. The option `livekit`, an origin, sends viewers beyond the first one there.
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';

import express from 'express';

import { createStreamKitRouter } from '../../dist/index.js';

const { livekit, ...given } = JSON.parse(process.argv[2] ?? '{}');

/** Overflow into LiveKit: the room of a session has its id. */
async function overflowTo(origin) {
  const { PUBLISHER } = await import('./fanout/livekit.mjs');
  const { tokenOf } = await import('../sfu-servers.mjs');
  return {
    when: { viewers: 1 },
    publish: ({ streamId: room }) => ({
      url: `${origin}/whip/v1`,
      token: tokenOf(PUBLISHER, { room, canPublish: true, canSubscribe: false }),
    }),
    play: ({ streamId: room, publicId }) => ({
      kind: 'livekit',
      url: origin.replace('http', 'ws'),
      token: tokenOf(publicId, { room, canPublish: false, canSubscribe: true }),
    }),
  };
}

const router = createStreamKitRouter({
  listenAddress: '127.0.0.1',
  targetPolicy: { allowPrivateAddresses: true },
  maxSessions: 8,
  onError: (error) => console.error(error),
  ...given,
  ...(livekit === undefined ? {} : { overflow: await overflowTo(livekit) }),
});
const application = express();
// The viewer's page comes from another origin; the router's own default is closed.
application.use((request, response, next) => {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-allow-headers', 'content-type');
  if (request.method === 'OPTIONS') response.sendStatus(204);
  else next();
});
// For clients that reach the router at their own origin alone.
application.use('/fixtures', express.static(join(import.meta.dirname, '..', '..', 'test', 'fixtures')));
application.use('/stream', (request, response, next) => void router(request, response, next));
const server = createServer(application).listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(JSON.stringify({ origin: `http://127.0.0.1:${server.address().port}` }));

router.attach(server, { path: '/stream' });

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

const FRAMES_KEPT = 5_000;
const frames = [];
// Of the last session, wall-clock ms by name of the stage.
let stages = {};
const nowMs = () => performance.timeOrigin + performance.now();
let stagesOf;
const reach = (name, streamId, wallMs) => {
  if (streamId === stagesOf) stages[name] ??= wallMs;
};
subscribe('stream-kit:session:create', ({ streamId }) => ([stages, stagesOf] = [{}, streamId]));
// Its first status with a page: `connecting`, or `streaming` where a viewer waits for it.
subscribe('stream-kit:session:status', ({ streamId }) => reach('live', streamId, nowMs()));
subscribe('stream-kit:viewer:connect', ({ streamId }) => reach('connected', streamId, nowMs()));
subscribe('stream-kit:frame', ({ streamId, rtpTimestamp, readTimeUs, captureTimeUs, encodedTimeUs }) => {
  const wallMs = nowMs();
  const monotonicMs = Number(process.hrtime.bigint()) / 1e6;
  const wallOf = (timeUs) => wallMs - (monotonicMs - timeUs / 1e3);
  if (frames.push([rtpTimestamp, wallOf(readTimeUs), wallMs, wallOf(captureTimeUs)]) > FRAMES_KEPT)
    frames.shift();
  reach('captured', streamId, wallOf(captureTimeUs));
  reach('encoded', streamId, wallOf(encodedTimeUs));
});

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'frames') console.log(JSON.stringify(frames));
  if (line === 'stages') console.log(JSON.stringify(stages));
  if (line === 'spares') {
    const [, ready = '0'] = /^stream_kit_pool_ready (\d+)$/m.exec(await router.metrics()) ?? [];
    console.log(ready);
  }
  if (line === 'sent') {
    const lines = (await router.metrics()).matchAll(/^stream_kit_media_bytes_sent_total\S* (\d+)$/gm);
    console.log([...lines].reduce((sum, [, bytes]) => sum + Number(bytes), 0));
  }
  if (line !== 'delay') continue;
  const [p50, p99, max] = [delay.percentile(50), delay.percentile(99), delay.max].map((ns) => ns / 1e6);
  console.log(JSON.stringify({ p50, p99, max }));
  delay.reset();
}
await router.close();
server.closeAllConnections();
server.close();
