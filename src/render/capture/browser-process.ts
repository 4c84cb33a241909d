import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';

import type { Browser, CDPSession, LaunchOptions, Page } from 'puppeteer';

import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { restricts, type TargetPolicy } from '../../options/target-policy-options.js';
import type { ResolvedPageOptions } from '../../options/page-options.js';
import { worldFlags } from './page-world.js';
import { findBrowser } from './browser-discovery.js';
import { EgressProxy } from '../../egress/egress-proxy.js';
import { signalProcess } from '../../base/process-table.js';
import { killBrowsersOf, removeProfileDirectory } from './profile-directory.js';
import { withTimeout } from '../../base/with-timeout.js';

const SIGTERM_GRACE_MS = 2_000;

/**
 * The page has the size that the session asks for by emulation, whatever the size of the window around it. Whatever
 * the window shows is composited again for a screen that nobody sees: on a host without a GPU half a core at 720p.
 */
const WINDOW_SIZE_FLAG = '--window-size=1,1';

/** Title by which the browser picks the tab to capture without asking anybody. */
export const CAPTURE_TITLE_FLAG = '--auto-select-tab-capture-source-by-title=';
const TITLE_POLL_INTERVAL_MS = 5;

const FLAGS = [
  '--autoplay-policy=no-user-gesture-required',
  '--disable-background-networking',
  '--disable-backgrounding-occluded-windows',
  '--disable-background-timer-throttling',
  '--disable-breakpad',
  '--disable-component-update',
  '--disable-crash-reporter',
  '--disable-default-apps',
  '--disable-extensions',
  '--disable-quic',
  '--disable-renderer-backgrounding',
  '--disable-sync',
  '--enable-unsafe-swiftshader',
  '--hide-scrollbars',
  '--no-default-browser-check',
  '--no-first-run',
];

export interface BrowserParameters {
  readonly launchOptions: LaunchOptions;
  /** Title of the document that the tab begins with: letters, digits and hyphens. */
  readonly captureTitle: string;
  /** What the pages may reach. Where it restricts nothing, they reach what this machine reaches. */
  readonly targetPolicy: TargetPolicy;
  /** The page was refused what the policy does not permit; by error type of RFC 9209. */
  readonly onEgressRefused?: ((errorType: string) => void) | undefined;
  /** Exists and is empty. */
  readonly profileDirectory: string;
  /** See `OpenCaptureOptions`. */
  readonly egressProxy?: string | undefined;
  /** Of the tab that is rendered. */
  readonly deviceScaleFactor: number;
  /** The world that pages find themselves in. */
  readonly page: ResolvedPageOptions;
  readonly launchTimeoutMs: number;
  readonly logger: Logger;
}

