import { describe, expect, it } from 'vitest';

import { EventLog } from '../../../src/session/event-log.js';
import { seededRandom } from '../../helpers/seeded-random.js';

const bytes = (size: number) => (): Uint8Array => new Uint8Array(size);

function numbers(log: EventLog, after: number): number[] | 'gap' {
  const entries = log.after(after);
  return entries === 'gap' ? 'gap' : entries.map((entry) => entry.sequence);
}

describe('EventLog', () => {
  it('numbers its entries from 1 and tells each its number', () => {
    const log = new EventLog({ maxEntries: 4, maxBytes: 100 });
    expect(log.lastSequence).toBe(0);
    log.append((sequence) => new Uint8Array([sequence]));
    log.append((sequence) => new Uint8Array([sequence]));
    expect(log.lastSequence).toBe(2);
    expect(log.after(0)).toEqual([
      { sequence: 1, bytes: new Uint8Array([1]) },
      { sequence: 2, bytes: new Uint8Array([2]) },
    ]);
  });

  it('has nothing after the newest, and a gap after what never was', () => {
    const log = new EventLog({ maxEntries: 4, maxBytes: 100 });
    expect(numbers(log, 0)).toEqual([]);
    expect(numbers(log, 1)).toBe('gap');
    log.append(bytes(1));
    expect(numbers(log, 1)).toEqual([]);
    expect(numbers(log, -1)).toBe('gap');
    expect(numbers(log, 0.5)).toBe('gap');
    expect(numbers(log, NaN)).toBe('gap');
  });

  it('drops the oldest when there are too many', () => {
    const log = new EventLog({ maxEntries: 3, maxBytes: 100 });
    for (let count = 0; count < 5; count++) log.append(bytes(1));
    expect(numbers(log, 1)).toBe('gap');
    expect(numbers(log, 2)).toEqual([3, 4, 5]);
  });

  it('drops the oldest when they are too large', () => {
    const log = new EventLog({ maxEntries: 100, maxBytes: 10 });
    for (let count = 0; count < 4; count++) log.append(bytes(4));
    expect(log.bytes).toBe(8);
    expect(numbers(log, 1)).toBe('gap');
    expect(numbers(log, 2)).toEqual([3, 4]);
  });

  it('goes on after an entry that is larger than all it may hold', () => {
    const log = new EventLog({ maxEntries: 3, maxBytes: 10 });
    log.append(bytes(4));
    expect(log.append(bytes(11)).sequence).toBe(2);
    expect(log.bytes).toBe(0);
    expect(numbers(log, 1)).toBe('gap');
    expect(numbers(log, 2)).toEqual([]);
    log.append(bytes(4));
    expect(numbers(log, 2)).toEqual([3]);
  });

  it('can leave numbers out, which are a gap to whoever has not seen them', () => {
    const log = new EventLog({ maxEntries: 4, maxBytes: 100 });
    log.append(bytes(1));
    log.append(bytes(2));
    log.skipTo(1000);
    expect(log.lastSequence).toBe(1000);
    log.skipTo(5);
    expect(log.append(bytes(3)).sequence).toBe(1001);
    expect(numbers(log, 1)).toBe('gap');
    expect(numbers(log, 2)).toBe('gap');
    expect(numbers(log, 999)).toBe('gap');
    expect(numbers(log, 1000)).toEqual([1001]);
    expect([1, 2, 3, 1000, 1001, 1002].map((sequence) => log.at(sequence)?.bytes.byteLength)).toEqual([
      1,
      2,
      undefined,
      undefined,
      3,
      undefined,
    ]);
    expect(log.bytesAfter(1)).toBe(5);
    expect(log.bytesAfter(0)).toBe(6);
    log.append(bytes(1));
    log.append(bytes(1));
    expect(log.at(1)).toBeUndefined();
    expect(log.at(2)?.sequence).toBe(2);
    expect(numbers(log, 1000)).toEqual([1001, 1002, 1003]);
  });

  it.each([1, 2, 3])('never holds more than its limits and never skips (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const log = new EventLog({ maxEntries: 7, maxBytes: 50 });
    for (let round = 1; round <= 1000; round++) {
      log.append(bytes(Math.floor(random() * 20)));
      expect(log.bytes).toBeLessThanOrEqual(50);
      const from = Math.max(0, round - Math.floor(random() * 10));
      const entries = numbers(log, from);
      if (entries === 'gap') continue;
      expect(entries.length).toBeLessThanOrEqual(7);
      expect(entries).toEqual(Array.from({ length: round - from }, (_, index) => from + 1 + index));
    }
  });
});
