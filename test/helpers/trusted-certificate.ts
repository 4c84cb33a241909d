import tls from 'node:tls';

/**
 * Lets TLS clients trust that authority alone: those of Node, and those of the media planes that are opened from now on.
 *
 * @param pem - of the authority
 * @returns what ends it
 */
export function trustOnly(pem: Buffer): () => void {
  const { connect } = tls;
  const known = Object.getOwnPropertyDescriptor(tls, 'getCACertificates');
  const connectTrusting = (options: tls.ConnectionOptions): tls.TLSSocket => connect({ ...options, ca: pem });
  Object.assign(tls, { connect: connectTrusting });
  // Node 20 has none.
  Object.defineProperty(tls, 'getCACertificates', { value: () => [pem.toString()], configurable: true });
  return () => {
    Object.assign(tls, { connect });
    if (known === undefined) Reflect.deleteProperty(tls, 'getCACertificates');
    else Object.defineProperty(tls, 'getCACertificates', known);
  };
}
