import { setTimeout } from 'node:timers/promises';

import type { LaunchOptions } from 'puppeteer';

import { systemClock } from '../../base/clock.js';
import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { withTimeout } from '../../base/with-timeout.js';
import { EgressProxy } from '../../egress/egress-proxy.js';
import type { UpstreamProxy } from '../../egress/upstream-proxy.js';
import type { ResolvedPageOptions } from '../../options/page-options.js';
import { restricts, type TargetPolicy } from '../../options/target-policy-options.js';
import { untilNobodyNames } from './profile-directory.js';
import { browserArguments } from './browser-arguments.js';
import { browserEnvironment, type BrowserLaunchOptions } from './browser-environment.js';
import { findBrowser } from './browser-discovery.js';
import { BrowserProgram } from './browser-program.js';
import { BrowserTab } from './browser-tab.js';
import { type BrowserVersion, browserVersion, windowedUserAgent } from './browser-version.js';
import type { ProgramInput } from './program-input.js';
import { CdpConnection, type CdpSession } from './cdp-connection.js';
import { CdpGuestServer } from './cdp-guest-server.js';
import { worldFlags } from './page-world.js';
import { signInAtProxy } from './proxy-sign-in.js';
import { OUT_OF_MEMORY } from './watchdog.js';

/**
 * The page has the size that the session asks for by emulation, whatever the size of the window around it. Whatever
 * the window shows is composited again for a screen that nobody sees: on a host without a GPU half a core at 720p.
 */
const WINDOW_SIZE_FLAG = '--window-size=1,1';

/** Title by which the browser picks the tab to capture without asking anybody. */
export const CAPTURE_TITLE_FLAG = '--auto-select-tab-capture-source-by-title=';
const TITLE_POLL_INTERVAL_MS = 5;
/** What a renderer writes to standard error when its heap is full, before it crashes. */
const V8_OUT_OF_MEMORY = /\bV8\b.*\bOOM\b|heap out of memory/;
/** How long a browser may take to end by itself, and its helpers after it, ms. */
const QUIT_TIMEOUT_MS = 15_000;

export interface BrowserParameters {
  readonly launchOptions: BrowserLaunchOptions;
  /** Of the browser that is launched, if it is known already. */
  readonly knownVersion?: BrowserVersion | undefined;
  /** Title of the document that the tab begins with: letters, digits and hyphens. */
  readonly captureTitle: string;
  /** What the pages may reach. Where it restricts nothing, they reach what this machine reaches. */
  readonly targetPolicy: TargetPolicy;
  readonly upstreamProxy?: UpstreamProxy | undefined;
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
  readonly connection: CdpConnection;
  /** The tab that it began with. */
  readonly tab: BrowserTab;
  readonly profileDirectory: string;
  /** By which the browser finds the tab to capture. */
  readonly captureTitle: string;
  /** Everything goes through the proxy. */
  readonly isContained: boolean;
  readonly #program: BrowserProgram;
  /** Undefined: there is none, or it is another process's. */
  readonly #egress: EgressProxy | undefined;
  readonly #logger: Logger;
  #onLost: ((error: StreamKitError) => void) | undefined;
  /** What becomes of the browser when its first tab crashed or was closed, until somebody else watches its tabs. */
  onFirstTabLost = (what: 'crashed' | 'closed'): void => this.loseTab(what);
  /** A guest has pressed something in a tab, which may open another. */
  onGuestPress: (targetId: string) => void = () => undefined;
  /** A guest wants a picture of the page; resolves when the page is drawn, and never rejects. */
  onGuestScreenshot: () => Promise<void> = () => Promise.resolve();
  /** Before it is ended, or when it is lost. */
  onClosing = (): void => undefined;
  /** How the URLs of documents of our own begin, by names that nobody else knows. */
  readonly #hiddenUrls: string[] = [];
  readonly #guests: CdpGuestServer;
  #closing: Promise<void> | undefined;

