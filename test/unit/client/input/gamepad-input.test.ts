import { expect, it } from 'vitest';

import { GamepadInput } from '../../../../src/client/input/gamepad-input.js';
import { InputSender } from '../../../../src/client/input/input-sender.js';

const gamepad = (id: string): Gamepad =>
  ({ id, connected: true, buttons: [], axes: [0] }) as unknown as Gamepad;

function input(seat?: number): { gamepads: GamepadInput; sent: any[] } {
  const sent: any[] = [];
  const sender = new InputSender((message) => {
    sent.push(message);
    return true;
  });
  return { gamepads: new GamepadInput(sender, () => undefined, seat), sent };
}

it('tells each gamepad by the place that it has here', () => {
  const { gamepads, sent } = input();
  gamepads.poll([gamepad('a'), null, gamepad('c')]);
  expect(sent.map(({ index, id }) => [index, id])).toEqual([
    [0, 'a'],
    [2, 'c'],
  ]);
});

it('tells the first gamepad alone by the place of a seat', () => {
  const { gamepads, sent } = input(2);
  const here = [null, gamepad('b'), gamepad('c')];
  gamepads.poll(here);
  expect(sent.map(({ index, id }) => [index, id])).toEqual([[1, 'b']]);
  // What the page says to the one that it knows goes to the one that is here.
  expect(gamepads.find(here, 1)?.id).toBe('b');
  expect(gamepads.find(here, 0)).toBeNull();
  gamepads.poll([]);
  expect(sent.at(-1)).toEqual({ type: 'gamepad', index: 1, connected: false });
});
