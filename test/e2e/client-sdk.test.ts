import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';

import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Finding } from '../../src/client/diagnose/finding.js';
import { CuttableProxy } from '../helpers/cuttable-proxy.js';
import { until } from '../helpers/patience.js';
import { root } from '../helpers/product.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { TurnServer } from '../helpers/turn-server.js';
import { ViewerBrowser, ViewerTab } from '../helpers/viewer-browser.js';
import { isDtls, isMedia, ViewerNetwork } from '../helpers/viewer-network.js';

/** One session, and a first viewer whom each test leaves where the next one begins. */
let server: TestServer;
let proxy: CuttableProxy;
let browser: ViewerBrowser;
let session: CreatedSession;
let turn: TurnServer | undefined;
let tab: ViewerTab;
let script: string;
/** The connections of WebSockets of the viewer without UDP, which alone has no token, oldest first. */
const webSockets: Duplex[] = [];
const network = new ViewerNetwork();
const networks = [network];

const DECODED = 'stream.stats().then(({ recent }) => recent?.framesDecoded ?? 0)';
const PICTURE_COMES = `${DECODED}.then((frames) => frames > 0)`;
interface WebSocketLog {
  resumedAfter?: number | null;
  sequences: number[];
}

/** From now on a page notes of each WebSocket where it resumes and the numbers of the chunks that come. */
const LOG_WEB_SOCKETS = `window.webSocketLog = [], window.WebSocket = class extends WebSocket {
  #log = { sequences: [] };
  constructor(...parameters) {
    super(...parameters);
    webSocketLog.push(this.#log);
    this.addEventListener('message', ({ data }) => {
      if (typeof data !== 'string') this.#log.sequences.push(Number(new DataView(data).getBigUint64(0)));
    });
  }
  send(text) {
    const { type, lastSeq } = JSON.parse(text);
    if (type === 'resume') this.#log.resumedAfter = lastSeq;
    super.send(text);
  }
}, undefined`;
/** From now on a page notes when its element has no picture to show. */
const WATCH_FOR_GAPS = `window.gaps = [], video.addEventListener('emptied', () => gaps.push('emptied')),
  requestAnimationFrame(function look() {
    if (video.readyState < video.HAVE_CURRENT_DATA) gaps.push(video.readyState);
    requestAnimationFrame(look);
  }), undefined`;
const isAddonBuilt = existsSync(join(root, 'native', 'build', 'Release', 'media_plane.node'));
/** Nobody listens there. */
const SILENT_TURN = 'turn:127.0.0.1:40998';

beforeAll(async () => {
  if (TurnServer.isInstalled) turn = await TurnServer.start();
  const wrong = { username: 'nobody', credential: 'wrong', usedBy: 'viewers' as const };
  const relays = [...(turn ? [turn.url('udp')] : []), SILENT_TURN].map((urls) => ({ urls, ...wrong }));
  const [started, launched, bundle] = await Promise.all([
    TestServer.start({
      viewerReattachMs: 2000,
      pauseGraceMs: 300,
      validateRequest: ({ headers }) => ({ authorized: true, callerId: String(headers['x-caller']) }),
      iceServers: ({ callerId }) => (callerId === 'relayed' ? relays : []),
    }),
    ViewerBrowser.launch(),
    build({
      entryPoints: [join(root, 'test', 'fixtures', 'cut-network.mjs')],
      bundle: true,
      write: false,
      format: 'iife',
      define: { 'process.env.NODE_ENV': '"development"' },
    }),
  ]);
  [server, browser] = [started, launched];
  server.http.prependListener('upgrade', ({ url }, socket) => {
    if (!url?.includes('token=')) webSockets.push(socket);
  });
  script = bundle.outputFiles[0]?.text ?? '';
  proxy = await CuttableProxy.open(server.origin);
  session = await server.create(server.page('mode=counter&tone=440&tells=20'));
  tab = await open(network, proxy);
  await follow(tab);
  await tab.until(PICTURE_COMES);
});

afterAll(async () => {
  await browser.close();
  await Promise.all(networks.map((one) => one.cut()));
  await Promise.all([proxy.close(), server.close(), turn?.stop()]);
});

/** A page that is connected to nothing yet. */
async function open(through: ViewerNetwork, { origin }: { origin: string } = server): Promise<ViewerTab> {
  const page = await browser.browser.newPage();
  await through.standBefore(page);
  await page.goto(`${origin}/fixtures/cut-network.html`);
  await page.addScriptTag({ content: script });
  return new ViewerTab(page);
}

