import type { Browser, CDPSession, Protocol } from 'puppeteer';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ResolvedPageOptions } from '../../options/page-options.js';

/** Values of Blink's settings for `hover` and `pointer`: a mouse is there. */
const MOUSE_SETTINGS =
  'primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4';
/** The same for a finger. */
const TOUCH_SETTINGS =
  'primaryHoverType=1,availableHoverTypes=1,primaryPointerType=2,availablePointerTypes=2';
const MAX_TOUCH_POINTS = 10;

/** The browser draws the list of such a `select` in the page itself. */
const DRAWN_SELECTS = 'select:not([multiple]), ::picker(select) { appearance: base-select; }';

/** Flags of the browser that make the page's world; without a device there would be neither a mouse nor a finger. */
export function worldFlags({ touch = false, locale }: ResolvedPageOptions): string[] {
  return [
    `--blink-settings=${touch ? TOUCH_SETTINGS : MOUSE_SETTINGS}`,
    ...(touch ? ['--touch-events=enabled'] : []),
    ...(locale === undefined ? [] : [`--accept-lang=${locale}`]),
  ];
}

/** Prepares the tab before it loads the target. */
export async function prepareWorld(
  browser: Browser,
  cdp: CDPSession,
  targetUrl: string,
  options: ResolvedPageOptions,
  logger: Logger,
): Promise<void> {
  const { origin } = new URL(targetUrl);
  const { locale, timezone, geolocation, permissions = [], cookies = [], touch = false } = options;
  const { colorScheme, reducedMotion, drawSelects = false } = options;
  const features = [
    ...(colorScheme === undefined ? [] : [{ name: 'prefers-color-scheme', value: colorScheme }]),
    ...(reducedMotion === true ? [{ name: 'prefers-reduced-motion', value: 'reduce' }] : []),
  ];
  const commands: Promise<unknown>[] = [
    cdp.send('Emulation.setUserAgentOverride', await userAgent(browser, options)),
    cdp.send('Emulation.setEmulatedMedia', { features }),
  ];
  if (locale !== undefined) commands.push(cdp.send('Emulation.setLocaleOverride', { locale }));
  if (timezone !== undefined)
    commands.push(cdp.send('Emulation.setTimezoneOverride', { timezoneId: timezone }));
  if (geolocation !== undefined) {
    const position = { accuracy: 1, ...geolocation };
    commands.push(cdp.send('Emulation.setGeolocationOverride', position));
  }
  if (permissions.length > 0)
    commands.push(cdp.send('Browser.grantPermissions', { origin, permissions: [...permissions] }));
  if (cookies.length > 0) {
    const own = cookies.map((cookie) =>
      cookie.domain === undefined ? { url: targetUrl, ...cookie } : cookie,
    );
    commands.push(cdp.send('Network.setCookies', { cookies: own }));
  }
  if (touch) {
    const emulation = { enabled: true, maxTouchPoints: MAX_TOUCH_POINTS };
    commands.push(cdp.send('Emulation.setTouchEmulationEnabled', emulation));
  }
  if (drawSelects) commands.push(drawSelectsIn(cdp));
  await Promise.all(commands);
  await addToRequests(cdp, origin, options, logger);
  await acceptCertificates(cdp, options, logger);
}

async function userAgent(
  browser: Browser,
  { userAgent: given, locale }: ResolvedPageOptions,
): Promise<Protocol.Emulation.SetUserAgentOverrideRequest> {
  const [version, native] = await Promise.all([browser.version(), browser.userAgent()]);
  const [, full = '', major = ''] = /\/((\d+)[\d.]*)/.exec(version) ?? [];
  const brands = [
    { brand: 'Chromium', version: major },
    { brand: 'Not=A?Brand', version: '24' },
  ];
  return {
    userAgent: given ?? native.replace('HeadlessChrome', 'Chrome'),
    ...(locale === undefined ? {} : { acceptLanguage: locale }),
    // A browser of another name has hints of its own, which nobody has told us.
    ...(given === undefined
      ? {
          userAgentMetadata: {
            brands,
            fullVersionList: brands.map((brand) => ({
              ...brand,
              version: brand.brand === 'Chromium' ? full : '24.0.0.0',
            })),
            platform: 'Linux',
            platformVersion: '',
            architecture: 'x86',
            model: '',
            mobile: false,
          },
        }
      : {}),
  };
}

async function drawSelectsIn(cdp: CDPSession): Promise<void> {
  const source = `(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(${JSON.stringify(DRAWN_SELECTS)});
    document.adoptedStyleSheets = [sheet, ...document.adoptedStyleSheets];
  })()`;
  await cdp.send('Page.addScriptToEvaluateOnNewDocument', { source });
}

/** Headers and credentials are for the target's origin: another would learn a secret from them. */
async function addToRequests(
  cdp: CDPSession,
  origin: string,
  { headers = {}, httpCredentials }: ResolvedPageOptions,
  logger: Logger,
): Promise<void> {
  const added = Object.entries(headers).map(([name, value]) => ({ name, value }));
  if (added.length === 0 && httpCredentials === undefined) return;
  const names = new Set(added.map(({ name }) => name.toLowerCase()));
  const ignore = (thrown: unknown): void => logger.debug({ err: asError(thrown) }, 'a request was gone');
  cdp.on('Fetch.requestPaused', ({ requestId, request }) => {
    const own = Object.entries(request.headers)
      .filter(([name]) => !names.has(name.toLowerCase()))
      .map(([name, value]) => ({ name, value }));
    cdp.send('Fetch.continueRequest', { requestId, headers: [...own, ...added] }).catch(ignore);
  });
  const tried = new Set<string>();
  cdp.on('Fetch.authRequired', ({ requestId, authChallenge }) => {
    const isOurs =
      authChallenge.source === 'Server' && authChallenge.origin === origin && !tried.has(requestId);
    tried.add(requestId);
    if (tried.size > 1000) tried.clear();
    const authChallengeResponse: Protocol.Fetch.AuthChallengeResponse =
      httpCredentials !== undefined && isOurs
        ? { response: 'ProvideCredentials', ...httpCredentials }
        : { response: authChallenge.source === 'Proxy' ? 'Default' : 'CancelAuth' };
    cdp.send('Fetch.continueWithAuth', { requestId, authChallengeResponse }).catch(ignore);
  });
  await cdp.send('Fetch.enable', {
    patterns: [{ urlPattern: `${origin}/*` }],
    handleAuthRequests: httpCredentials !== undefined,
  });
}

async function acceptCertificates(
  cdp: CDPSession,
  { ignoreCertificateErrors: hosts = [] }: ResolvedPageOptions,
  logger: Logger,
): Promise<void> {
  if (hosts.length === 0) return;
  cdp.on('Security.certificateError', ({ eventId, requestURL }) => {
    const isIgnored = URL.canParse(requestURL) && hosts.includes(new URL(requestURL).hostname);
    cdp
      .send('Security.handleCertificateError', { eventId, action: isIgnored ? 'continue' : 'cancel' })
      .catch((thrown: unknown) => logger.debug({ err: asError(thrown) }, 'a request was gone'));
  });
  await cdp.send('Security.enable');
  await cdp.send('Security.setOverrideCertificateErrors', { override: true });
}
