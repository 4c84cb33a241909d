import { beforeEach, describe, expect, it } from 'vitest';

import type { PageControls } from '../../../src/render/capture/page-controls.js';
import { type InputMessage, parseInputMessage } from '../../../src/input/input-message.js';
import { PageInput } from '../../../src/input/page-input.js';
import { silentLogger } from '../../../src/base/logger.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

/** A page of half the width and height of its picture: `deviceScaleFactor` 2. */
const viewport = { width: 400, height: 200 };

let sent: [name: string, parameters: any][];
let gamepads: unknown[][];
let clock: VirtualClock;
let input: PageInput;
let resized: unknown[];
const a = {};
const b = {};

beforeEach(() => {
  sent = [];
  gamepads = [];
  resized = [];
  clock = new VirtualClock();
  const controls: PageControls = {
    viewport,
    send: (name, parameters) => Promise.resolve(void sent.push([name.replace(/^.*\./, ''), parameters])),
    fillClipboard: (text) => Promise.resolve(void sent.push(['fillClipboard', text])),
    setGamepads: (pads) => void gamepads.push([...pads]),
    answer: (answer) => void sent.push(['answer', answer]),
  };
  input = new PageInput({
    controls,
    resize: (_, size) => void resized.push(size),
    clock,
    logger: silentLogger,
  });
});

function message(fields: object): InputMessage {
  return parseInputMessage(JSON.stringify(fields));
}

async function accept(who: object, ...messages: object[]): Promise<void> {
  for (const one of messages) {
    input.accept(who, message(one));
    await settle();
  }
}

const pointer = (action: string, x: number, y: number, more: object = {}): object => ({
  ...{ type: 'pointer', action, x, y, button: action === 'move' ? -1 : 0 },
  ...more,
});
const key = (action: string, code: string, name: string): object => ({
  type: 'keyboard',
  action,
  code,
  key: name,
});
const pad = (index: number): object => ({
  type: 'gamepad',
  index,
  id: `pad ${index}`,
  buttons: [],
  axes: [],
});

/** Types and, as far as they have it, places of what was sent. */
function events(): string[] {
  return sent.map(([name, { type, x, y, button, key: named, touchPoints }]) =>
    [type ?? name, x, y, button, named, touchPoints === undefined ? undefined : JSON.stringify(touchPoints)]
      .filter((part) => part !== undefined)
      .join(' '),
  );
}

describe('the pointer', () => {
  it('is at the page’s own pixels, and never beyond its last one', async () => {
    await accept(a, pointer('move', 0.5, 0.5), pointer('down', 1, 1), pointer('up', 0, 0));
    expect(events()).toEqual([
      'mouseMoved 200 100 none',
      'mousePressed 399 199 left',
      'mouseReleased 0 0 left',
    ]);
  });

  it('counts clicks in one place and a short time', async () => {
    const counts = async (): Promise<number> => {
      await accept(a, pointer('down', 0.5, 0.5), pointer('up', 0.5, 0.5));
      return sent.at(-1)?.[1].clickCount as number;
    };
    expect([await counts(), await counts(), await counts()]).toEqual([1, 2, 3]);
    await clock.advance(501);
    expect(await counts()).toBe(1);
    await accept(a, pointer('down', 0.6, 0.5));
    expect(sent.at(-1)?.[1].clickCount).toBe(1);
  });

  it('knows buttons that go down and up with a move, as second ones do', async () => {
    await accept(a, pointer('move', 0, 0, { button: 0, buttons: 1 }));
    expect(events()).toEqual(['mouseMoved 0 0 none']);
    await accept(a, pointer('down', 0, 0), pointer('move', 0, 0, { button: 2, buttons: 3 }));
    await accept(a, pointer('move', 0, 0, { buttons: 0 }));
    expect(events().slice(1)).toEqual([
      ...['mousePressed 0 0 left', 'mouseMoved 0 0 left', 'mousePressed 0 0 right', 'mouseMoved 0 0 left'],
      ...['mouseReleased 0 0 left', 'mouseReleased 0 0 right'],
    ]);
  });

  it('has the keys with it that its controller holds, and no other’s', async () => {
    await accept(a, key('down', 'ShiftLeft', 'Shift'), pointer('down', 0, 0));
    expect(sent.at(-1)?.[1].modifiers).toBe(8);
    await accept(b, pointer('down', 0, 0, { button: 2 }));
    expect(sent.at(-1)?.[1].modifiers).toBe(0);
  });

  it('adds up turns of the wheel that wait', async () => {
    const wheel = { type: 'wheel', x: 0, y: 0, deltaX: 1, deltaY: 10 };
    for (let turns = 0; turns < 5; turns += 1) input.accept(a, message(wheel));
    await settle();
    expect(sent.map(([, { deltaX, deltaY }]) => [deltaX, deltaY])).toEqual([
      [1, 10],
      [4, 40],
    ]);
  });
});

