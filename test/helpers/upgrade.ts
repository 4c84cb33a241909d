import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';

/** Status of the answer to an upgrade to WebSocket, which ends at once if it is taken. */
export async function upgradeStatus(url: string, headers: Record<string, string> = {}): Promise<number> {
  const request = httpRequest(url, {
    headers: {
      ...{ connection: 'Upgrade', upgrade: 'websocket', ...headers },
      ...{ 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    },
  });
  request.on('error', () => undefined).end();
  const answered = once(request, 'response').then(([response]) => (response as IncomingMessage).resume());
  const switched = once(request, 'upgrade').then(([response, socket]) => {
    (socket as Socket).destroy();
    return response as IncomingMessage;
  });
  return (await Promise.race([answered, switched])).statusCode ?? 0;
}
