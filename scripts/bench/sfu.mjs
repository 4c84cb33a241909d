// One session whose viewers overflow into LiveKit: how old the picture is there against a viewer of ours, how long joining takes, and
// what the server of the session sends while the audience grows.
import { LoadGenerator } from './fanout/load-generator.mjs';
import { buildLiveKit, joinLiveKit, LIVEKIT, startLiveKitServer } from './fanout/livekit.mjs';
import { cpuOver, launchBrowser, openViewer, quantile, round, sleep, startOurs, startPages } from './rig.mjs';

const BITRATE_BPS = 4_000_000;
const AUDIENCE = 50;
const ROUNDS = 3;
const JOINS = 5;
const WARM_UP_MS = 4_000;
const MEASURE_MS = 10_000;
const JOIN_TIMEOUT_MS = 30_000;
const TRANSPORTS = { direct: 'webrtc', livekit: 'overflow' };

/** Joins as the client SDK does. @returns ms until the first picture is shown. */
async function join(viewer, session, transport) {
  const { origin, pathname } = new URL(session);
  const request = { origin, streamId: pathname.split('/').at(-1), limitMs: JOIN_TIMEOUT_MS };
  const joined = await viewer.evaluate(async ({ origin, streamId, limitMs }) => {
    const { connectStream } = await import('/client/index.js');
    const livekit = () => import('/vendor/livekit-client/dist/livekit-client.esm.mjs');
    await livekit();
    const video = document.getElementById('video');
    const startedMs = performance.now();
    const shown = new Promise((resolve, reject) => {
      video.requestVideoFrameCallback(() => resolve(performance.now() - startedMs));
      setTimeout(() => reject(new Error('no picture in time')), limitMs);
      window.stream = connectStream({
        ...{ url: `${origin}/stream`, streamId, video, livekit },
        onError: (error) => reject(new Error(error.code)),
      });
    });
    const joinMs = await shown;
    return { joinMs, transport: window.stream.transport };
  }, request);
  if (joined.transport !== transport)
    throw new Error(`A viewer is served by ${joined.transport}, and not by ${transport}`);
  return joined.joinMs;
}

const leave = (viewer) => viewer.evaluate(() => window.stream.close());

/** How long it takes to join, time after time; the last one stays. */
async function measureJoins(browser, pages, session, transport, count) {
  const joinsMs = [];
  for (;;) {
    const viewer = await openViewer(browser, pages.origin);
    joinsMs.push(await join(viewer, session, transport));
    if (joinsMs.length === count) return { viewer, joinsMs };
    await leave(viewer);
    await viewer.close();
    // The server has noticed.
    await sleep(1_000);
  }
}

/** What the server sends and the audience gets, bits/s, and the cores that server and LiveKit take. */
async function measureSending(ours, livekit, generator, measureMs) {
  generator.restartCounts();
  const before = await ours.sentBytes();
  const startedMs = performance.now();
  const [server, sfuCores] = await Promise.all(
    [ours, livekit].map(({ pid }) => cpuOver(pid, measureMs / 1000)),
  );
  const sentBits = 8 * ((await ours.sentBytes()) - before);
  const { bytes, receiving, lost } = generator.totals();
  const seconds = (performance.now() - startedMs) / 1000;
  const eachBps = receiving === 0 ? 0 : (8 * bytes) / receiving / seconds;
  return { bps: sentBits / seconds, eachBps, receiving, lost, server, sfuCores };
}

/** The audience, four at a time. */
async function fill(generator, livekit, room, count) {
  let begun = 0;
  const worker = async () => {
    while (begun < count) await joinLiveKit(livekit.origin, generator, `audience-${begun++}`, room);
  };
  await Promise.all(Array.from({ length: Math.min(4, count) }, worker));
}

