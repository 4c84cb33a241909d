import { expect, it } from 'vitest';

import { isSameOrigin } from '../../../src/http/request-origin.js';

it.each([
  [0, { origin: 'https://app.example', host: 'app.example' }, true],
  [0, { origin: 'https://app.example', host: 'app.example:443' }, true],
  [0, { origin: 'http://app.example', host: 'APP.example:80' }, true],
  [0, { origin: 'https://app.example:8443', host: 'app.example:8443' }, true],
  [0, { origin: 'http://[::1]:3001', host: '[::1]:3001' }, true],
  [0, { origin: 'https://app.example:8443', host: 'app.example' }, false],
  [0, { origin: 'https://app.example', host: 'app.example:8443' }, false],
  [0, { origin: 'https://evil.example', host: 'app.example' }, false],
  [0, { origin: 'https://app.example', host: 'evil.example/app.example' }, false],
  [0, { origin: 'https://app.example', host: 'evil@app.example' }, false],
  [0, { origin: 'null', host: 'null' }, false],
  [0, { origin: 'https://app.example/', host: 'app.example' }, false],
  [0, { origin: 'https://app.example' }, false],
  [0, { host: 'app.example' }, true],
  [0, { origin: 'https://app.example', host: '127.0.0.1:3001', 'x-forwarded-host': 'app.example' }, false],
  [1, { origin: 'https://app.example', host: '127.0.0.1:3001', 'x-forwarded-host': 'app.example' }, true],
  [
    1,
    { origin: 'https://app.example', host: '127.0.0.1', 'x-forwarded-host': 'app.example, b.example' },
    false,
  ],
  [
    2,
    { origin: 'https://app.example', host: '127.0.0.1', 'x-forwarded-host': 'app.example, b.example' },
    true,
  ],
  [1, { origin: 'https://a.example:8443', host: 'a.example', 'x-forwarded-port': '8443' }, true],
  [1, { origin: 'https://a.example', host: 'a.example', 'x-forwarded-port': '443' }, true],
  [1, { origin: 'http://a.example', host: 'a.example', 'x-forwarded-proto': 'https' }, false],
  [1, { origin: 'https://a.example', host: 'a.example', 'x-forwarded-proto': 'https' }, true],
])('with %i trusted proxies %j is of the same origin: %s', (trustedProxies, headers, same) => {
  expect(isSameOrigin(headers, trustedProxies)).toBe(same);
});
