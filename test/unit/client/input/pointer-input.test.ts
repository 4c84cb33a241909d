import { beforeEach, expect, it } from 'vitest';

import { GamepadInput } from '../../../../src/client/input/gamepad-input.js';
import { InputSender } from '../../../../src/client/input/input-sender.js';
import { PointerInput, type PointerStroke } from '../../../../src/client/input/pointer-input.js';
import { parseInputMessage } from '../../../../src/input/input-message.js';

/** What reached the line, each as the server reads it. */
let sent: any[];
let presses: string[];
let isBusy: boolean;
let sender: InputSender;
let pointers: PointerInput;

beforeEach(() => {
  sent = [];
  presses = [];
  isBusy = false;
  sender = new InputSender((message, maxWaitingBytes) => {
    if (isBusy && maxWaitingBytes !== undefined) return false;
    sent.push(parseInputMessage(JSON.stringify(message)));
    return true;
  });
  pointers = new PointerInput(
    sender,
    () => ({ left: 0, top: 0, width: 100, height: 100 }),
    (type) => presses.push(type),
  );
});

function mouse(clientX: number, button: number, buttons: number): PointerStroke {
  return { pointerId: 1, pointerType: 'mouse', button, buttons, clientX, clientY: 50 };
}

function finger(pointerId: number, clientX: number): PointerStroke {
  return { pointerId, pointerType: 'touch', button: 0, buttons: 1, clientX, clientY: 50 };
}

const brief = (): string[] =>
  sent.map(({ type, action, x, button, touches }) =>
    [type, action, x ?? touches?.map((one: any) => `${one.id}@${one.x ?? ''}`).join(), button].join(' '),
  );

it('moves become one a frame, and go before the press that follows them', () => {
  pointers.move(mouse(10, -1, 0));
  pointers.move(mouse(20, -1, 0));
  expect(sent).toEqual([]);
  sender.flush();
  pointers.move(mouse(30, -1, 0));
  pointers.down(mouse(40, 0, 1));
  sender.flush();
  expect(brief()).toEqual(['pointer move 0.2 -1', 'pointer move 0.3 -1', 'pointer down 0.4 0']);
  expect(presses).toEqual(['pointer']);
});

it('while the line is busy moves wait and turns of the wheel add up, but no press does', () => {
  isBusy = true;
  pointers.move(mouse(10, -1, 0));
  sender.flush();
  pointers.move(mouse(20, -1, 0));
  pointers.wheel({ clientX: 50, clientY: 50, deltaX: 0, deltaY: 30 }, 1);
  pointers.wheel({ clientX: 50, clientY: 50, deltaX: 0, deltaY: 2 }, 16);
  sender.flush();
  expect(sent).toEqual([]);
  isBusy = false;
  sender.flush();
  expect(brief()).toEqual(['pointer move 0.2 -1', 'wheel  0.5 ']);
  expect(sent[1].deltaY).toBe(62);
  isBusy = true;
  pointers.move(mouse(30, -1, 0));
  pointers.down(mouse(40, 0, 1));
  isBusy = false;
  sender.flush();
  // The move is older than the press, which says where it was.
  expect(brief().slice(2)).toEqual(['pointer down 0.4 0']);
});

it('a second button comes as a move, and a release of what was not pressed is none', () => {
  pointers.up(mouse(10, 0, 0));
  pointers.down(mouse(10, 0, 1));
  pointers.move(mouse(10, 2, 3));
  pointers.move(mouse(10, 0, 2));
  pointers.up(mouse(500, 2, 0));
  expect(brief()).toEqual(['pointer down 0.1 0', 'pointer down 0.1 2', 'pointer up 0.1 0', 'pointer up 1 2']);
  expect(sent.map(({ buttons }) => buttons)).toEqual([1, 3, 2, 0]);
  // A page, too, hears only of the first.
  expect(presses).toEqual(['pointer']);
});

it('a press beside the picture is none', () => {
  expect(pointers.down(mouse(-5, 0, 1))).toBe(false);
  expect(pointers.wheel({ clientX: -5, clientY: 5, deltaX: 0, deltaY: 1 }, 1)).toBe(false);
  sender.flush();
  expect(sent).toEqual([]);
});

it('fingers have numbers of their own, ten at most, and all are let go of', () => {
  pointers.down(finger(70, 10));
  pointers.down(finger(71, 20));
  pointers.move(finger(70, 11));
  pointers.move(finger(71, 21));
  pointers.move(finger(70, 12));
  sender.flush();
  pointers.up(finger(70, 12));
  pointers.down(finger(72, 30));
  pointers.release();
  pointers.up(finger(72, 30));
  expect(brief()).toEqual([
    'touch start 0@0.1 ',
    'touch start 1@0.2 ',
    'touch move 0@0.12,1@0.21 ',
    'touch end 0@ ',
    'touch start 0@0.3 ',
    'touch cancel 1@ ',
    'touch cancel 0@ ',
  ]);
  sent.length = 0;
  for (let id = 0; id < 12; id++) pointers.down(finger(id, id));
  expect(sent).toHaveLength(10);
});

it('buttons that are held are let go of where they were last', () => {
  pointers.down(mouse(10, 0, 1));
  pointers.move(mouse(60, -1, 1));
  pointers.release();
  pointers.release();
  expect(brief()).toEqual(['pointer down 0.1 0', 'pointer move 0.6 -1', 'pointer up 0.6 0']);
});

it('a gamepad is told when it changes, rests when it is left, and is taken away', () => {
  const pads = new GamepadInput(sender, () => presses.push('gamepad'));
  const pad = (pressed: boolean, axis: number): Gamepad[] => [
    { connected: true, id: 'pad', buttons: [{ pressed, value: pressed ? 1 : 0 }], axes: [axis, 0] } as any,
  ];
  pads.poll(pad(false, 0));
  pads.poll(pad(false, 0.0001));
  expect(sent).toHaveLength(1);
  isBusy = true;
  pads.poll(pad(false, 0.5));
  expect(sent).toHaveLength(1);
  pads.poll(pad(true, 0.5));
  expect(sent[1]).toMatchObject({ buttons: [{ pressed: true, value: 1 }], axes: [0.5, 0] });
  expect(presses).toEqual(['gamepad']);
  isBusy = false;
  pads.rest();
  expect(sent[2]).toMatchObject({ buttons: [{ pressed: false, value: 0 }], axes: [0, 0] });
  pads.poll([]);
  pads.poll([]);
  expect(sent.slice(3)).toEqual([{ type: 'gamepad', index: 0, connected: false }]);
});