describe('the keyboard', () => {
  it.each([
    [
      'types what the layout says',
      ['KeyQ', 'a'],
      [],
      { type: 'keyDown', text: 'a', windowsVirtualKeyCode: 65 },
    ],
    ['knows a place of another script', ['KeyC', 'с'], [], { text: 'с', windowsVirtualKeyCode: 67 }],
    ['types nothing with a dead key', ['BracketLeft', 'Dead'], [], { type: 'rawKeyDown' }],
    ['types a character of several code points', ['KeyA', 'क्ष'], [], { text: 'क्ष' }],
    ['has shortcuts', ['KeyC', 'c'], [['ControlLeft', 'Control']], { type: 'rawKeyDown', modifiers: 2 }],
    ['types with AltGr', ['KeyQ', '@'], [['AltRight', 'AltGraph']], { text: '@', modifiers: 0 }],
    [
      'types with the AltGr of Windows',
      ['KeyE', '€'],
      [
        ['ControlLeft', 'Control'],
        ['AltRight', 'Alt'],
      ],
      { text: '€', modifiers: 0 },
    ],
    ['types with Option', ['KeyL', '@'], [['AltLeft', 'Alt']], { text: '@', modifiers: 0 }],
    ['does not type with Alt', ['KeyF', 'f'], [['AltLeft', 'Alt']], { type: 'rawKeyDown', modifiers: 1 }],
    ['copies with a Mac', ['KeyC', 'c'], [['MetaLeft', 'Meta']], { type: 'rawKeyDown', commands: ['copy'] }],
    ['has a number pad', ['Numpad7', '7'], [], { text: '7', isKeypad: true, windowsVirtualKeyCode: 103 }],
    ['has a right side', ['ShiftRight', 'Shift'], [], { location: 2, windowsVirtualKeyCode: 16 }],
    ['has Enter', ['Enter', 'Enter'], [], { text: '\r' }],
    ['knows no code that it inherits', ['constructor', 'x'], [], { text: 'x', windowsVirtualKeyCode: 88 }],
  ] as const)('%s', async (_name, [code, name], modifiers, expected) => {
    for (const [heldCode, heldKey] of modifiers) await accept(a, key('down', heldCode, heldKey));
    await accept(a, key('down', code, name));
    expect(sent.at(-1)?.[1]).toMatchObject(expected);
    if (!('text' in expected)) expect(sent.at(-1)?.[1]).not.toHaveProperty('text', name);
  });

  it('repeats what goes down again, and lets go of nothing that is not down', async () => {
    await accept(a, key('down', 'KeyA', 'a'), key('down', 'KeyA', 'a'), key('up', 'KeyB', 'b'));
    expect(sent.map(([, { autoRepeat }]) => autoRepeat)).toEqual([undefined, true]);
  });

  it('has at most 32 keys down', async () => {
    for (let i = 0; i < 32; i += 1) await accept(a, key('down', `Key${i}`, 'x'));
    expect(() => input.accept(a, message(key('down', 'KeyZ', 'z')))).toThrow(
      expect.objectContaining({ code: 'bad_input' }),
    );
  });

  it('presses named keys and literal control characters', async () => {
    await accept(a, { type: 'key', name: 'C-c' }, { type: 'keys', data: 'ls\r' });
    expect(events()).toEqual([
      ...['rawKeyDown Control', 'rawKeyDown c', 'keyUp c', 'keyUp Control'],
      ...['insertText', 'keyDown Enter', 'keyUp Enter'],
    ]);
    expect(() => input.accept(a, message({ type: 'keys', data: '\n'.repeat(257) }))).toThrow(
      'control characters',
    );
  });
});

