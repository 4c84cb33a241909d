import { expect, it } from 'vitest';

import { BodyBudget } from '../../../src/http/body-budget.js';

it('the body that began first is given up when there are too many bytes', () => {
  const budget = new BodyBudget(100);
  const givenUp: string[] = [];
  const open = (name: string) => budget.open((error) => void givenUp.push(`${name} ${error.status}`));
  const [first, second, third] = [open('first'), open('second'), open('third')];
  first.add(40);
  second.add(40);
  third.add(20);
  expect([givenUp, budget.bytes]).toEqual([[], 100]);
  third.add(1);
  expect([givenUp, budget.bytes]).toEqual([['first 503'], 61]);
  first.add(1000);
  first.release();
  expect(budget.bytes).toBe(61);
  second.release();
  third.release();
  expect([givenUp, budget.bytes]).toEqual([['first 503'], 0]);
});

it('a body that is larger than all of it is given up itself', () => {
  const budget = new BodyBudget(100);
  const errors: unknown[] = [];
  budget.open((error) => void errors.push(error.code)).add(101);
  expect([errors, budget.bytes]).toEqual([['at_capacity'], 0]);
});
