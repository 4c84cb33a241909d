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
const DISABLE_FLAG = '--disable-features=';
const ENABLE_FLAG = '--enable-features=';

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
  // Of a flag that comes twice Chromium takes the last, and features may come from several sides.
  const disabled = valuesOf(args, DISABLE_FLAG);
  const enabled = valuesOf(args, ENABLE_FLAG);
  return [
    ...FLAGS,
    ...(headless === false ? [] : [headless === 'shell' ? '--headless' : '--headless=new']),
    enableExtensions === false ? '--disable-extensions' : '--enable-unsafe-extension-debugging',
    ...(devtools ? ['--auto-open-devtools-for-tabs'] : []),
    `${DISABLE_FLAG}${[...DISABLED_FEATURES, ...disabled].join(',')}`,
    ...(enabled.length > 0 ? [`${ENABLE_FLAG}${enabled.join(',')}`] : []),
    `--user-data-dir=${profileDirectory}`,
    ...ours,
    ...args.filter((flag) => !flag.startsWith(DISABLE_FLAG) && !flag.startsWith(ENABLE_FLAG)),
    ...last,
  ];
}

function valuesOf(args: readonly string[], flag: string): string[] {
  return args.filter((argument) => argument.startsWith(flag)).map((argument) => argument.slice(flag.length));
}
