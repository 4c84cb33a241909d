import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { EgressClient } from '../../../src/egress/egress-client.js';
import { targetPolicyOptions } from '../../../src/options/target-policy-options.js';
import { type Certificate, certificateFor } from '../../helpers/certificate.js';

const anywhere = targetPolicyOptions({ allowPrivateAddresses: true }, 'targets');
const { signal } = new AbortController();

/** Every name is this machine. */
function clientThatTrusts(ca: Buffer | undefined): EgressClient {
  return new EgressClient(
    anywhere,
    silentLogger,
    (_name, answer) => answer(null, [{ address: '127.0.0.1', family: 4 }]),
    ca === undefined ? {} : { ca },
  );
}

describe('a request by https', () => {
  const servers: Server[] = [];

  async function serve(certificate: Certificate): Promise<number> {
    const server = createServer(certificate, (_, response) => response.end('hello'));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  function ask(client: EgressClient, url: string): Promise<{ readonly body: string }> {
    return client.send({ method: 'POST', url: new URL(url), headers: {} }, signal);
  }

  let right: Certificate;
  let port: number;

  beforeEach(async () => {
    right = certificateFor('IP:127.0.0.1', 'DNS:right.example');
    port = await serve(right);
  });

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it.each(['127.0.0.1', 'right.example'])('reaches %s, which the certificate names', async (host) => {
    const { body } = await ask(clientThatTrusts(right.cert), `https://${host}:${port}/`);
    expect(body).toBe('hello');
  });

  it('refuses a certificate of another name, of another address, and of nobody whom it trusts', async () => {
    const wrongName = ask(clientThatTrusts(right.cert), `https://wrong.example:${port}/`);
    await expect(wrongName).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    const local = certificateFor('DNS:localhost', 'IP:127.0.0.2');
    const wrongAddress = ask(clientThatTrusts(local.cert), `https://127.0.0.1:${await serve(local)}/`);
    await expect(wrongAddress).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    const unknown = ask(clientThatTrusts(undefined), `https://127.0.0.1:${port}/`);
    await expect(unknown).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });
});
