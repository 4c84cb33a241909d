// What many event streams beside one viewer cost the event loop of the server.
import { connect } from 'node:net';

import { cpuSeconds, launchBrowser, openViewer, round, sleep, startOurs, startPages } from './rig.mjs';

const WARM_UP_MS = 5_000;
const MEASURE_MS = 20_000;

/** An event stream that is read and not looked at, so that this process takes little of the machine. */
function openStream(session, onBytes) {
  const { hostname, port, pathname } = new URL(session);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write(`GET ${pathname}/sse?media=none HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`);
  const opened = new Promise((resolve) => socket.once('data', resolve));
  socket.on('data', (bytes) => onBytes(bytes.byteLength));
  return { opened, close: () => socket.destroy() };
}

async function measure(pages, browser, streamCount) {
  const ours = await startOurs({
    rateLimits: false,
    maxViewersPerSession: 2 * streamCount + 10,
    maxViewersPerCaller: 2 * streamCount + 10,
  });
  const viewer = await openViewer(browser, pages.origin);
  const streams = [];
  let bytes = 0;
  try {
    // The page changes the state with each of its pictures.
    const session = await ours.create(`${pages.origin}/changing-state.html`, {
      resolution: '640x360',
      frameRate: 30,
      videoCodec: 'h264',
    });
    await viewer.evaluate((url) => window.attach(url), session);
    await viewer.waitForFunction('video.videoWidth > 0');
    for (let count = 0; count < streamCount; count++) {
      const stream = openStream(session, (more) => (bytes += more));
      streams.push(stream);
      await stream.opened;
    }
    await sleep(WARM_UP_MS);
    await ours.loopDelay();
    const [cpuBefore, bytesBefore] = [cpuSeconds(ours.pid), bytes];
    await sleep(MEASURE_MS);
    const { p50, p99, max } = await ours.loopDelay();
    const seconds = MEASURE_MS / 1000;
    return {
      'event streams': streamCount,
      'loop delay p50 ms': round(p50),
      'loop delay p99 ms': round(p99),
      'loop delay max ms': round(max),
      'kB/s to each': streamCount === 0 ? 0 : round((bytes - bytesBefore) / streamCount / seconds / 1000),
      'cores, browser included': round((cpuSeconds(ours.pid) - cpuBefore) / seconds, 2),
    };
  } finally {
    for (const stream of streams) stream.close();
    await viewer.close();
    await ours.close();
  }
}

export async function eventStreams({ quick }) {
  const pages = await startPages();
  const browser = await launchBrowser();
  const rows = [];
  try {
    for (const count of quick ? [0, 100] : [0, 1000]) rows.push(await measure(pages, browser, count));
  } finally {
    await browser.close();
    pages.close();
  }
  return {
    title: 'Event streams',
    note: 'A page that changes its state with each picture, one WebRTC viewer, and event streams without media beside it. Target: p99 at most 10 ms.',
    rows,
  };
}
