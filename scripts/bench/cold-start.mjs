// POST of a session → first decoded frame in a viewer that attaches at once.
import { launchBrowser, openViewer, quantile, round, startOurs, startPages } from './rig.mjs';

const RUNS = 7;

export async function coldStart() {
  const pages = await startPages();
  const browser = await launchBrowser();
  const ours = await startOurs({ capture: 'tab' });
  const times = [];
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
      const startMs = performance.timeOrigin + performance.now();
      const session = await ours.create(`${pages.origin}/page.html?mode=counter`, { resolution: '1280x720' });
      await viewer.evaluate((url) => window.attach(url), session);
      times.push((await shown) - startMs);
      await viewer.close();
      await fetch(session, { method: 'DELETE' });
    }
  } finally {
    await ours.close();
    await browser.close();
    pages.close();
  }
  return {
    title: 'Cold start',
    note: `POST → first frame shown in a viewer that attaches at once; 720p30, ${RUNS} runs. Target: at most 2500 ms.`,
    rows: [
      {
        'p50 ms': round(quantile(times, 0.5), 0),
        'worst ms': round(Math.max(...times), 0),
      },
    ],
  };
}
