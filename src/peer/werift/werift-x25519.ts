import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { createRequire } from 'node:module';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';

interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** What werift (0.24.4) uses of tweetnacl, for the key exchange of its DTLS handshakes. */
export interface X25519Module {
  scalarMult: (secretKey: Uint8Array, publicKey: Uint8Array) => Uint8Array;
  readonly box: { keyPair: () => KeyPair };
}

const KEY_BYTES = 32;
/** RFC 7748 section 6.1: Alice's secret key, Bob's public key, and what they share. */
const SECRET_KEY = '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a';
const PUBLIC_KEY = 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f';
const SHARED_SECRET = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';

/** What stands before a secret key in PKCS #8 (RFC 8410 section 7). */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

let installed = false;
/** By the memory of the secret key: werift hands that on under another view. */
const ownKeys = new WeakMap<ArrayBufferLike, KeyObject>();

/**
 * Lets werift exchange keys by OpenSSL, which takes a tenth of the 3 ms that tweetnacl's JavaScript takes for a handshake.
 * Process-wide, once. Where werift's module is not as it is known or the results differ, it stays as it is: slower, and
 * as right.
 */
export function installX25519(logger: Logger): void {
  if (installed) {
    return;
  }
  installed = true;
  try {
    // The instance that werift itself imports: a module of CommonJS has one, however it is loaded.
    const ofWerift = createRequire(createRequire(import.meta.url).resolve('werift'));
    replaceX25519(ofWerift('tweetnacl') as X25519Module);
  } catch (thrown) {
    logger.warn({ err: asError(thrown) }, 'installX25519() | handshakes use the slow key exchange of werift');
  }
}

/** @throws Error, with nothing replaced, where the module does not do what this does. */
export function replaceX25519(module: X25519Module): void {
  const { scalarMult } = module;
  const { keyPair } = module.box;
  const agreed = [scalarMult, sharedSecret].map((agree) =>
    Buffer.from(agree(Buffer.from(SECRET_KEY, 'hex'), Buffer.from(PUBLIC_KEY, 'hex'))).toString('hex'),
  );
  const theirs = keyPair();
  const ours = newKeyPair();
  const both = [scalarMult(theirs.secretKey, ours.publicKey), sharedSecret(ours.secretKey, theirs.publicKey)];
  if (
    agreed.some((secret) => secret !== SHARED_SECRET) ||
    !Buffer.from(both[0] ?? []).equals(both[1] ?? Buffer.alloc(0))
  ) {
    throw new Error('X25519 of Node.js and of werift differ');
  }
  // Both functions carry others as properties.
  module.scalarMult = Object.assign(sharedSecret, scalarMult);
  module.box.keyPair = Object.assign(newKeyPair, keyPair);
}

function newKeyPair(): KeyPair {
  const { privateKey } = generateKeyPairSync('x25519');
  const { x = '', d = '' } = privateKey.export({ format: 'jwk' });
  const secretKey = bytesOf(d);
  ownKeys.set(secretKey.buffer, privateKey);
  return { publicKey: bytesOf(x), secretKey };
}

/** @throws Error where the lengths are wrong or the secret would be zero: RFC 8422 section 5.11 demands to stop there. */
function sharedSecret(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  if (secretKey.length !== KEY_BYTES || publicKey.length !== KEY_BYTES) {
    throw new Error(`Expected keys of ${KEY_BYTES} bytes`);
  }
  const x = Buffer.from(publicKey).toString('base64url');
  const own = ownKeys.get(secretKey.buffer) ?? readSecretKey(secretKey);
  // As JWK: reading DER costs ten times as much.
  const peer = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
  return new Uint8Array(diffieHellman({ privateKey: own, publicKey: peer }));
}

/** One that was made elsewhere. As JWK Node.js would want the public half as well. */
function readSecretKey(secretKey: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, secretKey]), format: 'der', type: 'pkcs8' });
}

/** Of a buffer of its own: werift takes the whole of it. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64url'));
}
