// POST of a session → first decoded frame in a viewer that attaches at once, by stage, and the memory of a session that nobody watches.
import {
  cpuOver,
  launchBrowser,
  memoryBelow,
  openViewer,
  quantile,
  round,
  sleep,
  startOurs,
  startPages,
} from './rig.mjs';

const RUNS = 15;
// What was encoded in a second is told together.
const FRAMES_TOLD_MS = 1_500;
const IDLE_MS = 10_000;
const SPARE_TIMEOUT_MS = 30_000;
// What starts behind it is done by then.
const SETTLING_MS = 3_000;
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

/** One session from POST to the first picture that a viewer shows. @returns ms since the POST by stage. */
async function start({ ours, browser, pages, asked }) {
  const viewer = await openViewer(browser, pages.origin);
  const shown = viewer.evaluate(
    () =>
      new Promise((resolve) => {
        const video = document.getElementById('video');
        video.requestVideoFrameCallback(() => resolve(performance.timeOrigin + performance.now()));
      }),
  );
  asked.atMs = undefined;
  const startMs = performance.timeOrigin + performance.now();
  const session = await ours.create(`${pages.origin}${PAGE}?mode=counter`, { resolution: '1280x720' });
  const answered = performance.timeOrigin + performance.now();
  await viewer.evaluate((url) => window.attach(url), session);
  const own = { answered, shown: await shown, requested: asked.atMs };
  await sleep(FRAMES_TOLD_MS);
  const stages = { ...(await ours.stages()), ...own };
  await viewer.close();
  await fetch(session, { method: 'DELETE' });
  return Object.fromEntries(Object.entries(stages).map(([stage, atMs]) => [stage, atMs - startMs]));
}

/** Waits until a browser is ready for the next session, and what was started for it has come to rest. */
async function spareReady(ours) {
  for (const deadline = performance.now() + SPARE_TIMEOUT_MS; (await ours.spares()) === 0; await sleep(50))
    if (performance.now() > deadline) throw new Error('No spare browser became ready');
  await sleep(SETTLING_MS);
}

export async function coldStart() {
  const asked = { atMs: undefined };
  const pages = await startPages((path) => {
    if (path === PAGE) asked.atMs ??= performance.timeOrigin + performance.now();
  });
  const browser = await launchBrowser();
  const cold = await startOurs({ capture: 'tab' });
  // What the page is made with by default is what the spare is made with.
  const defaultViewport = { width: 1280, height: 720 };
  const warm = await startOurs({ capture: 'tab', defaultViewport, pool: { size: 1 } });
  const times = () => Object.fromEntries(Object.keys(STAGES).map((stage) => [stage, []]));
  const figures = { cold: times(), warm: times() };
  let memory;
  let spareCpu;
  try {
    for (let run = 0; run < RUNS; run++) {
      for (const [kind, ours] of Object.entries({ cold, warm })) {
        await spareReady(warm);
        const reached = await start({ ours, browser, pages, asked });
        for (const [stage, ms] of Object.entries(reached)) figures[kind][stage]?.push(ms);
      }
    }
    await spareReady(warm);
    const idleServer = await cpuOver(cold.pid, IDLE_MS / 1000);
    spareCpu = (await cpuOver(warm.pid, IDLE_MS / 1000)) - idleServer;
    await warm.close();
    memory = await idleMemory(cold, pages.origin);
  } finally {
    await Promise.all([cold.close(), warm.close()]);
    await browser.close();
    pages.close();
  }
  const columns = (kind, stage) => ({
    [`${kind} p50 ms`]: round(quantile(figures[kind][stage], 0.5), 0),
    [`${kind} p95 ms`]: round(quantile(figures[kind][stage], 0.95), 0),
    [`${kind} worst ms`]: round(Math.max(...figures[kind][stage]), 0),
  });
  return [
    {
      title: 'Cold and warm start',
      note:
        `POST → first picture shown in a viewer that attaches at once; 720p30, ${RUNS} runs each, in turn, ms since the POST was sent. ` +
        'Warm: with a pool of one browser. Targets: first picture encoded after at most 1200 ms; warm 300, shown 450, p95 700.',
      rows: Object.entries(STAGES).map(([stage, name]) => ({
        stage: name,
        ...columns('cold', stage),
        ...columns('warm', stage),
      })),
    },
    {
      name: 'spare-cpu',
      title: 'CPU time of a browser that waits for a session',
      note: `All its processes, over ${IDLE_MS / 1000} s, less those of a server without a pool.`,
      rows: [{ 'cores %': round(spareCpu * 100, 2) }],
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
