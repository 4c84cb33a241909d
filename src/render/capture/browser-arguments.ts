import type { LaunchOptions } from 'puppeteer';

/** What Puppeteer starts a browser with, and what a browser that is captured needs besides. */
const FLAGS = [
  '--allow-pre-commit-input',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-background-networking',
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-breakpad',
  '--disable-client-side-phishing-detection',
  '--disable-component-extensions-with-background-pages',
  '--disable-component-update',
  '--disable-crash-reporter',
  '--disable-default-apps',
  '--disable-dev-shm-usage',
  '--disable-hang-monitor',
  '--disable-infobars',
  '--disable-ipc-flooding-protection',
  '--disable-popup-blocking',
  '--disable-prompt-on-repost',
  '--disable-quic',
  '--disable-renderer-backgrounding',
  '--disable-search-engine-choice-screen',
  '--disable-sync',
  '--enable-automation',
  '--enable-unsafe-swiftshader',
  '--force-color-profile=srgb',
  '--hide-scrollbars',
  '--metrics-recording-only',
  '--no-default-browser-check',
  '--no-first-run',
  '--password-store=basic',
  '--remote-debugging-pipe',
  '--use-mock-keychain',
];
const DISABLED_FEATURES = [
  'AcceptCHFrame',
  'IsolateSandboxedIframes',
  'MediaRouter',
  'OptimizationHints',
  'ProcessPerSiteUpToMainFrameThreshold',
  'Translate',
  // A renderer for a list of suggestions below an address bar that nobody sees: 45 MiB.
  'WebUIOmniboxAimPopup',
  'WebUIOmniboxFullPopup',
  'WebUIOmniboxPopup',
  'WebUIReloadButton',
];
const FEATURES_FLAG = '--disable-features=';

/**
 * The command line of a browser that is driven over pipes.
 *
 * @param ours - flags of ours that those of the user may override.
 * @param last - flags that nothing overrides: of one that comes twice Chromium takes the last.
 */
export function browserArguments(
  { args = [], headless = true, enableExtensions = false, devtools = false }: LaunchOptions,
  profileDirectory: string,
  ours: readonly string[],
  last: readonly string[],
): string[] {
  const features = args
    .filter((flag) => flag.startsWith(FEATURES_FLAG))
    .map((flag) => flag.slice(FEATURES_FLAG.length));
  return [
    ...FLAGS,
    ...(headless === false ? [] : [headless === 'shell' ? '--headless' : '--headless=new']),
    enableExtensions === false ? '--disable-extensions' : '--enable-unsafe-extension-debugging',
    ...(devtools ? ['--auto-open-devtools-for-tabs'] : []),
    `--disable-features=${[...DISABLED_FEATURES, ...features].join(',')}`,
    `--user-data-dir=${profileDirectory}`,
    ...ours,
    ...args.filter((flag) => !flag.startsWith(FEATURES_FLAG)),
    ...last,
  ];
}
