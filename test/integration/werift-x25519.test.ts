import { createRequire } from 'node:module';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { silentLogger } from '../../src/base/logger.js';
import { replaceX25519, type X25519Module } from '../../src/peer/werift/werift-x25519.js';

const ofWerift = createRequire(createRequire(import.meta.url).resolve('werift'));
const module = ofWerift('tweetnacl') as X25519Module;
/** What another file of this process may have left there. */
const found = { scalarMult: module.scalarMult, keyPair: module.box.keyPair };
const original = published();

/** The functions of tweetnacl, whatever has been put into the instance that everybody shares. */
function published(): { scalarMult: X25519Module['scalarMult']; keyPair: X25519Module['box']['keyPair'] } {
  const path = ofWerift.resolve('tweetnacl');
  const shared = ofWerift.cache[path];
  Reflect.deleteProperty(ofWerift.cache, path);
  const { scalarMult, box } = ofWerift(path) as X25519Module;
  ofWerift.cache[path] = shared;
  return { scalarMult, keyPair: box.keyPair };
}

let copy: X25519Module;

beforeEach(() => {
  module.scalarMult = original.scalarMult;
  module.box.keyPair = original.keyPair;
  copy = { scalarMult: original.scalarMult, box: { keyPair: original.keyPair } };
});

afterEach(() => {
  module.scalarMult = found.scalarMult;
  module.box.keyPair = found.keyPair;
});

describe('the key exchange of Node.js for werift', () => {
  it('agrees with the original on what it makes and on what the original makes', () => {
    replaceX25519(copy);
    expect(copy.scalarMult).not.toBe(original.scalarMult);
    const [ours, theirs] = [copy.box.keyPair(), original.keyPair()];
    const shared = copy.scalarMult(ours.secretKey, theirs.publicKey);
    expect(shared).toEqual(original.scalarMult(theirs.secretKey, ours.publicKey));
    expect(copy.scalarMult(theirs.secretKey, ours.publicKey)).toEqual(shared);
    // werift takes the whole of their buffers.
    expect([ours.publicKey.buffer.byteLength, ours.secretKey.buffer.byteLength]).toEqual([32, 32]);
    expect(copy.box.keyPair().secretKey).not.toEqual(ours.secretKey);
  });

  it('goes no further with a public key that leaves nothing secret', () => {
    replaceX25519(copy);
    expect(() => copy.scalarMult(copy.box.keyPair().secretKey, new Uint8Array(32))).toThrow();
    expect(() => copy.scalarMult(copy.box.keyPair().secretKey, new Uint8Array(31))).toThrow();
  });

  it('replaces nothing where the results differ, or the module is another', () => {
    const other: X25519Module = { scalarMult: () => new Uint8Array(32), box: { keyPair: original.keyPair } };
    const { scalarMult } = other;
    expect(() => replaceX25519(other)).toThrow(/differ/);
    expect(other.scalarMult).toBe(scalarMult);
    expect(() => replaceX25519({} as X25519Module)).toThrow();
  });

  it('is what werift finds', async () => {
    // It is done once, and may have been done.
    vi.resetModules();
    const { installX25519 } = await import('../../src/peer/werift/werift-x25519.js');
    const warn = vi.fn();
    installX25519({ ...silentLogger, warn });
    expect(warn).not.toHaveBeenCalled();
    expect(module.scalarMult).not.toBe(original.scalarMult);
    expect(module.box.keyPair).not.toBe(original.keyPair);
  });
});
