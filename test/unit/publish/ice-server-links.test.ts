import { expect, it } from 'vitest';

import { iceServersOfLinks } from '../../../src/publish/ice-server-links.js';

it('reads several links of one line, and passes over those that are none', () => {
  const line =
    '<https://example.org/>; rel="next", <stun:a.example:3478>;REL="other ice-server";x, <turn:b.example> ; username = u ; rel=ice-server,' +
    ' <http://c.example>; rel=ice-server, <turn:d.example';
  expect(iceServersOfLinks([line])).toEqual([
    { urls: 'stun:a.example:3478' },
    { urls: 'turn:b.example', username: 'u' },
  ]);
});

it('takes no more than 8 servers, and little time for hostile lines', () => {
  const many = Array.from({ length: 100 }, (_, index) => `<stun:${index}.example>; rel=ice-server`);
  expect(iceServersOfLinks(many)).toHaveLength(8);
  const hostile = ['<', '<>', '<stun:a>; ', '<stun:a>;a="', '<stun:a>;a ', ' ', ';'];
  const started = process.cpuUsage().user;
  for (const text of hostile) {
    expect(iceServersOfLinks([`<stun:a>${text.repeat(16_384)}`])).toEqual([]);
  }
  expect(process.cpuUsage().user - started).toBeLessThan(2_000_000);
});
