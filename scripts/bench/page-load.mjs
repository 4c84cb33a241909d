// What the way out through our proxy costs a page: the same page, loaded in turns by a browser that has a policy and by
// one that has none.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import { quantile, round } from './rig.mjs';

const dist = join(import.meta.dirname, '..', '..', 'dist');
const SMALL_RESOURCES = 100;
const SMALL_BYTES = 4 * 1024;
const LARGE_BYTES = 8 * 1024 * 1024;
const RUNS = 30;
const QUICK_RUNS = 4;

export async function pageLoad({ quick }) {
  const runs = quick ? QUICK_RUNS : RUNS;
  const origin = new Worker(new URL('page-load-origin.mjs', import.meta.url), {
    workerData: {
      ...certificate(),
      smallResources: SMALL_RESOURCES,
      smallBytes: SMALL_BYTES,
      largeBytes: LARGE_BYTES,
    },
  });
  const [[httpPort, tlsPort]] = await once(origin, 'message');
  const browsers = [];
  const rows = [];
  try {
    for (const allowPrivateAddresses of [true, (_address, port) => port === httpPort || port === tlsPort])
      browsers.push(await launch({ allowPrivateAddresses }));
    for (const [transport, url] of [
      ['HTTP/1.1', `http://127.0.0.1:${httpPort}/`],
      ['HTTP/1.1 over TLS', `https://127.0.0.1:${tlsPort}/`],
    ]) {
      const times = browsers.map(() => []);
      // The first time is for warming up.
      for (let run = -1; run < runs; run++) {
        for (const [index, { tab }] of browsers.entries()) {
          origin.postMessage('cut');
          await once(origin, 'message');
          await tab.navigate(url, 30_000);
          const timeMs = await tab.evaluate(() => window.loaded);
          if (run >= 0) times[index].push(timeMs);
        }
      }
      const [[direct50, direct95], [proxy50, proxy95]] = times.map((all) => [
        quantile(all, 0.5),
        quantile(all, 0.95),
      ]);
      rows.push({
        transport,
        'direct p50 ms': round(direct50, 0),
        'direct p95 ms': round(direct95, 0),
        'proxy p50 ms': round(proxy50, 0),
        'proxy p95 ms': round(proxy95, 0),
        'ratio p50': round(proxy50 / direct50, 2),
        'ratio p95': round(proxy95 / direct95, 2),
      });
    }
  } finally {
    for (const browser of browsers) await browser.close();
    await origin.terminate();
  }
  return {
    title: 'Page load with and without a target policy',
    note: `Navigation → ${SMALL_RESOURCES} resources of ${SMALL_BYTES / 1024} KiB and one of ${LARGE_BYTES / 1024 ** 2} MiB have arrived, from this machine, with new connections; ${runs} loads each, in turns.`,
    rows,
  };
}

async function launch(policy) {
  const { BrowserProcess } = await import(join(dist, 'render', 'capture', 'browser-process.js'));
  const { createProfileDirectory } = await import(join(dist, 'render', 'capture', 'profile-directory.js'));
  const { silentLogger } = await import(join(dist, 'base', 'logger.js'));
  const { targetPolicyOptions } = await import(join(dist, 'options', 'target-policy-options.js'));
  return BrowserProcess.launch(
    {
      launchOptions: { args: ['--ignore-certificate-errors'] },
      captureTitle: 'page-load',
      targetPolicy: targetPolicyOptions(policy, 'targetPolicy'),
      deviceScaleFactor: 1,
      page: {},
      profileDirectory: await createProfileDirectory(1024 ** 2),
      launchTimeoutMs: 30_000,
      logger: silentLogger,
    },
    (error) => console.error(error),
    new AbortController().signal,
  );
}

/** One of our own, by the system's openssl. */
function certificate() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const [keyPath, certPath] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', keyPath, '-out', certPath], {
      stdio: 'ignore',
    });
    return { key: readFileSync(keyPath), cert: readFileSync(certPath) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