/** @param options.quick - fewer joins and one short round. */
export async function sfu({ quick = false } = {}) {
  const missing = buildLiveKit();
  if (missing !== undefined) {
    console.error(`The table sfu is left out: ${missing}`);
    return [];
  }
  const [rounds, joins, measureMs] = quick ? [1, 2, 3_000] : [ROUNDS, JOINS, MEASURE_MS];
  const pages = await startPages();
  const livekit = await startLiveKitServer();
  const browser = await launchBrowser();
  const generator = new LoadGenerator();
  let ours;
  const sending = [];
  const ages = { direct: [], livekit: [] };
  const presented = { direct: 0, livekit: 0 };
  try {
    ours = await startOurs({
      ...{ capture: 'tab', maxRungs: 1, viewerReattachMs: 500, livekit: livekit.origin },
      publications: { targets: { allowPrivateAddresses: true } },
    });
    const session = await ours.create(`${pages.origin}/page.html?mode=counter`, {
      resolution: '1280x720',
      frameRate: 30,
      videoCodec: 'h264',
      maxBitrateBps: BITRATE_BPS,
      audio: true,
    });
    await sleep(WARM_UP_MS);
    const direct = await measureJoins(browser, pages, session, TRANSPORTS.direct, joins);
    await sleep(WARM_UP_MS);
    sending.push({ audience: '1 direct', ...(await measureSending(ours, livekit, generator, measureMs)) });
    const first = await openViewer(browser, pages.origin);
    const firstMs = await join(first, session, TRANSPORTS.livekit);
    await fill(generator, livekit, session.split('/').at(-1), AUDIENCE - 1);
    await leave(first);
    await first.close();
    const guest = await measureJoins(browser, pages, session, TRANSPORTS.livekit, joins);
    await sleep(WARM_UP_MS);
    sending.push({
      audience: `1 direct, ${AUDIENCE} by LiveKit`,
      ...(await measureSending(ours, livekit, generator, measureMs)),
    });
    for (let turn = 0; turn < rounds; turn++) {
      for (const [name, viewer] of Object.entries({ direct: direct.viewer, livekit: guest.viewer })) {
        await viewer.bringToFront();
        await sleep(1_000);
        const measured = await viewer.evaluate((ms) => window.measure(ms), measureMs);
        ages[name].push(...measured.samples.map(({ ageMs }) => ageMs));
        presented[name] += measured.presented;
      }
    }
    const seconds = (rounds * measureMs) / 1000;
    const rowOf = (name, path, { joinsMs }) => ({
      path,
      'picture p50/p95 ms old': [0.5, 0.95].map((share) => round(quantile(ages[name], share))).join(' / '),
      'presented frames/s': round(presented[name] / seconds),
      'join p50 (worst) ms': `${round(quantile(joinsMs, 0.5), 0)} (${round(Math.max(...joinsMs), 0)})`,
    });
    return [
      {
        name: 'sfu',
        title: `Viewers through LiveKit ${LIVEKIT}`,
        note:
          `720p30 H.264 at ${BITRATE_BPS / 1e6} Mbit/s at most, ${AUDIENCE} viewers through LiveKit and one of our own, on the same cores; two are ` +
          `browsers, and look in turns, ${rounds} times ${measureMs / 1000} s. A join ends with the first picture, ${joins} of each; the first ` +
          `viewer beyond the bound, for whom the session is published, took ${round(firstMs, 0)} ms.`,
        rows: [rowOf('direct', 'direct', direct), rowOf('livekit', 'LiveKit', guest)],
      },
      {
        name: 'sfu-sending',
        title: 'What the server of the session sends',
        note: 'Payload of the media. Each encoding goes to LiveKit once, however many watch there. What the simulated ones of them get is pictures alone.',
        rows: sending.map(({ audience, bps, eachBps, receiving, lost, server, sfuCores }) => ({
          audience,
          'sent Mbit/s': round(bps / 1e6, 2),
          'simulated viewers that get media': receiving,
          'each gets Mbit/s': round(eachBps / 1e6, 2),
          'packets lost': lost,
          'cores, server and page': round(server, 2),
          'cores, LiveKit': round(sfuCores, 2),
        })),
      },
    ];
  } finally {
    generator.close();
    await browser.close();
    await ours?.close();
    await livekit.close();
    pages.close();
  }
}