/** One browser's process tree, its profile directory and the way out of it. */
export class BrowserProcess {
  readonly browser: Browser;
  /** The tab that is rendered. */
  readonly page: Page;
  readonly cdp: CDPSession;
  readonly profileDirectory: string;
  /** By which the browser finds the tab to capture. */
  readonly captureTitle: string;
  /** Everything goes through the proxy. */
  readonly isContained: boolean;
  /** Undefined: there is none, or it is another process's. */
  readonly #egress: EgressProxy | undefined;
  readonly pid: number;
  readonly #logger: Logger;
  readonly #onLost: (error: StreamKitError) => void;
  #lost = false;
  /** Dialogs that halt the page. */
  #dialogs = 0;
  /** Before it is ended, or when it is lost. */
  onClosing = (): void => undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    browser: Browser,
    page: Page,
    cdp: CDPSession,
    proxyOrigin: string | undefined,
    egress: EgressProxy | undefined,
    parameters: BrowserParameters,
    onLost: (error: StreamKitError) => void,
  ) {
    this.browser = browser;
    this.page = page;
    this.cdp = cdp;
    this.profileDirectory = parameters.profileDirectory;
    this.captureTitle = parameters.captureTitle;
    this.isContained = proxyOrigin !== undefined;
    this.#egress = egress;
    this.pid = browser.process()?.pid ?? 0;
    this.#logger = parameters.logger;
    this.#onLost = onLost;
    browser.once('disconnected', () => this.#lose('The browser went away.'));
    page.once('error', () => this.#lose('The page crashed.'));
    page.once('close', () => this.#lose('The page was closed.'));
  }

  /**
   * @param onLost - the browser or its page crashed, hung or went away; at most once, never after `close()`.
   * @throws StreamKitError `browser_not_found` or `browser_crashed`; nothing is left behind then.
   */
  static async launch(
    parameters: BrowserParameters,
    onLost: (error: StreamKitError) => void,
    signal: AbortSignal,
  ): Promise<BrowserProcess> {
    const { launchOptions, captureTitle, targetPolicy, onEgressRefused, logger, profileDirectory } =
      parameters;
    const executablePath = await findBrowser(launchOptions.executablePath);
    let browser: Browser | undefined;
    let egress: EgressProxy | undefined;
    // Puppeteer kills the browser whenever its signal is aborted, long after the launch too; `signal` outlives it.
    const launching = new AbortController();
    const giveUp = (): void => launching.abort();
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      signal.throwIfAborted();
      if (restricts(targetPolicy) && parameters.egressProxy === undefined) {
        egress = await EgressProxy.open(targetPolicy, logger, undefined, undefined, onEgressRefused);
      }
      const proxyOrigin = parameters.egressProxy ?? egress?.origin;
      const { default: puppeteer } = await import('puppeteer');
      browser = await puppeteer.launch({
        timeout: parameters.launchTimeoutMs,
        ...launchOptions,
        executablePath,
        // The browser ends by itself when the pipe closes, even if this process is killed.
        pipe: true,
        userDataDir: profileDirectory,
        defaultViewport: null,
        // A muted browser gives silence to the capture as well; the capture itself keeps the speakers quiet.
        ignoreDefaultArgs: ['--mute-audio'],
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
        signal: launching.signal,
        args: [
          ...FLAGS,
          ...sandboxFlags(launchOptions, logger),
          `${CAPTURE_TITLE_FLAG}${captureTitle}`,
          WINDOW_SIZE_FLAG,
          ...worldFlags(parameters.page),
          firstDocument(captureTitle),
          // What is captured is as large as the tab is on its screen: emulation of the factor alone does not count.
          `--force-device-scale-factor=${parameters.deviceScaleFactor}`,
          ...(launchOptions.args ?? []),
          // Of a flag that comes twice the last counts.
          ...(proxyOrigin === undefined ? [] : containment(proxyOrigin)),
        ],
      });
      const [firstPage] = await browser.pages();
      const page = firstPage ?? (await browser.newPage());
      const cdp = await page.createCDPSession();
      await withTimeout(untilTitled(cdp, captureTitle, signal), parameters.launchTimeoutMs);
      signal.throwIfAborted();
      return new BrowserProcess(browser, page, cdp, proxyOrigin, egress, parameters, onLost);
    } catch (error) {
      await end(browser, profileDirectory, egress);
      if (signal.aborted)
        throw new StreamKitError('browser_crashed', 'The launch was given up.', { cause: error });
      throw new StreamKitError('browser_crashed', 'The browser could not be started.', { cause: error });
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** SIGTERM to the process group, SIGKILL after 2 s, then the profile directory and the way out go. Idempotent. */
  close(): Promise<void> {
    this.#lost = true;
    this.onClosing();
    this.#closing ??= end(this.browser, this.profileDirectory, this.#egress);
    return this.#closing;
  }

  /** A page that shows a dialog is halted, and has not hung. */
  expectSilence(isOpen: boolean): void {
    this.#dialogs += isOpen ? 1 : -1;
  }

  get pageHalted(): boolean {
    return this.#dialogs > 0;
  }

  #lose(message: string): void {
    if (this.#lost) return;
    this.#lost = true;
    this.onClosing();
    const code = 'browser_crashed';
    this.#logger.warn({ browserPid: this.pid, code }, message);
    this.#onLost(new StreamKitError(code, message));
  }
}

/** Nothing leaves the browser but through the proxy: no loopback, no name that it resolves itself, no UDP of WebRTC. */
function containment(proxyOrigin: string): readonly string[] {
  return [
    `--proxy-server=${proxyOrigin}`,
    '--proxy-bypass-list=<-loopback>',
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
    // By both of its names: Chromium has changed it.
    '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
    '--webrtc-ip-handling-policy=disable_non_proxied_udp',
  ];
}

/**
 * What the browser opens first. To give its empty document a title from outside is a race: on a busy host the document
 * is replaced by another empty one, the title is lost, and the capture waits for somebody to pick a tab.
 *
 * Pure red is the colour by which the capture page tells how the browser converts what it captures.
 */
function firstDocument(title: string): string {
  return `data:text/html,<title>${title}</title><style>html{background:red}</style>`;
}

/** Resolves when the browser itself, which will look for the title, has it. */
export async function untilTitled(cdp: CDPSession, title: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { targetInfo } = await cdp.send('Target.getTargetInfo');
    if (targetInfo.title === title) return;
    await setTimeout(TITLE_POLL_INTERVAL_MS);
  }
}

/** Chromium refuses its sandbox to root, as which containers often run it. */
function sandboxFlags(launchOptions: LaunchOptions, logger: Logger): string[] {
  if (process.getuid?.() !== 0) return [];
  if (launchOptions.args?.includes('--no-sandbox') !== true) {
    logger.warn({}, 'running as root: the browser runs without its sandbox');
  }
  return ['--no-sandbox'];
}

async function end(
  browser: Browser | undefined,
  profileDirectory: string,
  egress: EgressProxy | undefined,
): Promise<void> {
  try {
    await endProcess(browser, profileDirectory);
    await removeProfileDirectory(profileDirectory);
  } finally {
    await egress?.close();
  }
}

async function endProcess(browser: Browser | undefined, profileDirectory: string): Promise<void> {
  const child = browser?.process();
  if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit').then(() => true);
    // Puppeteer makes the browser the leader of a process group of its own.
    signalProcess(-child.pid, 'SIGTERM');
    const inTime = await withTimeout(exited, SIGTERM_GRACE_MS).then(
      () => true,
      () => false,
    );
    if (!inTime) {
      signalProcess(-child.pid, 'SIGKILL');
      await exited;
    }
    signalProcess(-child.pid, 'SIGKILL');
  }
  // Helpers that left the group, and a browser whose start was interrupted.
  await killBrowsersOf(profileDirectory);
  await browser?.disconnect().catch((error: unknown) => asError(error));
}
