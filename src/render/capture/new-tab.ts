import type { Protocol } from 'puppeteer';

import type { CdpSession } from './cdp-connection.js';

/** How long a tab that was opened may take to say where it goes, ms. */
const URL_TIMEOUT_MS = 2_000;
/**
 * Where a halted tab goes once it runs; nothing is loaded there. Undefined for one that goes nowhere: its opener would have
 * to write into it.
 */
export async function destinationOf(session: CdpSession, browser: CdpSession): Promise<string | undefined> {
  let settle: (url: string | undefined) => void = () => undefined;
  const found = new Promise<string | undefined>((resolve) => (settle = resolve));
  const timer = setTimeout(() => settle(undefined), URL_TIMEOUT_MS);
  const look = ({ targetInfo }: Protocol.Target.TargetInfoChangedEvent): void => {
    const { targetId, url } = targetInfo;
    if (targetId === session.target.targetId && /^https?:/.test(url)) settle(url);
  };
  session.once('Fetch.requestPaused', ({ request }) => settle(request.url));
  session.once('disconnected', () => settle(undefined));
  // A request that was begun already does not pause.
  browser.on('Target.targetInfoChanged', look);
  holdRequests(session);
  const url = await found;
  clearTimeout(timer);
  browser.off('Target.targetInfoChanged', look);
  return url;
}

/** Lets a halted tab run, but load nothing. */
export function holdRequests(session: CdpSession): void {
  for (const work of [
    session.send('Fetch.enable', { patterns: [{ urlPattern: '*' }] }),
    session.send('Runtime.runIfWaitingForDebugger'),
  ])
    work.catch(() => undefined);
}
