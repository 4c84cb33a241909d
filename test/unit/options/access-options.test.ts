import { inspect } from 'node:util';

import { describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import { resolveOptions } from '../../../src/options/stream-kit-options.js';

const SECRET = 'a secret that is thirty-two bytes';

function refusal(options: unknown): string {
  try {
    resolveOptions(options as StreamKitOptions);
  } catch (error) {
    if (error instanceof StreamKitError && error.code === 'bad_option') return error.message;
    throw error;
  }
  throw new Error('The options were accepted');
}

const origin = 'origin such as https://app.example.org';
const secret = 'string or Uint8Array of at least 32 bytes';
const BAD_OPTIONS: readonly [options: unknown, sentence: string][] = [
  [
    { trustProxy: 'yes' },
    "Expected boolean or integer between 0 and 10 for trustProxy but received 'yes' of type string",
  ],
  [{ trustProxy: 11 }, 'Expected integer between 0 and 10 for trustProxy but received 11 of type number'],
  [{ cors: true }, 'Expected object for cors but received true of type boolean'],
  [{ cors: {} }, "Expected '*', array or function for cors.origins but received undefined"],
  [{ cors: { origins: '*', methods: [] } }, 'Unknown option "methods" in cors'],
  [
    { cors: { origins: 'https://a.example' } },
    "Expected '*', array or function for cors.origins but received 'https://a.example' of type string",
  ],
  ...[
    '*',
    'null',
    'https://a.example/',
    'https://A.example',
    'http://a.example:80',
    'a.example',
    'https://*.a',
  ].map((one): [unknown, string] => [
    { cors: { origins: ['https://a.example', one] } },
    `Expected ${origin} for cors.origins[1] but received '${one}' of type string`,
  ]),
  [
    { cors: { origins: '*', credentials: true } },
    "Expected no cors.credentials with cors.origins '*' because every site could then act for a user",
  ],
  [
    { cors: { origins: '*', maxAgeSeconds: -1 } },
    'Expected integer between 0 and 86400 for cors.maxAgeSeconds but received -1 of type number',
  ],
  [{ streamTokens: {} }, 'Expected one of streamTokens.secret and streamTokens.secrets'],
  [
    { streamTokens: { secret: SECRET, secrets: [SECRET] } },
    'Expected one of streamTokens.secret and streamTokens.secrets',
  ],
  [
    { streamTokens: { secret: 'only 31 bytes of a short secret' } },
    `Expected ${secret} for streamTokens.secret but received 31 bytes`,
  ],
  [
    { streamTokens: { secrets: [SECRET, new Uint8Array(31)] } },
    `Expected ${secret} for streamTokens.secrets but received 31 bytes`,
  ],
  [{ streamTokens: { secret: 32 } }, `Expected ${secret} for streamTokens.secret but received type number`],
  [{ streamTokens: { secrets: SECRET } }, 'Expected array of 1 to 16 secrets for streamTokens.secrets'],
  [{ streamTokens: { secrets: [] } }, 'Expected array of 1 to 16 secrets for streamTokens.secrets'],
  [
    { streamTokens: { secret: SECRET, lifetimeSeconds: 0 } },
    'Expected integer between 1 and 86400 for streamTokens.lifetimeSeconds but received 0 of type number',
  ],
  [{ rateLimits: true }, 'Expected object or false for rateLimits but received true of type boolean'],
  [
    { rateLimits: { signalsPerSecond: 0 } },
    'Expected integer between 1 and 100000 for rateLimits.signalsPerSecond but received 0 of type number',
  ],
  [{ rateLimits: { signalsPerMinute: 1 } }, 'Unknown option "signalsPerMinute" in rateLimits'],
];

describe('options of access', () => {
  it.each(BAD_OPTIONS)('refuses %j', (options, sentence) => {
    expect(refusal(options)).toBe(sentence);
  });

  it('are closed by default, with rates that a caller may not exceed', () => {
    expect(resolveOptions()).toMatchObject({
      trustProxy: 0,
      cors: undefined,
      streamTokens: undefined,
      rateLimits: { sessionsPerMinute: 120, signalsPerSecond: 500 },
    });
  });

  it('are filled in', () => {
    const { trustProxy, cors, streamTokens, rateLimits } = resolveOptions({
      trustProxy: true,
      cors: { origins: ['https://a.example', 'http://[::1]:3000', 'capacitor://localhost'] },
      streamTokens: { secrets: [SECRET, Buffer.alloc(32)] },
      rateLimits: { sessionsPerMinute: 5 },
    });
    expect(trustProxy).toBe(1);
    expect(cors).toMatchObject({ credentials: false, maxAgeSeconds: 600 });
    expect([streamTokens?.keys.length, streamTokens?.lifetimeSeconds]).toEqual([2, 300]);
    expect(rateLimits).toMatchObject({ sessionsPerMinute: 5, signalsPerSecond: 500, openRequests: 200 });
    expect(resolveOptions({ rateLimits: false }).rateLimits).toBeUndefined();
  });

  it('do not show a secret when they are printed, and do not change with the bytes they were given', () => {
    const bytes = Buffer.from(SECRET);
    const resolved = resolveOptions({ streamTokens: { secrets: [SECRET, bytes] } });
    bytes.fill(0);
    const printed = inspect(resolved, { depth: 10 }) + JSON.stringify(resolved);
    expect(printed).not.toContain(SECRET);
    const exported = resolved.streamTokens?.keys.map((key) => key.export().toString());
    expect(exported).toEqual([SECRET, SECRET]);
  });
});
