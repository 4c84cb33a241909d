import { expect, it } from 'vitest';

import { StillRefinement } from '../../../../src/render/encode/still-refinement.js';

/** 3600 macroblocks. */
const FORMAT = { width: 1280, height: 720 };

it('settles after three pictures in a row that changed next to nothing', () => {
  const refinement = new StillRefinement(FORMAT);
  for (const bytes of [9000, 12, 12, 5000, 3600, 3600]) {
    refinement.add(bytes);
    expect(refinement.isSettled).toBe(false);
  }
  refinement.add(3600);
  expect(refinement.isSettled).toBe(true);
});

it('goes on when a settled page improves after all, and begins anew when the page changes', () => {
  const refinement = new StillRefinement(FORMAT);
  for (const bytes of [12, 12, 12]) refinement.add(bytes);
  refinement.add(9000);
  expect(refinement.isSettled).toBe(false);
  for (const bytes of [12, 12, 12]) refinement.add(bytes);
  refinement.restart();
  expect(refinement.isSettled).toBe(false);
});

it('stays settled when a cursor blinks, and not when more changes', () => {
  const refinement = new StillRefinement(FORMAT);
  refinement.changed(12);
  expect(refinement.isSettled).toBe(false);
  for (const bytes of [12, 12, 12]) refinement.add(bytes);
  refinement.changed(2400);
  expect(refinement.isSettled).toBe(true);
  refinement.changed(4000);
  expect(refinement.isSettled).toBe(false);
});

it('ends for an encoder that never settles', () => {
  const refinement = new StillRefinement(FORMAT);
  let pictures = 0;
  for (; !refinement.isSettled && pictures < 1000; pictures++) refinement.add(20_000);
  expect(pictures).toBe(40);
});