/** Works with another page, in a network of its own, until it is done. */
async function inTab(
  passes: (datagram: Buffer) => boolean,
  work: (own: ViewerTab, its: ViewerNetwork) => Promise<void>,
): Promise<void> {
  const own = new ViewerNetwork(passes);
  networks.push(own);
  const opened = await open(own);
  try {
    await work(opened, own);
  } finally {
    await opened.close();
  }
}

async function expectPictureAndSound(by: ViewerTab): Promise<void> {
  await by.until('stream.transport && counter() >= 0');
  const seen = await by.read<number>('counter()');
  await by.until(`counter() > ${seen}`);
  await by.until('loudness().then((loudest) => loudest > 0.05)');
}

const everything = (): boolean => true;
const nothing = (): boolean => false;

async function follow(by: ViewerTab, options: object = {}): Promise<void> {
  const all = { url: '/stream', streamId: session.id, ...options };
  await by.read(`follow(${JSON.stringify(all)})`);
}

/** Asks until the finding is the worst one; then all of them. */
async function untilFound(by: ViewerTab, code: string): Promise<Finding[]> {
  await by.until(`findings().then((found) => (window.found = found)[0]?.code === "${code}")`);
  return by.read('found');
}

interface Viewer {
  publicId: string;
  attached: boolean;
  wishes: { maxHeight: number | null };
  bounds: { maxHeight: number | null };
  rung: { reason: string } | null;
}

/** Those that the server knows, and how many its state counts. */
async function viewers(): Promise<[known: Viewer[], counted: number]> {
  const [diagnostics, state] = await Promise.all(
    [`${session.url}/diagnostics`, session.url].map(async (url) => (await fetch(url)).json()),
  );
  return [
    (diagnostics as { viewers: Viewer[] }).viewers,
    (state as { metadata: { viewers: number } }).metadata.viewers,
  ];
}

