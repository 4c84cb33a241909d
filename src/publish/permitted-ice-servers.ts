import { isIP } from 'node:net';

import type { Clock } from '../base/clock.js';
import { abortingAfter } from '../base/deadline.js';
import type { EgressClient } from '../egress/egress-client.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import { readIceServerUrl } from '../peer/ice/turn-url.js';

/** To find the addresses of the ICE servers of an endpoint, ms. */
const RESOLVE_TIMEOUT_MS = 3000;
const FOREVER = new AbortController().signal;

/**
 * Of the servers that an endpoint names, those that may be reached, by the very addresses that were checked. Over TLS the name would have
 * to stay, for the certificate, and be resolved once more, perhaps to another address: such a server is left out.
 */
export async function permittedServers(
  named: readonly IceServerOption[],
  client: Pick<EgressClient, 'addressOf'>,
  clock: Clock,
): Promise<IceServerOption[]> {
  const permitted = named.map(async (server) => {
    const [url = ''] = [server.urls].flat();
    const location = readIceServerUrl(url);
    if (location === undefined) return [];
    const { kind, host, port, transport } = location;
    if (transport === 'tls' && isIP(host) === 0) return [];
    try {
      const address = await abortingAfter(clock, RESOLVE_TIMEOUT_MS, FOREVER, (until) =>
        client.addressOf(host, port, until),
      );
      const authority = isIP(address) === 6 ? `[${address}]` : address;
      const scheme = transport === 'tls' ? `${kind}s` : kind;
      const query = transport === 'tcp' ? '?transport=tcp' : '';
      return [{ ...server, urls: `${scheme}:${authority}:${port}${query}` }];
    } catch {
      return [];
    }
  });
  return (await Promise.all(permitted)).flat();
}
