import type { CdpSession } from './cdp-connection.js';

/** How long a tab that was opened may take to say where it goes, ms. */
const URL_TIMEOUT_MS = 2_000;
/**
 * Where a halted tab goes once it runs; nothing is loaded there. Undefined for one that goes nowhere: its opener would have
 * to write into it.
 */
export async function destinationOf(session: CdpSession): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const found = new Promise<string | undefined>((resolve) => {
    session.once('Fetch.requestPaused', ({ request }) => resolve(request.url));
    session.once('disconnected', () => resolve(undefined));
    timer = setTimeout(() => resolve(undefined), URL_TIMEOUT_MS);
  });
  holdRequests(session);
  const url = await found;
  clearTimeout(timer);
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
