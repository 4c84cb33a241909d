import { readFileSync } from 'node:fs';
import tls from 'node:tls';

export interface TrustedCertificates {
  /** Of authorities, PEM, one after another. */
  readonly pem: string;
  /** Those of OpenSSL's default file and folder are trusted as well (`SSL_CERT_FILE`, `SSL_CERT_DIR`). */
  readonly withSystem: boolean;
}

/** Of `node:tls`, from Node 22.15 on. */
interface KnownSinceNode22 {
  readonly getCACertificates?: (type: 'default' | 'extra') => string[];
}

/** Whom the TLS clients of this process trust by default. */
export function trustedCertificates(): TrustedCertificates {
  const { getCACertificates } = tls as KnownSinceNode22;
  if (getCACertificates !== undefined) {
    const certificates = getCACertificates('default');
    const extra = new Set(getCACertificates('extra'));
    // Of OpenSSL's store Node names none: with others than the extra ones it does not use that.
    const withSystem = usesOpenSslStore() && certificates.every((certificate) => extra.has(certificate));
    return { pem: certificates.join('\n'), withSystem };
  }
  const withSystem = usesOpenSslStore();
  return {
    pem: [...(withSystem ? [] : tls.rootCertificates), ...extraCertificates()].join('\n'),
    withSystem,
  };
}

function extraCertificates(): readonly string[] {
  const file = process.env.NODE_EXTRA_CA_CERTS;
  if (file === undefined || file === '') return [];
  try {
    return [readFileSync(file, 'utf8')];
  } catch {
    // Node has warned of it at its start.
    return [];
  }
}

/** Node was started with `--use-openssl-ca`, or built so, as Debian's is. */
function usesOpenSslStore(): boolean {
  const options = [...(process.env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv];
  const asked = options.filter((name) => ['--use-openssl-ca', '--use-bundled-ca'].includes(name)).at(-1);
  return asked === undefined
    ? process.config.target_defaults.defines.includes('NODE_OPENSSL_CERT_STORE')
    : asked === '--use-openssl-ca';
}