describe('touches', () => {
  const touch = (action: string, ...ids: number[]): object => ({
    type: 'touch',
    action,
    touches: ids.map((id) => ({ id, x: 0.5, y: 0.5 })),
  });

  it('have numbers of their own, however their clients call them', async () => {
    await accept(a, touch('start', 9_000_000));
    await accept(b, touch('start', 9_000_000));
    await accept(a, touch('end', 9_000_000));
    expect(events().filter((event) => event.startsWith('touch'))).toEqual([
      'touchStart [{"id":0,"x":200,"y":100}]',
      'touchStart [{"id":1,"x":200,"y":100}]',
      'touchEnd [{"id":0,"x":200,"y":100}]',
    ]);
  });

  it('that were never begun do nothing, and eleven are too many', async () => {
    await accept(a, touch('move', 1), touch('end', 1), touch('cancel', 2));
    expect(sent).toEqual([]);
    await accept(a, touch('start', 0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    expect(() => input.accept(a, message(touch('start', 10)))).toThrow('at most 10 touches');
  });
});

describe('what a controller held', () => {
  it('is let go of when it goes, last first', async () => {
    await accept(a, key('down', 'ShiftLeft', 'Shift'), key('down', 'KeyA', 'A'), pointer('down', 0.5, 0.5));
    await accept(a, { type: 'touch', action: 'start', touches: [{ id: 3, x: 0, y: 0 }] });
    await accept(a, pad(2), { type: 'composition', text: 'に' });
    sent = [];
    input.release(a);
    await settle();
    expect(events()).toEqual([
      ...['keyUp A', 'keyUp Shift', 'mouseReleased 200 100 left', 'touchCancel []', 'imeSetComposition'],
    ]);
    expect(sent.map(([, { modifiers }]) => modifiers).slice(0, 2)).toEqual([8, 0]);
    expect(gamepads.at(-1)).toEqual([null, null, null, null]);
    sent = [];
    input.release(a);
    await settle();
    expect(sent).toEqual([]);
  });

  it('stays down while another holds it', async () => {
    await accept(a, pointer('down', 0, 0), key('down', 'KeyA', 'a'));
    await accept(b, pointer('down', 0, 0), key('down', 'KeyA', 'a'));
    sent = [];
    input.release(a);
    await settle();
    expect(events()).toEqual([]);
    await accept(b, pointer('up', 0, 0), key('up', 'KeyA', 'a'));
    expect(events()).toEqual(['mouseReleased 0 0 left', 'keyUp a']);
  });
});

describe('gamepads', () => {
  it('of several controllers are beside each other, four at most', async () => {
    await accept(a, pad(0), pad(1));
    await accept(b, pad(0), pad(1));
    expect(gamepads.at(-1)).toMatchObject([
      { id: 'pad 0' },
      { id: 'pad 1' },
      { id: 'pad 0' },
      { id: 'pad 1' },
    ]);
    expect(() => input.accept(b, message(pad(3)))).toThrow('at most 4 gamepads');
    await accept(b, { type: 'gamepad', index: 0, connected: false });
    expect(gamepads.at(-1)?.[2]).toBeNull();
  });
});

it('lets go of a locked pointer after the moves that came before', async () => {
  input.accept(a, message(pointer('move', 0, 0)));
  input.accept(a, message({ type: 'pointer', action: 'move', movementX: 40, movementY: 0 }));
  input.accept(a, message({ type: 'pointer_lock', locked: false }));
  await settle();
  expect(sent.map(([name]) => name)).toEqual(['dispatchMouseEvent', 'dispatchMouseEvent', 'answer']);
});

it('pastes by the clipboard, and asks for another size, but never in cells', async () => {
  await accept(a, { type: 'paste', data: 'text' }, { type: 'resize', width: 640, height: 480 });
  expect(sent[0]).toEqual(['fillClipboard', 'text']);
  expect(sent[1]?.[1]).toMatchObject({ key: 'Paste', commands: ['paste'] });
  expect(resized).toEqual([{ width: 640, height: 480 }]);
  expect(() => input.accept(a, message({ type: 'resize', cols: 80, rows: 24 }))).toThrow('is a page');
});
