import { describe, expect, it } from 'vitest';

import { announceCandidate, readCandidate } from '../../../../src/peer/ice/ice-candidate.js';

describe('readCandidate', () => {
  it('keeps what a check needs and drops the rest', () => {
    expect(
      readCandidate(
        'candidate:842163049 1 UDP 1677729535 192.0.2.7 46154 typ srflx raddr 10.0.0.1 rport 5 generation 1',
      ),
    ).toBe('candidate:842163049 1 udp 1677729535 192.0.2.7 46154 typ srflx');
    expect(readCandidate('candidate:1 1 udp 1 2001:db8::1 9 typ host')).toBe(
      'candidate:1 1 udp 1 2001:db8::1 9 typ host',
    );
  });

  it.each([
    'candidate:1 1 udp 1 4389eea6-1746-4e7a-b4e7-0ddbf21f0e03.local 5000 typ host',
    'candidate:1 1 udp 1 example.com 5000 typ host',
    'candidate:1 2 udp 1 127.0.0.1 5000 typ host',
    'candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active',
    'candidate:1 1 udp 1 127.0.0.1 0 typ host',
    'candidate:1 1 udp 1 127.0.0.1 5000 typ prflx',
    'candidate:1 1 udp 1 fe80::1%lo 5000 typ host',
  ])('has no use for %s', (candidate) => {
    expect(readCandidate(candidate)).toBeUndefined();
  });

  it.each([
    'hello',
    'candidate:1 1 udp 1 127.0.0.1 70000 typ host',
    'candidate:1 1 udp 9999999999 127.0.0.1 5000 typ host',
    'candidate:1 1 udp 1 127.0.0.1 5000 typ other',
    'candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\na=evil',
    `candidate:1 1 udp 1 127.0.0.1 5000 typ host ${'x'.repeat(1024)}`,
  ])('refuses %s', (candidate) => {
    expect(() => readCandidate(candidate)).toThrow(expect.objectContaining({ code: 'unprocessable' }));
  });
});

describe('announceCandidate', () => {
  const host = { candidate: 'candidate:1 1 udp 7 10.0.0.5 5000 typ host generation 0', sdpMid: '0' };
  const texts = (...parameters: Parameters<typeof announceCandidate>): (string | undefined)[] =>
    announceCandidate(...parameters).map(({ candidate }) => candidate);

  it('puts each announced address in place of the local one of host candidates, with its port', () => {
    expect(texts(host, ['198.51.100.1', '198.51.100.2'], new Set())).toEqual([
      'candidate:1 1 udp 7 198.51.100.1 5000 typ host generation 0',
      'candidate:1 1 udp 7 198.51.100.2 5000 typ host generation 0',
    ]);
    expect(announceCandidate(host, [], new Set())).toEqual([host]);
  });

  it('announces for each family its own addresses, and hides a family that has none', () => {
    const host6 = { candidate: 'candidate:2 1 udp 7 fd00::5 6000 typ host generation 0' };
    const both = ['198.51.100.1', '2001:db8::1'];
    expect(texts(host, both, new Set())).toEqual([
      'candidate:1 1 udp 7 198.51.100.1 5000 typ host generation 0',
    ]);
    expect(texts(host6, both, new Set())).toEqual([
      'candidate:2 1 udp 7 2001:db8::1 6000 typ host generation 0',
    ]);
    expect(texts(host6, ['198.51.100.1'], new Set())).toEqual([]);
  });

  it('announces a transport address once, though several interfaces have the port', () => {
    const announced = new Set<string>();
    const other = { candidate: 'candidate:3 1 udp 7 172.17.0.1 5000 typ host generation 0' };
    expect(texts(host, ['198.51.100.1'], announced)).toHaveLength(1);
    expect(texts(other, ['198.51.100.1'], announced)).toEqual([]);
    // The port of TCP is another one, whatever its number.
    const tcp = { candidate: 'candidate:4 1 tcp 5 10.0.0.5 5000 typ host tcptype passive generation 0' };
    expect(texts(tcp, ['198.51.100.1'], announced)).toEqual([
      'candidate:4 1 tcp 5 198.51.100.1 5000 typ host tcptype passive generation 0',
    ]);
  });

  it('hides the related address of other candidates, announced or not', () => {
    const reflexive = {
      candidate: 'candidate:1 1 udp 7 203.0.113.9 5000 typ srflx raddr 10.0.0.5 rport 5000 generation 0',
    };
    const relay = { candidate: 'candidate:1 1 udp 7 2001:db8::9 5000 typ relay raddr fd00::5 rport 5000' };
    for (const announced of [[], ['198.51.100.1']]) {
      expect(texts(reflexive, announced, new Set())).toEqual([
        'candidate:1 1 udp 7 203.0.113.9 5000 typ srflx raddr 0.0.0.0 rport 9 generation 0',
      ]);
      expect(texts(relay, announced, new Set())).toEqual([
        'candidate:1 1 udp 7 2001:db8::9 5000 typ relay raddr :: rport 9',
      ]);
    }
  });
});
