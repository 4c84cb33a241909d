import type { Protocol } from 'puppeteer';

import { asError } from '../../base/errors.js';
import type { CdpSession } from './cdp-connection.js';
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

/**
 * Flags of the browser that make the page's world; without a device there would be neither a mouse nor a finger.
 *
 * @param userAgent - of the browser; undefined: it keeps its own. The emulation of the tabs does not reach every request: that
 * of a frame whose process has crashed, or of a worker that tabs share, has the browser's.
 */
export function worldFlags(
  { touch = false, locale }: ResolvedPageOptions,
  userAgent: string | undefined,
): string[] {
  return [
    ...(userAgent === undefined ? [] : [`--user-agent=${userAgent}`]),
    `--blink-settings=${touch ? TOUCH_SETTINGS : MOUSE_SETTINGS}`,
    ...(touch ? ['--touch-events=enabled'] : []),
    ...(locale === undefined ? [] : [`--accept-lang=${locale}`]),
  ];
}

/** The world that the pages of a session find themselves in, whatever their tab. */
export class PageWorld {
  readonly #options: ResolvedPageOptions;
  readonly #origin: string;
  readonly #userAgent: Protocol.Emulation.SetUserAgentOverrideRequest;
  readonly #logger: Logger;
  /** Chromium's name of the error of the last certificate that was refused; undefined: none was. */
  refusedCertificate: string | undefined;

  private constructor(
    options: ResolvedPageOptions,
    origin: string,
    agent: Protocol.Emulation.SetUserAgentOverrideRequest,
    logger: Logger,
  ) {
    this.#options = options;
    this.#origin = origin;
    this.#userAgent = agent;
    this.#logger = logger;
  }

  /** Sets what all tabs of the browser have in common. */
  static async prepare(
    browser: CdpSession,
    cdp: CdpSession,
    targetUrl: string,
    options: ResolvedPageOptions,
    logger: Logger,
  ): Promise<PageWorld> {
    const { origin } = new URL(targetUrl);
    const { permissions = [], cookies = [] } = options;
    const commands: Promise<unknown>[] = [];
    if (permissions.length > 0)
      commands.push(browser.send('Browser.grantPermissions', { origin, permissions: [...permissions] }));
    if (cookies.length > 0) {
      const own = cookies.map((cookie) =>
        cookie.domain === undefined ? { url: targetUrl, ...cookie } : cookie,
      );
      commands.push(cdp.send('Network.setCookies', { cookies: own }));
    }
    const agent = await userAgent(browser, options);
    await Promise.all(commands);
    return new PageWorld(options, origin, agent, logger);
  }

  /** Prepares a tab. The commands are sent before it returns: those of a tab that is halted are answered when it runs. */
  async install(cdp: CdpSession): Promise<void> {
    const { locale, timezone, geolocation, touch = false } = this.#options;
    const { colorScheme, reducedMotion, drawSelects = false } = this.#options;
    const features = [
      ...(colorScheme === undefined ? [] : [{ name: 'prefers-color-scheme', value: colorScheme }]),
      ...(reducedMotion === true ? [{ name: 'prefers-reduced-motion', value: 'reduce' }] : []),
    ];
    const commands: Promise<unknown>[] = [
      cdp.send('Emulation.setUserAgentOverride', this.#userAgent),
      cdp.send('Emulation.setEmulatedMedia', { features }),
      addToRequests(cdp, this.#origin, this.#options, this.#logger),
      this.#acceptCertificates(cdp),
    ];
    if (locale !== undefined) commands.push(cdp.send('Emulation.setLocaleOverride', { locale }));
    if (timezone !== undefined)
      commands.push(cdp.send('Emulation.setTimezoneOverride', { timezoneId: timezone }));
    if (geolocation !== undefined) {
      const position = { accuracy: 1, ...geolocation };
      commands.push(cdp.send('Emulation.setGeolocationOverride', position));
    }
    if (touch) {
      const emulation = { enabled: true, maxTouchPoints: MAX_TOUCH_POINTS };
      commands.push(cdp.send('Emulation.setTouchEmulationEnabled', emulation));
    }
    if (drawSelects) commands.push(drawSelectsIn(cdp));
    await Promise.all(commands);
  }

  async #acceptCertificates(cdp: CdpSession): Promise<void> {
    const { ignoreCertificateErrors: hosts = [] } = this.#options;
    if (hosts.length === 0) return;
    cdp.on('Security.certificateError', ({ eventId, requestURL, errorType }) => {
      const isIgnored = URL.canParse(requestURL) && hosts.includes(new URL(requestURL).hostname);
      if (!isIgnored) this.refusedCertificate = `net::${errorType.replace('net::', '')}`;
      cdp
        .send('Security.handleCertificateError', { eventId, action: isIgnored ? 'continue' : 'cancel' })
        .catch((thrown: unknown) => this.#logger.debug({ err: asError(thrown) }, 'a request was gone'));
    });
    await Promise.all([
      cdp.send('Security.enable'),
      cdp.send('Security.setOverrideCertificateErrors', { override: true }),
    ]);
  }
}

async function userAgent(
  browser: CdpSession,
  { userAgent: given, locale }: ResolvedPageOptions,
): Promise<Protocol.Emulation.SetUserAgentOverrideRequest> {
  const { product: version, userAgent: native } = await browser.send('Browser.getVersion');
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

async function drawSelectsIn(cdp: CdpSession): Promise<void> {
  const source = `(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(${JSON.stringify(DRAWN_SELECTS)});
    document.adoptedStyleSheets = [sheet, ...document.adoptedStyleSheets];
  })()`;
  await cdp.send('Page.addScriptToEvaluateOnNewDocument', { source, runImmediately: true });
}

/** Headers and credentials are for the target's origin: another would learn a secret from them. */
async function addToRequests(
  cdp: CdpSession,
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
