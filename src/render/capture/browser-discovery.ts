import { access, constants, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

import { StreamKitError } from '../../base/errors.js';

const NAMES = [
  'chromium',
  'google-chrome',
  'google-chrome-stable',
  'chrome',
  'chromium-browser',
  'microsoft-edge',
];

const MAC_APPLICATIONS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function puppeteerCached(): Promise<string | undefined> {
  try {
    const { default: puppeteer } = await import('puppeteer');
    return puppeteer.executablePath();
  } catch {
    // Puppeteer throws where it was installed without its browser.
    return undefined;
  }
}

/**
 * Finds a browser: the option, `PUPPETEER_EXECUTABLE_PATH`, Puppeteer's own download, then what the system has.
 *
 * @throws StreamKitError `browser_not_found`
 */
export async function findBrowser(executablePath?: string): Promise<string> {
  const named = executablePath ?? process.env.PUPPETEER_EXECUTABLE_PATH;
  if (named !== undefined && named !== '') {
    if (await isExecutable(named)) return named;
    throw new StreamKitError('browser_not_found', 'The configured browser is not an executable file');
  }
  const cached = await puppeteerCached();
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const installed = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  for (const candidate of [...(cached === undefined ? [] : [cached]), ...installed, ...MAC_APPLICATIONS]) {
    if (await isExecutable(candidate)) return candidate;
  }
  throw new StreamKitError(
    'browser_not_found',
    'No Chromium was found: install one (Debian: apt-get install chromium) or set PUPPETEER_EXECUTABLE_PATH',
  );
}
