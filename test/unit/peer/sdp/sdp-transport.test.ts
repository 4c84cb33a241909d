import { describe, expect, it } from 'vitest';

import { sameDtls, type TransportAttributes } from '../../../../src/peer/sdp/sdp-transport.js';

const before: TransportAttributes = {
  iceUfrag: 'abcd',
  icePwd: 'a-password-of-22-chars',
  setup: 'active',
  fingerprints: ['sha-256 AA', 'sha-384 BB'],
};

describe('the DTLS association', () => {
  it('outlives other ICE credentials, and fingerprints in another order', () => {
    const fingerprints = before.fingerprints.toReversed();
    expect(sameDtls(before, { ...before, iceUfrag: 'efgh', icePwd: 'another', fingerprints })).toBe(true);
  });

  it('is another one with another role or certificate', () => {
    expect(sameDtls(before, { ...before, setup: 'passive' })).toBe(false);
    expect(sameDtls(before, { ...before, fingerprints: ['sha-256 AA'] })).toBe(false);
    expect(sameDtls(before, { ...before, fingerprints: ['sha-256 AA', 'sha-384 CC'] })).toBe(false);
  });
});
