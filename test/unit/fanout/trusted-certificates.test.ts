import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { trustedCertificates } from '../../../src/fanout/trusted-certificates.js';

const known = Object.getOwnPropertyDescriptor(tls, 'getCACertificates');
/** As Node 22.15 has it; undefined: as before. */
function setDefaultCertificates(get: ((type: string) => string[]) | undefined): void {
  Object.defineProperty(tls, 'getCACertificates', { value: get, configurable: true });
}

beforeEach(() => {
  vi.stubEnv('NODE_OPTIONS', '--use-bundled-ca');
  vi.stubEnv('NODE_EXTRA_CA_CERTS', '');
});

afterEach(() => {
  vi.unstubAllEnvs();
  if (known === undefined) Reflect.deleteProperty(tls, 'getCACertificates');
  else Object.defineProperty(tls, 'getCACertificates', known);
});

describe('the certificates that the plane trusts', () => {
  it('are those of TLS clients of Node', () => {
    let extra: string[] = [];
    setDefaultCertificates((type) => (type === 'extra' ? extra : ['one', 'two']));
    expect(trustedCertificates()).toEqual({ pem: 'one\ntwo', withSystem: false });
    // The application has set others than those of OpenSSL.
    vi.stubEnv('NODE_OPTIONS', '--use-openssl-ca');
    expect(trustedCertificates()).toEqual({ pem: 'one\ntwo', withSystem: false });
    extra = ['one'];
    expect(trustedCertificates().withSystem).toBe(false);
    extra = ['two', 'one'];
    expect(trustedCertificates()).toEqual({ pem: 'one\ntwo', withSystem: true });
  });

  it('are those of OpenSSL where Node names none', () => {
    vi.stubEnv('NODE_OPTIONS', '--use-openssl-ca');
    setDefaultCertificates(() => []);
    expect(trustedCertificates()).toEqual({ pem: '', withSystem: true });
  });

  it('are those that Node has and a file of others where Node does not say', async () => {
    setDefaultCertificates(undefined);
    const directory = await mkdtemp(join(tmpdir(), 'certificates-'));
    const file = join(directory, 'extra.pem');
    await writeFile(file, 'extra');
    const bundled = tls.rootCertificates.join('\n');
    expect(trustedCertificates()).toEqual({ pem: bundled, withSystem: false });
    vi.stubEnv('NODE_EXTRA_CA_CERTS', file);
    expect(trustedCertificates()).toEqual({ pem: `${bundled}\nextra`, withSystem: false });
    vi.stubEnv('NODE_OPTIONS', '--use-openssl-ca');
    expect(trustedCertificates()).toEqual({ pem: 'extra', withSystem: true });
    await rm(directory, { recursive: true });
    expect(trustedCertificates()).toEqual({ pem: '', withSystem: true });
  });
});
