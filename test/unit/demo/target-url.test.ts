import { expect, it } from 'vitest';

import { targetUrlOf } from '../../../src/demo/page/viewer/target-url.js';

it.each([
  ['', undefined],
  ['  ', undefined],
  ['example.com', 'https://example.com/'],
  [' example.com/a?b=c#d ', 'https://example.com/a?b=c#d'],
  ['example.com:8443', 'https://example.com:8443/'],
  ['localhost:3000/game', 'http://localhost:3000/game'],
  ['127.0.0.1', 'http://127.0.0.1/'],
  ['[::1]:8080', 'http://[::1]:8080/'],
  ['localhost.example.com', 'https://localhost.example.com/'],
  ['HTTP://Example.com', 'http://example.com/'],
  ['file:///etc/passwd', 'file:///etc/passwd'],
  ['a b', 'a b'],
])('the address %j means %j', (typed, url) => {
  expect(targetUrlOf(typed)).toBe(url);
});
