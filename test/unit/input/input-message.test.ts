import { isDeepStrictEqual } from 'node:util';

import { describe, expect, it } from 'vitest';

import { InputError } from '../../../src/input/input-error.js';
import { INPUT_LIMITS, isInputType, parseInputMessage } from '../../../src/input/input-message.js';
import { seededRandom } from '../../helpers/seeded-random.js';

const pad = { index: 1, id: 'Pad', buttons: [{ pressed: true, value: 0.5 }], axes: [0, -1, 1] };

/** One good message of every kind. */
const GOOD: Record<string, unknown>[] = [
  { type: 'pointer', action: 'move', x: 0, y: 1 },
  { type: 'pointer', action: 'move', x: 0.5, y: 0.5, button: -1, buttons: 1, pointerType: 'pen' },
  { type: 'pointer', action: 'down', x: 0.25, y: 0.75, button: 4, buttons: 16, pointerType: 'mouse' },
  { type: 'pointer', action: 'up', x: 0.25, y: 0.75, button: 0, buttons: 0 },
  { type: 'pointer', action: 'move', movementX: -12.5, movementY: 0 },
  { type: 'select', id: '1', indexes: [0, 999] },
  { type: 'picker', id: '1', value: '2027-03-17' },
  { type: 'picker', id: '1', cancel: true },
  { type: 'dialog', id: '1', accept: true, text: 'name' },
  { type: 'file_chooser', id: '1', fileIds: ['a-b'] },
  { type: 'pointer_lock', locked: false },
  { type: 'tab', action: 'show', id: '2' },
  { type: 'wheel', x: 0.5, y: 0.5, deltaX: 0, deltaY: -120.5 },
  {
    type: 'touch',
    action: 'start',
    touches: [
      { id: 0, x: 0, y: 0 },
      { id: -7, x: 1, y: 1 },
    ],
  },
  { type: 'touch', action: 'move', touches: [{ id: 0, x: 0.1, y: 0.1 }] },
  { type: 'touch', action: 'end', touches: [{ id: 0, x: 0.1, y: 0.1 }] },
  { type: 'touch', action: 'cancel', touches: [{ id: 0 }] },
  { type: 'keyboard', action: 'down', code: 'KeyA', key: 'a', repeat: true },
  { type: 'keyboard', action: 'up', code: '', key: 'Unidentified' },
  { type: 'keyboard', action: 'down', code: 'Space', key: ' ' },
  // Shift and Space of a Persian keyboard: a character without width.
  { type: 'keyboard', action: 'down', code: 'Space', key: '\u200c' },
  { type: 'text', text: 'héllo 😀\n' },
  { type: 'composition', text: '' },
  { type: 'gamepad', ...pad },
  { type: 'gamepad', index: 3, connected: false },
  { type: 'keys', data: 'ls\r' },
  { type: 'key', name: 'C-c' },
  { type: 'paste', data: 'a\u0000b' },
  { type: 'resize', cols: 80, rows: 24 },
  { type: 'resize', width: 1280, height: 721 },
];

function refusal(message: unknown): InputError {
  return refusalOf(JSON.stringify(message));
}

function refusalOf(json: string): InputError {
  try {
    parseInputMessage(json);
  } catch (thrown) {
    if (thrown instanceof InputError) return thrown;
    throw thrown;
  }
  throw new Error(`It was taken: ${json.slice(0, 200)}`);
}

