import { expect, it } from 'vitest';

import { resolveOptions } from '../../../src/options/stream-kit-options.js';

it.each([
  [undefined, true, 80],
  [true, true, 80],
  [false, false, 0],
  ['strict', true, 0],
  [0, true, 0],
  [125, true, 125],
  [200, true, 200],
])('lipSync %j holds pictures back: %j, beyond %i ms', (given, holdsPictures, toleranceMs) => {
  const options = given === undefined ? {} : { lipSync: given as boolean };
  expect(resolveOptions(options).lipSync).toEqual({ holdsPictures, toleranceMs });
});

it.each([-1, 201, NaN, Infinity, 'loose', null, {}])('lipSync %j is refused with one sentence', (given) => {
  expect(() => resolveOptions({ lipSync: given as number })).toThrow(
    /^Expected boolean, 'strict' or number between 0 and 200 for lipSync but received /,
  );
});
