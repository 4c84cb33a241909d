import type { Browser, ConnectionTransport } from 'puppeteer';
import { WebSocket } from 'ws';

/** Of one message of the page's browser, bytes; a longer one ends the connection. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/**
 * Connects Puppeteer to a page.
 *
 * @param path - of the local socket that serves its DevTools protocol.
 */
export async function connectPuppeteer(path: string): Promise<Browser> {
  const [{ default: puppeteer }, transport] = await Promise.all([import('puppeteer'), openTransport(path)]);
  // The page has the size of the picture, which Puppeteer is not to change.
  return puppeteer.connect({ transport, defaultViewport: null });
}

async function openTransport(path: string): Promise<ConnectionTransport> {
  const webSocket = new WebSocket(`ws+unix:${path}:/`, {
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  });
  await new Promise<void>((resolve, reject) => {
    webSocket.once('open', resolve);
    webSocket.once('error', reject);
  });
  const transport: ConnectionTransport = {
    send: (message) => webSocket.send(message, () => undefined),
    close: () => webSocket.close(),
  };
  // What is wrong with it shows in its end.
  webSocket.on('error', () => undefined);
  webSocket.on('message', (data) => transport.onmessage?.((data as Buffer).toString('utf8')));
  webSocket.on('close', () => transport.onclose?.());
  return transport;
}