describe('an input message', () => {
  it.each(GOOD)('is taken as it is: $type $action', (message) => {
    expect(parseInputMessage(JSON.stringify(message))).toMatchObject(
      message.action === 'end' ? { ...message, touches: [{ id: 0 }] } : message,
    );
  });

  it('gets what its sender left out', () => {
    expect(parseInputMessage('{"type":"pointer","action":"move","x":0,"y":0}')).toEqual({
      ...{ type: 'pointer', action: 'move', x: 0, y: 0 },
      ...{ button: -1, buttons: undefined, pointerType: 'mouse' },
    });
    expect(parseInputMessage('{"type":"keyboard","action":"down","code":"KeyA","key":"a"}')).toMatchObject({
      repeat: false,
    });
    expect(parseInputMessage(JSON.stringify({ type: 'gamepad', ...pad }))).toMatchObject({ connected: true });
    expect(parseInputMessage('{"type":"key","name":"C-Up"}')).toEqual({
      type: 'key',
      name: 'C-Up',
      named: { key: 'ArrowUp', ctrl: true, alt: false, shift: false },
    });
    expect(parseInputMessage('{"type":"resize","cols":80,"rows":24}')).toMatchObject({ unit: 'cells' });
    expect(parseInputMessage('{"type":"resize","width":640,"height":480}')).toMatchObject({ unit: 'pixels' });
  });

  it('loses what it has beyond that', () => {
    const json = '{"type":"text","text":"a","__proto__":{"admin":true},"extra":1}';
    expect(Object.keys(parseInputMessage(json))).toEqual(['type', 'text']);
  });

  it.each([
    '',
    'hello',
    'null',
    '1',
    '"pointer"',
    '[]',
    '{}',
    '{"type":1}',
    '{"type":null}',
    '{"type":"no-such"}',
    '{"type":"constructor"}',
    '{"type":"__proto__"}',
    '{"__proto__":{"type":"text"},"text":"a"}',
    '{"type":"text","text":"a"',
    '['.repeat(60_000),
    `{"type":"text","text":"${'x'.repeat(INPUT_LIMITS.messageBytes)}"}`,
    // Fewer characters than the limit, more bytes.
    `{"type":"text","text":"${'語'.repeat(INPUT_LIMITS.messageBytes / 2)}"}`,
  ])('is no message: %.60s', (json) => {
    expect(refusalOf(json).code).toBe('bad_message');
  });

  it.each([
    [{ type: 'pointer', action: 'click', x: 0, y: 0, button: 0 }, 'action'],
    [{ type: 'pointer', action: 'down', x: 0, y: 0 }, 'button'],
    [{ type: 'pointer', action: 'down', x: 0, y: 0, button: -1 }, 'button'],
    [{ type: 'pointer', action: 'up', x: 0, y: 0, button: 5 }, 'button'],
    [{ type: 'pointer', action: 'move', x: 0, y: 0, button: 1.5 }, 'button'],
    [{ type: 'pointer', action: 'move', x: 1.0001, y: 0 }, 'x'],
    [{ type: 'pointer', action: 'move', x: -0.0001, y: 0 }, 'x'],
    [{ type: 'pointer', action: 'move', x: '0', y: 0 }, 'x'],
    [{ type: 'pointer', action: 'move', x: 0, y: null }, 'y'],
    [{ type: 'pointer', action: 'move', x: 0, y: 0, buttons: 32 }, 'buttons'],
    [{ type: 'pointer', action: 'move', x: 0, y: 0, pointerType: 'touch' }, 'pointerType'],
    [{ type: 'wheel', x: 0, y: 0, deltaX: 0 }, 'deltaY'],
    [{ type: 'wheel', x: 0, y: 0, deltaX: 1e300, deltaY: 0 }, 'deltaX'],
    [{ type: 'touch', action: 'start' }, 'touches'],
    [{ type: 'touch', action: 'start', touches: [] }, 'touches'],
    [{ type: 'touch', action: 'start', touches: [null] }, 'touches[0]'],
    [{ type: 'touch', action: 'start', touches: [{ id: 1, x: 0 }] }, 'touches[0].y'],
    [{ type: 'touch', action: 'end', touches: [{ id: 1.5 }] }, 'touches[0].id'],
    [{ type: 'touch', action: 'end', touches: [{ id: 1 }, { id: 1 }] }, 'touches'],
    [
      {
        type: 'touch',
        action: 'start',
        touches: Array.from({ length: 11 }, (_, id) => ({ id, x: 0, y: 0 })),
      },
      'touches',
    ],
    [{ type: 'keyboard', action: 'press', code: 'KeyA', key: 'a' }, 'action'],
    [{ type: 'keyboard', action: 'down', key: 'a' }, 'code'],
    [{ type: 'keyboard', action: 'down', code: 'Key A', key: 'a' }, 'code'],
    [{ type: 'keyboard', action: 'down', code: 'KeyA', key: '' }, 'key'],
    [{ type: 'keyboard', action: 'down', code: 'KeyA', key: '\u0000' }, 'key'],
    [{ type: 'keyboard', action: 'down', code: 'KeyA', key: 'é'.repeat(9) }, 'key'],
    [{ type: 'keyboard', action: 'down', code: 'KeyA', key: 'a', repeat: 1 }, 'repeat'],
    [{ type: 'text' }, 'text'],
    [{ type: 'text', text: 'x'.repeat(INPUT_LIMITS.textBytes + 1) }, 'text'],
    [{ type: 'text', text: 'a\ud800b' }, 'text'],
    [{ type: 'composition', text: ['a'] }, 'text'],
    [{ type: 'gamepad', ...pad, index: 4 }, 'index'],
    [{ type: 'gamepad', ...pad, id: 'x'.repeat(129) }, 'id'],
    [{ type: 'gamepad', ...pad, buttons: [{ pressed: 1, value: 0 }] }, 'buttons[0].pressed'],
    [{ type: 'gamepad', ...pad, buttons: [{ pressed: true, value: 2 }] }, 'buttons[0].value'],
    [{ type: 'gamepad', ...pad, buttons: Array(33).fill({ pressed: true, value: 1 }) }, 'buttons'],
    [{ type: 'gamepad', ...pad, axes: [0, -1.5] }, 'axes[1]'],
    [{ type: 'gamepad', ...pad, axes: Array(17).fill(0) }, 'axes'],
    [{ type: 'gamepad', ...pad, axes: {} }, 'axes'],
    [{ type: 'gamepad', ...pad, connected: 'no' }, 'connected'],
    [{ type: 'keys', data: 7 }, 'data'],
    [{ type: 'key', name: 'Enterr' }, 'name'],
    [{ type: 'key', name: 'C-c; kill-server' }, 'name'],
    [{ type: 'paste' }, 'data'],
    [{ type: 'resize' }, 'cols'],
    [{ type: 'resize', cols: 80 }, 'rows'],
    [{ type: 'resize', cols: 0, rows: 24 }, 'cols'],
    [{ type: 'resize', cols: 1e6, rows: 24 }, 'cols'],
    [{ type: 'resize', width: 63, height: 480 }, 'width'],
    [{ type: 'resize', width: 640, height: 99_999 }, 'height'],
    [{ type: 'resize', cols: 80, rows: 24, width: 640, height: 480 }, 'width'],
  ])('is refused by the field that is wrong: %j', (message, field) => {
    const error = refusal(message);
    expect(error.code).toBe('bad_input');
    expect(error.message).toContain(field);
    expect(error.message.length).toBeLessThan(250);
  });

  it('is told from other messages by its type', () => {
    expect(isInputType('pointer')).toBe(true);
    expect(isInputType('resume')).toBe(false);
    expect(isInputType('toString')).toBe(false);
  });

  it('is taken or refused with a code, whatever is done to it', () => {
    const random = seededRandom(20_261_122);
    let taken = 0;
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 6000; round += 1) {
      const json = mutated(GOOD[Math.floor(random() * GOOD.length)] ?? {}, random);
      try {
        const message = parseInputMessage(json);
        taken += 1;
        // What was taken is within its bounds, so it is taken again.
        if (!isDeepStrictEqual(parseInputMessage(JSON.stringify(message)), message) || !isBounded(message)) {
          expect.fail(`Taken as something else: ${json.slice(0, 200)}`);
        }
      } catch (thrown) {
        if (!(thrown instanceof InputError)) throw thrown;
        outcomes.set(thrown.code, (outcomes.get(thrown.code) ?? 0) + 1);
      }
    }
    expect(taken).toBeGreaterThan(300);
    expect(outcomes.get('bad_message')).toBeGreaterThan(300);
    expect(outcomes.get('bad_input')).toBeGreaterThan(300);
  });
});

