import { describe, expect, it } from 'vitest';

import { readIceServerUrl } from '../../../../src/peer/ice/turn-url.js';

describe('readIceServerUrl', () => {
  it.each([
    ['stun:stun.example.org', 'stun', 'stun.example.org', 3478, 'udp'],
    ['turn:192.0.2.1:5000', 'turn', '192.0.2.1', 5000, 'udp'],
    ['turn:[2001:db8::1]:5000?transport=tcp', 'turn', '2001:db8::1', 5000, 'tcp'],
    ['TURNS:turn.example.org?transport=tcp', 'turn', 'turn.example.org', 5349, 'tls'],
  ])('reads %s', (url, kind, host, port, transport) => {
    expect(readIceServerUrl(url)).toEqual({ kind, host, port, transport });
  });

  it.each([
    'stuns:a',
    'turns:a?transport=udp',
    'turn:a:0',
    'turn:a:70000',
    'turn:a?transport=sctp',
    'turn:',
    'http://a',
  ])('has no use for %s', (url) => {
    expect(readIceServerUrl(url)).toBeUndefined();
  });
});