async function untilViewers(holds: (found: Viewer[], counted: number) => boolean): Promise<Viewer[]> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const [found, counted] = await viewers();
    if (holds(found, counted)) return found;
    if (performance.now() > deadline) throw new Error(`the viewers stayed ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('both ends tell where the time of a picture goes, and that nothing is wrong', async () => {
  // The first second of a session has slow pictures, of a browser that still settles.
  // A machine that is busy with other things may be slow at it.
  await tab.until('findings().then((found) => found.every(({ code }) => /_(slow|busy)$/.test(code)))');
  await tab.until(`Promise.all([stream.report(), stream.serverDiagnostics()]).then(([report, server]) => {
    const { stages, totalMs } = stageLatency(report, server);
    return totalMs > 0 && stages.every(({ ms }) => ms >= 0) && report.publicId === '1';
  })`);
});

test('without HTTP the picture goes on, and the state then resumes where it was', async () => {
  const before = await tab.read<[string, number]>('[stream.viewerId, log.documents]');
  await proxy.cut();
  await tab.until("stream.status === 'reconnecting'");
  await tab.read(DECODED);
  await tab.until(PICTURE_COMES);
  await proxy.restore();
  await tab.until("stream.status === 'connected'");
  const patches = await tab.read<number>('log.patches');
  await tab.until(`log.patches > ${patches}`);
  // The same viewer and peer, and patches alone: had one been missed, the next one would not have fitted.
  expect(await tab.read('[stream.viewerId, log.documents]')).toEqual(before);
  expect(await tab.read('[log.media, log.peerStates.filter((state) => state !== "connecting")]')).toEqual([
    1,
    ['connected'],
  ]);
  const deadline = performance.now() + 10_000;
  for (;;) {
    const [theirs, ours] = await Promise.all([
      tab.read('stream.state'),
      fetch(session.url).then((answer) => answer.json()),
    ]);
    if (JSON.stringify(theirs) === JSON.stringify(ours)) break;
    // A patch is up to one interval younger than the state.
    if (performance.now() > deadline) expect(theirs).toEqual(ours);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
});

describe.concurrent('in tabs beside each other', () => {
  test('without UDP ICE is restarted, the words for it are right, and the picture comes again', async () => {
    await network.cut();
    await untilFound(tab, 'media_interrupted');
    // As when another network takes over: a silent path is not waited for.
    await tab.read("window.dispatchEvent(new Event('online'))");
    await tab.until("log.peerStates.at(-1) === 'connected'");
    await tab.read(DECODED);
    await tab.until(PICTURE_COMES);
    expect(await tab.read('[log.media, stream.publicId]')).toEqual([1, '1']);
  });

  test('a browser that UDP never reaches is told of the firewall and of each relay', async () => {
    await inTab(nothing, async (own) => {
      await follow(own, { transport: 'webrtc', headers: { 'x-caller': 'relayed' } });
      const found = await untilFound(own, 'udp_blocked');
      const { figures = {} } = found[0] ?? {};
      expect(figures).toMatchObject({ iceState: 'checking', checksAnswered: 0, serverCandidates: 'host' });
      expect(figures.checksSent).toBeGreaterThan(3);
      expect(found.slice(1).map(({ code, figures: { url, errorCode } }) => [code, url, errorCode])).toEqual([
        ...(turn ? [['turn_refused', turn.url('udp'), 401]] : []),
        ['turn_unreachable', SILENT_TURN, undefined],
      ]);
    });
  });

  test('where UDP is blocked media comes by the WebSocket, goes on after a cut, and by WebRTC again when that works', async () => {
    await inTab(nothing, async (own, its) => {
      await own.read(LOG_WEB_SOCKETS);
      await follow(own);
      await own.until("stream.status === 'connected'");
      const publicId = await own.read<string>('stream.publicId');
      await tab.read(`stream.giveControl('${publicId}')`);
      await own.until("stream.transport === 'websocket'");
      await expectPictureAndSound(own);
      // It is the viewer that it was: with control, which reaches the page, and counted once.
      expect(await own.read('[stream.publicId, stream.role]')).toEqual([publicId, 'controller']);
      expect(await own.read("stream.sendInput({ type: 'key', name: 'F9' })")).toBe(true);
      await own.until("stream.state.metadata.page.pressed === 'F9'");
      await untilViewers((found, counted) => found.filter(({ attached }) => attached).length === counted);
      const [before, earlier] = await own.read<[number, number]>('[counter(), webSocketLog.length]');
      webSockets.splice(0).at(-1)?.destroy();
      await own.until(`counter() > ${before} && webSocketLog[${earlier}]?.sequences.length > 0`);
      await own.until('stream.stats().then(({ recent }) => recent?.framesDecoded > 0)');
      const [cut, next] = (await own.read<WebSocketLog[]>('webSocketLog')).slice(earlier - 1);
      const last = cut?.sequences.at(-1) ?? NaN;
      expect([next?.resumedAfter, next?.sequences[0]]).toEqual([last, last + 1]);
      expect(await own.read('[log.transports, log.errors, stream.status]')).toEqual([
        ['websocket'],
        [],
        'connected',
      ]);
      const closed = new Promise((resolve) => webSockets.at(-1)?.once('close', resolve));
      await own.read(WATCH_FOR_GAPS);
      await its.pass(everything);
      await own.read("window.dispatchEvent(new Event('online'))");
      await own.until("stream.transport === 'webrtc'");
      await closed;
      await expectPictureAndSound(own);
      expect(await own.read('[gaps, log.media, log.errors, stream.publicId, stream.role]')).toEqual([
        [],
        // One of the first peer, one of the WebSocket: its stream goes on.
        2,
        [],
        publicId,
        'controller',
      ]);
      expect(await own.read("stream.sendInput({ type: 'key', name: 'F8' })")).toBe(true);
      await own.until("stream.state.metadata.page.pressed === 'F8'");
      await own.read('window.tracks = stream.stream.getTracks(), stream.close()');
      expect(await own.read('[video.srcObject, ...tracks.map(({ readyState }) => readyState)]')).toEqual([
        null,
        'ended',
        'ended',
      ]);
    });
  });

  test('a browser that generates no tracks shows the WebSocket as well', async () => {
    await inTab(nothing, async (own) => {
      await own.read('delete window.MediaStreamTrackGenerator');
      // Tokens mean nothing to this server; this one tells the two apart.
      await follow(own, { transport: 'websocket', token: 'canvas' });
      await expectPictureAndSound(own);
    });
  });

  test.each([
    ['DTLS', 'dtls_failed', isDtls],
    ['media', 'no_picture', isMedia],
  ])('a network that swallows %s alone is told as %s', async (_, code, isSwallowed) => {
    await inTab(
      (datagram) => !isSwallowed(datagram),
      async (own) => {
        await follow(own, { transport: 'webrtc' });
        const [first, ...others] = await untilFound(own, code);
        // The server may be busy with all of them, but nothing else keeps the picture away.
        expect([first, ...others].filter((one) => one?.severity === 'error')).toEqual([first]);
        if (code === 'no_picture') {
          expect(first?.message).toContain('the server sends, and nothing arrives');
          expect(first?.figures.packetsSent).toBeGreaterThan(50);
        }
      },
    );
  });

  test('lost packets are told, with how many, repair packets come, and sound waits for its own', async () => {
    // Every tenth of each payload type: counted together, sound could take all that is lost, or pictures.
    const counts = new Map<number, number>();
    const isTenth = ([, second = 0]: Buffer): boolean => {
      const payloadType = second & 0x7f;
      const count = (counts.get(payloadType) ?? 0) + 1;
      counts.set(payloadType, count);
      return count % 10 === 0;
    };
    await inTab(
      (datagram) => !isMedia(datagram) || !isTenth(datagram),
      async (own) => {
        await follow(own);
        await own.until(PICTURE_COMES);
        await own.read('findings()');
        // Figures are of the time between two looks; one of few packets says little.
        const loss = await until(async () => {
          const found = await own.read<Finding[]>('findings()');
          const told = found.find(({ code }) => code === 'packet_loss');
          expect(told?.figures.packetsReceived).toBeGreaterThan(100);
          return told;
        }, 2000);
        expect(loss?.figures.lossRatio).toBeGreaterThan(0.08);
        expect(loss?.figures.lossRatio).toBeLessThan(0.12);
        expect(loss?.message).toMatch(/^\d+(\.\d)? % of the packets are lost/);
        // The native plane sends repair packets, and the browser takes them for such.
        if (isAddonBuilt) await own.until('repairPackets().then((received) => received > 0)');
        // Sound waits for what repeats it.
        await own.until('soundTarget() === 80');
      },
    );
  });

  test('a browser whose WebRTC lacks the codecs plays over the WebSocket', async () => {
    await inTab(everything, async (own) => {
      await own.read('forgetCodecs()');
      await follow(own, { token: 'codecs' });
      await own.until("stream.transport === 'websocket' && document.querySelector('video').videoWidth > 0");
    });
  });

  test('a browser without the codecs is told so, and does not try for ever', async () => {
    await inTab(everything, async (own) => {
      await own.read('forgetCodecs()');
      await follow(own, { transport: 'webrtc' });
      await own.until("stream.status === 'failed'");
      expect(await own.read('log.errors')).toEqual(['no_codec']);
      const [first] = await own.read<Finding[]>('findings()');
      expect(first).toMatchObject({
        code: 'codec_missing',
        message: 'This browser cannot decode any of the video codecs that the session offers.',
        figures: { reason: expect.stringMatching(/H264, VP8/) },
      });
    });
  });

  test('in React one connection lives as long as its component, and only what matters makes another', async () => {
    await inTab(everything, async (own) => {
      const options = { url: '/stream', streamId: session.id };
      await own.read(`render(${JSON.stringify(options)})`);
      await own.until("document.getElementById('view')?.videoWidth > 0 && handle.status === 'connected'");
      const first = await own.read<string>('handle.connection.publicId');
      // Equal options in other objects, and other callbacks, are nothing new.
      await own.read(
        `window.states = 0, render({ ...${JSON.stringify(options)}, onState: () => window.states++ })`,
      );
      await own.until('window.states > 0');
      // StrictMode has mounted it twice.
      expect(await own.read('[eventStreams.length, handle.connection.publicId]')).toEqual([1, first]);
      // Bounds change the picture of this viewer, and of no other: it is sent another encoding.
      const height = "document.getElementById('view').videoHeight";
      await own.read(`render({ ...${JSON.stringify(options)}, maxHeight: 120 })`);
      await own.until(`${height} === 120`);
      const [other, ...rest] = await untilViewers((found) =>
        found.some(({ publicId, wishes }) => publicId === first && wishes.maxHeight === 120),
      );
      expect(other).toMatchObject({ publicId: '1', wishes: { maxHeight: null } });
      expect(rest.find(({ publicId }) => publicId === first)).toMatchObject({ bounds: { maxHeight: null } });
      const bound = async (maxHeight: number | null): Promise<unknown> => {
        const headers = { 'content-type': 'application/json' };
        const init = { method: 'PATCH', headers, body: JSON.stringify({ maxHeight }) };
        return (await fetch(`${session.url}/viewers/${first}`, init)).json();
      };
      expect(await bound(130)).toEqual({ maxHeight: 130, maxBitrateBps: null });
      await own.read(`render(${JSON.stringify(options)})`);
      await untilViewers((found) =>
        found.some(
          ({ bounds, wishes, rung }) =>
            bounds.maxHeight === 130 && wishes.maxHeight === null && rung?.reason === 'bound',
        ),
      );
      expect(await own.read(height)).toBe(120);
      await bound(null);
      await own.until(`${height} > 120`);
      expect(await own.read('[eventStreams.length, handle.connection.publicId]')).toEqual([1, first]);
      await own.read(`render({ ...${JSON.stringify(options)}, credentials: 'include' })`);
      await own.until(`handle.status === 'connected' && Number(handle.connection.publicId) > ${first}`);
      const second = await own.read<string>('handle.connection.publicId');
      expect(await own.read('eventStreams.map(({ aborted }) => aborted)')).toEqual([true, false]);
      await own.read('render(null)');
      const ours = (found: Viewer[]): Viewer[] =>
        found.filter(({ publicId }) => [first, second].includes(publicId));
      await untilViewers((found) => !ours(found).some(({ attached }) => attached));
    });
  });

  test('in React a session that a component has made is joined anew, and ends with it', async () => {
    await inTab(everything, async (own) => {
      const create = { targetUrl: server.page('mode=counter') };
      const options = { url: '/stream', create, media: 'none', onUnmount: 'terminate' };
      await own.read(`render(${JSON.stringify(options)})`);
      await own.until("handle.status === 'connected'");
      const made = await own.read<string>('handle.state.streamId');
      await own.read(`render(${JSON.stringify({ ...options, enabled: false })})`);
      await own.until("handle.status === 'idle' && handle.connection === undefined && !handle.state");
      await own.read(`render(${JSON.stringify({ ...options, credentials: 'include' })})`);
      await own.until("handle.status === 'connected'");
      expect(await own.read('handle.state.streamId')).toBe(made);
      await own.read('render(null)');
      const deadline = performance.now() + 15_000;
      while ((await fetch(`${server.origin}/stream/${made}`)).status !== 404) {
        if (performance.now() > deadline) throw new Error('the session goes on');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
  });
});

test('a viewer that the server has forgotten comes back as another one', async () => {
  await proxy.cut();
  await untilViewers((found) => found.length === 0);
  await proxy.restore();
  await tab.read("window.dispatchEvent(new Event('online'))");
  await tab.until('Number(stream.publicId) > 1');
  await tab.until(PICTURE_COMES);
  expect(await tab.read('[log.media, stream.status]')).toEqual([2, 'connected']);
  await tab.read('stream.close()');
  await untilViewers((found) => !found.some(({ attached }) => attached));
});

test.each(['webrtc', 'websocket'])(
  'state and picture change together over %s, jitter between',
  async (transport) => {
    await inTab(everything, async (own) => {
      await own.page.bringToFront();
      await networks.at(-1)?.shake(100);
      await follow(own, { timing: 'picture', transport, token: 'canvas' });
      await own.until('log.pictures.length > 0');
      // What the page had told before belongs to no picture that is shown here.
      const old = await own.read<number>('log.told.length');
      await own.until(`log.told.length > ${old + 10}`);
      const { told, pictures } = await own.read<{
        told: { painted: number; pictures: number }[];
        pictures: { painted: number; atMs: number }[];
      }>('log');
      const lateBy = told.slice(old + 1).flatMap((change) => {
        const first = pictures.findIndex(({ painted }) => painted >= change.painted);
        const [before, shown] = [pictures[first - 1], pictures[first]];
        // The state waits half a second for a picture, no longer.
        if (before === undefined || shown === undefined || shown.atMs - before.atMs > 400) return [];
        return [change.pictures - 1 - first];
      });
      expect(lateBy.length).toBeGreaterThan(2);
      expect(Math.min(...lateBy)).toBeGreaterThanOrEqual(-1);
      expect(Math.max(...lateBy)).toBeLessThanOrEqual(1);
    });
  },
);