  private constructor(
    program: BrowserProgram,
    connection: CdpConnection,
    tab: BrowserTab,
    isContained: boolean,
    egress: EgressProxy | undefined,
    parameters: BrowserParameters,
    onLost: (error: StreamKitError) => void,
  ) {
    this.#program = program;
    this.connection = connection;
    this.tab = tab;
    this.profileDirectory = parameters.profileDirectory;
    this.captureTitle = parameters.captureTitle;
    this.isContained = isContained;
    this.#egress = egress;
    this.#logger = parameters.logger;
    this.#onLost = onLost;
    this.#guests = new CdpGuestServer({
      folder: parameters.profileDirectory,
      connection,
      isHidden: ({ url }) => this.#hiddenUrls.some((hidden) => url?.startsWith(hidden) === true),
      onPress: (targetId) => this.onGuestPress(targetId),
      onScreenshot: () => this.onGuestScreenshot(),
      clock: systemClock,
    });
    tab.watch((what) => this.onFirstTabLost(what));
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** Of the first tab. */
  get cdp(): CdpSession {
    return this.tab.cdp;
  }

  /**
   * @param onLost - the browser or its page crashed, hung, misbehaved or went away; at most once, never after `close()`.
   * @throws StreamKitError `browser_not_found`, `unavailable` or `browser_crashed`; nothing is left behind then.
   */
  static async launch(
    parameters: BrowserParameters,
    onLost: (error: StreamKitError) => void,
    signal: AbortSignal,
  ): Promise<BrowserProcess> {
    const {
      launchOptions,
      captureTitle,
      targetPolicy,
      onEgressRefused,
      upstreamProxy,
      logger,
      profileDirectory,
    } = parameters;
    let program: BrowserProgram | undefined;
    let connection: CdpConnection | undefined;
    let egress: EgressProxy | undefined;
    let launched: BrowserProcess | undefined;
    // The connection of a browser that goes away rejects all that waits.
    const giveUp = (): void => connection?.close();
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      signal.throwIfAborted();
      const executablePath = await findBrowser(launchOptions.executablePath);
      if ((restricts(targetPolicy) || upstreamProxy !== undefined) && parameters.egressProxy === undefined) {
        egress = await EgressProxy.open(targetPolicy, logger, undefined, undefined, {
          onRefused: onEgressRefused,
          upstream: upstreamProxy,
        });
      }
      const proxyUrl = parameters.egressProxy ?? egress?.url;
      const version = await browserVersion(executablePath, parameters.knownVersion, signal);
      const userAgent = parameters.page.userAgent ?? (version && windowedUserAgent(version));
      program = await BrowserProgram.start({
        executablePath,
        args: commandLine(parameters, proxyUrl, userAgent),
        // Chromium makes a folder for its singleton socket, which it does not remove when it is killed.
        env: { ...browserEnvironment(launchOptions), TMPDIR: profileDirectory },
        profileDirectory,
      });
      connection = new CdpConnection(program.input, program.output, {
        onOversized: (method) =>
          launched?.lose('page_misbehaved', `The page made a message that is too large: ${method}`),
        onClosed: () => launched?.lose('browser_crashed', 'The browser went away'),
      });
      signal.throwIfAborted();
      const timeoutMs = launchOptions.timeout ?? parameters.launchTimeoutMs;
      const targetId = await withTimeout(untilTitled(connection, captureTitle, signal), timeoutMs);
      const tab = await BrowserTab.attach(connection, targetId);
      await Promise.all([
        tab.cdp.send('Page.enable'),
        tab.cdp.send('Inspector.enable'),
        ...(proxyUrl === undefined ? [] : [signInAtProxy(connection, tab, proxyUrl)]),
        ...(launchOptions.acceptInsecureCerts === true
          ? [connection.browser.send('Security.setIgnoreCertificateErrors', { ignore: true })]
          : []),
      ]);
      signal.throwIfAborted();
      launched = new BrowserProcess(
        program,
        connection,
        tab,
        proxyUrl !== undefined,
        egress,
        parameters,
        onLost,
      );
      return launched;
    } catch (error) {
      const stderr = program?.stderr ?? '';
      await end(program, connection, egress);
      if (signal.aborted) {
        throw new StreamKitError('browser_crashed', 'The launch was given up', { cause: error });
      }
      if (error instanceof StreamKitError) throw error;
      const { message } = asError(error);
      const cause = new Error(`${message}${stderr === '' ? '' : `: ${stderr}`}`, { cause: error });
      throw new StreamKitError('browser_crashed', 'The browser could not be started', { cause });
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** Targets whose URL begins like this are shown to no guest. */
  hideTargets(url: string): void {
    this.#hiddenUrls.push(url);
  }

  /**
   * Serves the DevTools protocol to guests.
   *
   * @returns the path of a local socket that takes WebSockets; the same each time.
   * @throws StreamKitError as {@link CdpGuestServer.open}.
   */
  openDebugger(): Promise<string> {
    return this.#guests.open();
  }

  /** See `Capture`. */
  setProgramInput(input: ProgramInput): void {
    this.#guests.setInput(input);
  }

  /** A guest has halted a page by the debugger, which then answers nothing. */
  get isPausedByGuest(): boolean {
    return this.#guests.hasPaused;
  }

  /** It is closed or lost: what happens to its tabs is news to nobody. */
  get isOver(): boolean {
    return this.#onLost === undefined;
  }

  /** It is going to end: guests go, and what happens to its tabs is news to nobody from now on. Idempotent. */
  retire(): void {
    this.#onLost = undefined;
    this.onClosing();
    this.#guests.close();
  }

  /**
   * Has the browser end by itself, so that it writes down what its pages have stored. Only `close()` may follow.
   *
   * @throws TimeoutError where it or one of its helpers goes on.
   */
  async quit(): Promise<void> {
    this.retire();
    // It may go before it answers.
    this.connection.browser.send('Browser.close').catch(() => undefined);
    await withTimeout(this.#program.exited, QUIT_TIMEOUT_MS);
    await withTimeout(untilNobodyNames(this.profileDirectory), QUIT_TIMEOUT_MS);
  }

  /** SIGTERM to the process group, SIGKILL after 2 s, then the profile directory and the way out go. Idempotent. */
  close(): Promise<void> {
    this.retire();
    this.#closing ??= end(this.#program, this.connection, this.#egress);
    return this.#closing;
  }

  /** Gives it up: there is no tab any more. */
  loseTab(what: 'crashed' | 'closed'): void {
    if (what === 'closed') this.lose('browser_crashed', 'The page was closed');
    else if (V8_OUT_OF_MEMORY.test(this.#program.stderr)) this.lose('out_of_memory', OUT_OF_MEMORY);
    else this.lose('browser_crashed', 'The page crashed');
  }

  /** Gives it up: nothing of it is to be trusted any more. */
  lose(code: 'browser_crashed' | 'page_misbehaved' | 'out_of_memory', message: string): void {
    const onLost = this.#onLost;
    if (onLost === undefined) return;
    this.#onLost = undefined;
    this.onClosing();
    this.#logger.warn({ browserPid: this.pid, code }, message);
    onLost(new StreamKitError(code, message));
  }
}

function commandLine(
  parameters: BrowserParameters,
  proxyUrl: string | undefined,
  userAgent: string | undefined,
): string[] {
  const { launchOptions, profileDirectory, captureTitle, deviceScaleFactor, logger } = parameters;
  const ours = [
    ...sandboxFlags(launchOptions, logger),
    `${CAPTURE_TITLE_FLAG}${captureTitle}`,
    WINDOW_SIZE_FLAG,
    ...worldFlags(parameters.page, userAgent),
    firstDocument(captureTitle),
    // What is captured is as large as the tab is on its screen: emulation of the factor alone does not count.
    `--force-device-scale-factor=${deviceScaleFactor}`,
  ];
  return browserArguments(
    launchOptions,
    profileDirectory,
    ours,
    proxyUrl === undefined ? [] : containment(new URL(proxyUrl).host),
  );
}

/** Nothing leaves the browser but through the proxy: no loopback, no name that it resolves itself, no UDP of WebRTC. */
function containment(proxyHost: string): readonly string[] {
  return [
    `--proxy-server=http://${proxyHost}`,
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

/** Resolves with the target that has the title as soon as the browser itself, which will look for it, knows of it. */
export async function untilTitled(
  { browser }: CdpConnection,
  title: string,
  signal: AbortSignal,
): Promise<string> {
  for (;;) {
    signal.throwIfAborted();
    // No event tells of it. Rejects when the browser goes.
    const { targetInfos } = await browser.send('Target.getTargets', { filter: [{ type: 'page' }] });
    const found = targetInfos.find((target) => target.title === title);
    if (found !== undefined) return found.targetId;
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
  program: BrowserProgram | undefined,
  connection: CdpConnection | undefined,
  egress: EgressProxy | undefined,
): Promise<void> {
  try {
    await program?.end();
    connection?.close();
  } finally {
    await egress?.close();
  }
}
