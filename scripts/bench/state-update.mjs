// A client that does what stream-kit-web does: its request of a session → the first picture decoded, and its update of the
// state → the picture that shows it decoded in the viewer.
import { launchBrowser, quantile, round, sleep, startOurs } from './rig.mjs';

const RUNS = 5;
const UPDATES = 60;
const WARM_UP_MS = 3_000;

export async function stateUpdate() {
  const browser = await launchBrowser();
  const ours = await startOurs({ streamKitWeb: true });
  const pictures = [];
  const updates = [];
  try {
    for (let run = 0; run < RUNS; run++) {
      const viewer = await browser.browser.newPage();
      await viewer.goto(`${ours.origin}/fixtures/stream-kit-web.html`);
      await viewer.waitForFunction('window.ready === true');
      await viewer.bringToFront();
      const renderUrl = `${ours.origin}/fixtures/scene.html`;
      pictures.push(await viewer.evaluate((url) => window.begin(url), renderUrl));
      if (run === 0) {
        await sleep(WARM_UP_MS);
        updates.push(...(await viewer.evaluate((count) => window.update(count), UPDATES)));
      }
      await viewer.evaluate(() => window.end());
      await viewer.close();
    }
  } finally {
    await ours.close();
    await browser.close();
  }
  const row = (what, samples, target) => ({
    what,
    'p50 ms': round(quantile(samples, 0.5), 0),
    'p95 ms': round(quantile(samples, 0.95), 0),
    'worst ms': round(Math.max(...samples), 0),
    target,
  });
  return {
    title: 'stream-kit-web',
    note:
      `A client that does what stream-kit-web does; 720p30 with sound, ${RUNS} sessions, and ${UPDATES} updates of one. ` +
      'Picture: decoded in the viewer.',
    rows: [
      row('session requested → first picture', pictures, '5000 ms'),
      row('state updated → picture that shows it', updates, 'p95 200 ms'),
    ],
  };
}
