// POST of a session → first decoded frame in a viewer that attaches at once, by stage, and the memory of a session that nobody watches.
import {
  launchBrowser,
  memoryBelow,
  openViewer,
  quantile,
  round,
  sleep,
  startOurs,
  startPages,
} from './rig.mjs';

const RUNS = 7;
// What was encoded in a second is told together.
const FRAMES_TOLD_MS = 1_500;
const IDLE_MS = 10_000;
const PAGE = '/page.html';

const STAGES = {
  answered: 'POST answered',
  requested: 'page asked for',
  live: 'page live',
  connected: 'viewer connected',
  captured: 'first picture captured',
  encoded: 'first picture encoded',
  shown: 'first picture shown',
};

async function idleMemory(ours, origin) {
  const before = memoryBelow(ours.pid).reduce((sum, { mib }) => sum + mib, 0);
  const session = await ours.create(`${origin}${PAGE}?mode=still`, { resolution: '1280x720' });
  await sleep(IDLE_MS);
  const after = memoryBelow(ours.pid);
  await fetch(session, { method: 'DELETE' });
  const node = after.filter(({ command }) => !command.includes('--type=') && !command.includes('chrom'));
  return {
    'session MiB': round(after.reduce((sum, { mib }) => sum + mib, 0) - before),
    'its process MiB': round(Math.max(...node.map(({ mib }) => mib))),
    'spare process MiB': round(Math.min(...node.map(({ mib }) => mib))),
  };
}

export async function coldStart() {
  let requestedMs;
  const pages = await startPages((path) => {
    if (path === PAGE) requestedMs ??= performance.timeOrigin + performance.now();
  });
  const browser = await launchBrowser();
  const ours = await startOurs({ capture: 'tab' });
  const times = Object.fromEntries(Object.keys(STAGES).map((stage) => [stage, []]));
  let memory;
  try {
    for (let run = 0; run < RUNS; run++) {
      const viewer = await openViewer(browser, pages.origin);
      const shown = viewer.evaluate(
        () =>
          new Promise((resolve) => {
            const video = document.getElementById('video');
            video.requestVideoFrameCallback(() => resolve(performance.timeOrigin + performance.now()));
          }),
      );
      requestedMs = undefined;
      const startMs = performance.timeOrigin + performance.now();
      const session = await ours.create(`${pages.origin}${PAGE}?mode=counter`, { resolution: '1280x720' });
      const answered = performance.timeOrigin + performance.now();
      await viewer.evaluate((url) => window.attach(url), session);
      const own = { answered, shown: await shown, requested: requestedMs };
      await sleep(FRAMES_TOLD_MS);
      for (const [stage, atMs] of Object.entries({ ...(await ours.stages()), ...own }))
        times[stage]?.push(atMs - startMs);
      await viewer.close();
      await fetch(session, { method: 'DELETE' });
    }
    memory = await idleMemory(ours, pages.origin);
  } finally {
    await ours.close();
    await browser.close();
    pages.close();
  }
  return [
    {
      title: 'Cold start',
      note:
        `POST → first picture shown in a viewer that attaches at once; 720p30, ${RUNS} runs, ms since the POST was sent. ` +
        'Target: first picture encoded after at most 1200 ms.',
      rows: Object.entries(STAGES).map(([stage, name]) => ({
        stage: name,
        'p50 ms': round(quantile(times[stage], 0.5), 0),
        'worst ms': round(Math.max(...times[stage]), 0),
      })),
    },
    {
      name: 'idle-memory',
      title: 'Memory of an idle session',
      note:
        'Of all processes of a session of a still page that nobody watches, after 10 s, pages shared with others divided among them; ' +
        'Node processes below the host: the one of the session, and the one kept ready for the next.',
      rows: [memory],
    },
  ];
}
