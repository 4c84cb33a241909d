// Our media plane and viewer peers in a process of their own, fed by a synthetic stream: what a session has, less
// browser and encoder. Driven over the IPC channel of child_process.fork by ./server-process.mjs.
import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

import { openBenchPlane } from './bench-plane.mjs';
import { openFrameSource } from './frame-source.mjs';
import { nowUs } from './synthetic-stream.mjs';

const logger = {
  debug() {},
  info() {},
  warn: (context, message) => console.error(message, context),
  error: (context, message) => console.error(message, context),
  child: () => logger,
};

let plane;
let openPeer;
let producers;
let source;
const viewers = new Map();
const delay = monitorEventLoopDelay({ resolution: 1 });

/** CPU time of each thread, µs, by its name and id. */
function threadCpuUs() {
  const threads = {};
  for (const id of readdirSync('/proc/self/task')) {
    try {
      const name = readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
      const ns = readFileSync(`/proc/self/task/${id}/schedstat`, 'utf8').split(' ')[0];
      threads[Number(id) === process.pid ? 'main' : `${name}:${id}`] = Number(ns) / 1000;
    } catch {
      // It ended meanwhile.
    }
  }
  return threads;
}

/** @param options - before: those who came before the viewer of this name. */
function sumOfConsumers({ before = Infinity } = {}) {
  const sum = { framesDropped: 0, reporting: 0 };
  for (const [name, { consumers = [] }] of viewers) {
    if (name >= before) continue;
    for (const { stats } of consumers) sum.framesDropped += stats.framesDropped;
    // A round-trip time comes from a report block that echoes a sender report.
    sum.reporting += Number(consumers[0]?.stats.rttMs !== undefined);
  }
  return sum;
}

const methods = {
  open(options) {
    ({ plane, openPeer } = openBenchPlane({ ...options, logger }));
    const listener = {
      onKeyframeWanted() {
        source?.requestKeyframe();
      },
    };
    const { gopReplay, bitrateBps } = options;
    producers = {
      video: plane.createProducer(
        { kind: 'video', clockRateHz: 90_000, targetBitrateBps: bitrateBps, gopReplay },
        listener,
      ),
      audio: plane.createProducer({ kind: 'audio', clockRateHz: 48_000 }, listener),
    };
    source = openFrameSource(plane, producers);
  },

  play(parameters) {
    source.play(parameters);
  },

  stopPlaying() {
    source.stop();
  },

  /** Resolves with the offer and the first candidates. */
  async offer({ viewer }) {
    const entry = {};
    viewers.set(viewer, entry);
    const candidates = [];
    let gathered;
    const allGathered = new Promise((resolve) => (gathered = resolve));
    entry.connected = new Promise((resolve, reject) => {
      let offerSdp;
      entry.peer = openPeer(
        { videoCodecs: ['h264'], audio: true, iceServers: [] },
        {
          onOffer: (sdp) => (offerSdp = sdp),
          onIceCandidate(candidate) {
            if (candidate === null) gathered();
            else candidates.push(candidate.candidate);
          },
          onConnected(media) {
            entry.consumers = [
              media.transport.consume(producers.video, media.video),
              media.transport.consume(producers.audio, media.audio),
            ];
            resolve({ connectedUs: nowUs() });
          },
          onIceStateChange() {},
          onLeft() {
            viewers.delete(viewer);
            reject(new Error('The viewer left.'));
            gathered();
          },
          onFailed(error) {
            viewers.delete(viewer);
            reject(error);
            gathered();
          },
        },
      );
      entry.offer = () => offerSdp;
    });
    entry.connected.catch(() => undefined);
    await entry.peer.start();
    await allGathered;
    return { sdp: entry.offer(), candidates };
  },

  /** Resolves once ICE and DTLS are up. */
  async answer({ viewer, sdp }) {
    const answerUs = nowUs();
    const { peer, connected } = viewers.get(viewer);
    await peer.acceptAnswer(sdp);
    return { answerUs, ...(await connected) };
  },

  async leave({ viewer }) {
    const { peer } = viewers.get(viewer) ?? {};
    viewers.delete(viewer);
    await peer?.close();
  },

  consumers: sumOfConsumers,

  counters() {
    const { user, system } = process.cpuUsage();
    return {
      nowUs: nowUs(),
      cpuUs: user + system,
      threads: threadCpuUs(),
      keyframes: source?.keyframes ?? 0,
      rssMiB: process.memoryUsage.rss() / 2 ** 20,
      plane: plane.stats ?? null,
    };
  },

  /** Not while CPU is measured: it wakes the loop a thousand times a second. */
  watchLoop() {
    delay.reset();
    delay.enable();
  },

  loopDelay() {
    const [p50, p99, max] = [delay.percentile(50), delay.percentile(99), delay.max].map((ns) => ns / 1e6);
    delay.disable();
    return { p50, p99, max };
  },

  async close() {
    source?.close();
    await Promise.all([...viewers.values()].map(({ peer }) => peer.close()));
    await plane?.close();
  },
};

process.on('disconnect', () => process.exit());
process.on('message', async ({ id, method, argument }) => {
  try {
    process.send({ id, result: await methods[method](argument) });
  } catch (error) {
    process.send({ id, error: String(error?.cause ?? error) });
  }
  if (method === 'close') process.disconnect();
});
