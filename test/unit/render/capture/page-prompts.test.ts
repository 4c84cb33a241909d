import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import type { PageEvent } from '../../../../src/protocol/page-events.js';
import { ANSWER_TIMEOUT_MS, PagePrompts } from '../../../../src/render/capture/page-prompts.js';

let events: PageEvent[];
let prompts: PagePrompts;

beforeEach(() => {
  vi.useFakeTimers();
  events = [];
  prompts = new PagePrompts((event) => events.push(event));
});

afterEach(() => {
  prompts.close();
  vi.useRealTimers();
});

function confirm(message = 'Really?'): Promise<unknown> {
  return prompts.ask<'dialog'>((id) => ({ type: 'dialog', id, kind: 'confirm', message })).answer;
}

it('a dialog that nobody answers gets the harmless answer after a minute, and is withdrawn', async () => {
  const answer = confirm();
  await vi.advanceTimersByTimeAsync(ANSWER_TIMEOUT_MS - 1);
  expect(events.map(({ type }) => type)).toEqual(['dialog']);
  await vi.advanceTimersByTimeAsync(1);
  expect(await answer).toEqual({ type: 'dialog', id: '1', accept: false });
  expect(events.at(-1)).toEqual({ type: 'prompt_closed', id: '1' });
  // An answer that comes too late is for nothing.
  prompts.answer({ type: 'dialog', id: '1', accept: true });
  expect(events).toHaveLength(2);
});

it('an answer that is on its way begins the minute anew', async () => {
  let uploads = true;
  const { answer } = prompts.ask<'file_chooser'>(
    (id) => ({ type: 'file_chooser', id, multiple: false, accept: '' }),
    () => Promise.resolve(uploads),
  );
  await vi.advanceTimersByTimeAsync(2.5 * ANSWER_TIMEOUT_MS);
  expect(events).toHaveLength(1);
  uploads = false;
  await vi.advanceTimersByTimeAsync(ANSWER_TIMEOUT_MS);
  expect(await answer).toEqual({ type: 'file_chooser', id: '1', cancel: true });
});

it('an answer of another type is not taken, and of more than eight questions the last is answered at once', async () => {
  const first = confirm();
  prompts.answer({ type: 'select', id: '1', indexes: [0] });
  expect(events).toHaveLength(1);
  for (let count = 2; count <= 8; count++) void confirm();
  expect(await confirm('one too many')).toEqual({ type: 'dialog', id: '9', accept: false });
  expect(events).toHaveLength(8);
  prompts.answer({ type: 'dialog', id: '1', accept: true });
  expect(await first).toEqual({ type: 'dialog', id: '1', accept: true });
});