const ODD_VALUES: unknown[] = [
  null,
  true,
  -1,
  1e308,
  0.5,
  '',
  'a',
  '\ud800',
  '\u0000',
  'x'.repeat(20_000),
  [],
  [[]],
  {},
  { id: 1, x: 0, y: 0 },
  Array.from({ length: 40 }, () => 0),
];

/** A message of which a field, a character or the type is another. */
function mutated(message: Record<string, unknown>, random: () => number): string {
  const copy = structuredClone(message);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const kind = random();
  if (kind < 0.4) copy[pick(Object.keys(copy))] = pick(ODD_VALUES);
  else if (kind < 0.5)
    copy[pick(['button', 'repeat', 'connected', 'touches', 'cols', '__proto__'])] = pick(ODD_VALUES);
  else if (kind < 0.6) Reflect.deleteProperty(copy, pick(Object.keys(copy)));
  else if (kind < 0.7) copy.type = pick(GOOD).type;
  const json = JSON.stringify(copy);
  if (kind < 0.75) return json;
  const at = Math.floor(random() * json.length);
  const replacement = pick([
    '',
    '"',
    '9',
    '{',
    '\\',
    '\\ud800',
    '\u0000',
    String.fromCharCode(random() * 0x1_0000),
  ]);
  return json.slice(0, at) + replacement + json.slice(at + (random() < 0.5 ? 1 : 0));
}

/** Every number finite and small, every text well formed, nothing deep. */
function isBounded(value: unknown, depth = 0): boolean {
  if (typeof value === 'number') return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (typeof value === 'string') return !/\p{Surrogate}/u.test(value);
  if (typeof value !== 'object' || value === null) return true;
  return depth < 4 && Object.values(value).every((entry) => isBounded(entry, depth + 1));
}
