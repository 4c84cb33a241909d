import { SIGN_IN_URL } from '../../egress/egress-proxy.js';
import type { BrowserTab } from './browser-tab.js';
import type { CdpConnection } from './cdp-connection.js';

/**
 * Gives the browser the credentials of its proxy, which are not to stand on its command line, where every user of the
 * machine reads them. It keeps them for all that it does from then on, in this tab and elsewhere.
 *
 * @param proxyUrl - with user name and password.
 * @throws Error where the proxy does not accept them.
 */
export async function signInAtProxy(
  connection: CdpConnection,
  tab: BrowserTab,
  proxyUrl: string,
): Promise<void> {
  const { username, password } = new URL(proxyUrl);
  // A session of its own, which does not mix with what else looks at requests of the tab.
  const cdp = await connection.attach(tab.targetId);
  const asked = new Set<string>();
  cdp.on('Fetch.requestPaused', ({ requestId }) => {
    cdp.send('Fetch.continueRequest', { requestId }).catch(() => undefined);
  });
  cdp.on('Fetch.authRequired', ({ requestId, authChallenge: { source } }) => {
    const isFirst = source === 'Proxy' && !asked.has(requestId);
    asked.add(requestId);
    cdp
      .send('Fetch.continueWithAuth', {
        requestId,
        authChallengeResponse: isFirst
          ? { response: 'ProvideCredentials', username, password }
          : { response: 'CancelAuth' },
      })
      .catch(() => undefined);
  });
  await cdp.send('Fetch.enable', { patterns: [{ urlPattern: SIGN_IN_URL }], handleAuthRequests: true });
  const isSignedIn = await tab.evaluate(
    (url) =>
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      ),
    SIGN_IN_URL,
  );
  if (!isSignedIn) throw new Error('The proxy did not accept the credentials of the session');
  await cdp.detach();
}
