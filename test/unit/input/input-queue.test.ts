import { describe, expect, it } from 'vitest';

import { InputQueue, type InputStep } from '../../../src/input/input-queue.js';
import { silentLogger } from '../../../src/base/logger.js';
import { settle } from '../../helpers/virtual-clock.js';

/** A page that takes a step when it is told to. */
class Page {
  readonly taken: string[] = [];
  #free: (() => void)[] = [];

  step(name: string, kind: InputStep['kind'], device: InputStep['device'] = 'mouse'): InputStep {
    return {
      device,
      kind,
      ...(kind === 'move' ? { merge: (later) => (later.kind === 'move' ? later : undefined) } : {}),
      run: () => {
        this.taken.push(name);
        return new Promise<void>((resolve) => this.#free.push(resolve));
      },
    };
  }

  async takeAll(): Promise<void> {
    while (this.#free.length > 0) {
      this.#free.splice(0).forEach((free) => free());
      await settle();
    }
  }
}

describe('what waits for a page', () => {
  it('is one move where there were many, with its presses in order', async () => {
    const page = new Page();
    const queue = new InputQueue(silentLogger);
    queue.push(page.step('move 0', 'move'));
    for (let i = 1; i <= 1000; i += 1) queue.push(page.step(`move ${i}`, 'move'));
    expect(queue.length).toBe(1);
    queue.push(page.step('down', 'press'));
    queue.push(page.step('move 1001', 'move'));
    queue.push(page.step('up', 'release'));
    await settle();
    await page.takeAll();
    expect(page.taken).toEqual(['move 0', 'move 1000', 'down', 'move 1001', 'up']);
  });

  it('does not keep a press behind a move that the page has yet to take', async () => {
    const page = new Page();
    const queue = new InputQueue(silentLogger);
    queue.push(page.step('move', 'move'));
    await settle();
    queue.push(page.step('down', 'press'));
    await settle();
    expect(page.taken).toEqual(['move', 'down']);
    // Of another device, whose order against the first the browser does not keep.
    queue.push(page.step('key', 'press', 'other'));
    await settle();
    expect(page.taken).toEqual(['move', 'down']);
    await page.takeAll();
    expect(page.taken).toEqual(['move', 'down', 'key']);
  });

  it('is no more than 256 presses, and every release', async () => {
    const page = new Page();
    const queue = new InputQueue(silentLogger);
    for (let i = 0; i < 257; i += 1) queue.push(page.step(`${i}`, 'press', 'other'));
    expect(() => queue.push(page.step('more', 'press'))).toThrow(
      expect.objectContaining({ code: 'bad_input' }),
    );
    queue.push(page.step('a move', 'move'));
    queue.push(page.step('released', 'release', 'other'));
    expect(queue.length).toBe(257);
    await page.takeAll();
    expect(page.taken).toHaveLength(258);
    expect(page.taken.at(-1)).toBe('released');
  });

  it('goes on after a step that failed', async () => {
    const taken: string[] = [];
    const queue = new InputQueue(silentLogger);
    queue.push({ device: 'other', kind: 'press', run: () => Promise.reject(new Error('gone')) });
    queue.push({ device: 'other', kind: 'press', run: () => Promise.resolve(taken.push('next')) });
    await settle();
    expect(taken).toEqual(['next']);
  });
});
