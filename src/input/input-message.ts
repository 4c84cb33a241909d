import type { PageAnswer } from '../protocol/page-events.js';
import { isPlainObject } from '../options/option-checks.js';
import {
  bad,
  type Fields,
  integer,
  isWellFormed,
  list,
  number,
  numberIn,
  oneOf,
  optional,
  text,
} from './input-fields.js';
import { InputError } from './input-error.js';
import { type NamedKey, parseKeyName } from './key-name.js';
import { PAGE_ANSWER_READERS } from './page-answer.js';

/** Place in the picture: fractions between 0 and 1 of its width and height. */
export interface PicturePoint {
  readonly x: number;
  readonly y: number;
}

/** CSS pixels that a locked pointer has moved by. */
export interface PointerMovement {
  readonly movementX: number;
  readonly movementY: number;
}

interface PointerFields {
  readonly type: 'pointer';
  readonly action: 'move' | 'down' | 'up';
  /** As in UI Events: 0 left, 1 middle, 2 right, 3 back, 4 forward; -1 where a move changes none. */
  readonly button: number;
  /** Those that are down, a bit each; undefined where the client did not say. */
  readonly buttons: number | undefined;
  readonly pointerType: 'mouse' | 'pen';
}

/** Where the pointer is, or by how much it has moved while it is locked. */
export type PointerMessage = PointerFields & (PicturePoint | PointerMovement);

export interface WheelMessage extends PicturePoint {
  readonly type: 'wheel';
  /** CSS pixels. */
  readonly deltaX: number;
  readonly deltaY: number;
}

export interface Touch extends PicturePoint {
  readonly id: number;
}

interface TouchesOf<Action, T> {
  readonly type: 'touch';
  readonly action: Action;
  readonly touches: readonly T[];
}

/** The touches that the action is of. Those that end or are cancelled may come without a place. */
export type TouchMessage =
  | TouchesOf<'start', Touch>
  | TouchesOf<'move', Touch>
  | TouchesOf<'end', Pick<Touch, 'id'>>
  | TouchesOf<'cancel', Pick<Touch, 'id'>>;

export interface KeyboardMessage {
  readonly type: 'keyboard';
  readonly action: 'down' | 'up';
  /** UI Events; empty where the client's keyboard has none. */
  readonly code: string;
  readonly key: string;
  readonly repeat: boolean;
}

/** `text`: committed by an input method; `composition`: what it shows before that. */
export interface TextMessage {
  readonly type: 'text' | 'composition';
  readonly text: string;
}

export interface GamepadButtonState {
  readonly pressed: boolean;
  /** 0 to 1. */
  readonly value: number;
}

export type GamepadMessage =
  | {
      readonly type: 'gamepad';
      readonly connected: true;
      /** 0 to 3. */
      readonly index: number;
      readonly id: string;
      readonly buttons: readonly GamepadButtonState[];
      /** -1 to 1. */
      readonly axes: readonly number[];
    }
  | { readonly type: 'gamepad'; readonly connected: false; readonly index: number };

/** `keys`: literal text; `paste`: text from a clipboard. */
export interface LiteralMessage {
  readonly type: 'keys' | 'paste';
  readonly data: string;
}

export interface KeyMessage {
  readonly type: 'key';
  readonly name: string;
  /** What the name says. */
  readonly named: NamedKey;
}

export type ResizeMessage =
  | { readonly type: 'resize'; readonly unit: 'cells'; readonly cols: number; readonly rows: number }
  | { readonly type: 'resize'; readonly unit: 'pixels'; readonly width: number; readonly height: number };

/** One message of a client that controls a session, checked. */
export type InputMessage =
  | PointerMessage
  | WheelMessage
  | TouchMessage
  | KeyboardMessage
  | TextMessage
  | GamepadMessage
  | LiteralMessage
  | KeyMessage
  | ResizeMessage
  | PageAnswer;

export type InputType = InputMessage['type'];

/** What a client may send at most. Lengths of text in bytes of UTF-8. */
export const INPUT_LIMITS = {
  messageBytes: 64 * 1024,
  textBytes: 16 * 1024,
  /** As large as fits the message. */
  pasteBytes: 64 * 1024,
  /** Fingers of one client. */
  touches: 10,
  gamepads: 4,
  gamepadButtons: 32,
  gamepadAxes: 16,
  gamepadIdLength: 128,
  /** CSS pixels of one turn of the wheel. */
  wheelDelta: 20_000,
  /** CSS pixels of one move of a locked pointer. */
  movement: 20_000,
  cells: 1000,
  width: { least: 64, most: 3840 },
  height: { least: 64, most: 2160 },
} as const;

const READERS_BY_TYPE: {
  readonly [Type in InputType]: (fields: Fields) => InputMessage & { readonly type: Type };
} = {
  pointer: readPointer,
  wheel: readWheel,
  touch: readTouch,
  keyboard: readKeyboard,
  text: (fields) => ({ type: 'text', text: text(fields, 'text', INPUT_LIMITS.textBytes) }),
  composition: (fields) => ({ type: 'composition', text: text(fields, 'text', INPUT_LIMITS.textBytes) }),
  gamepad: readGamepad,
  keys: (fields) => ({ type: 'keys', data: text(fields, 'data', INPUT_LIMITS.textBytes) }),
  paste: (fields) => ({ type: 'paste', data: text(fields, 'data', INPUT_LIMITS.pasteBytes) }),
  key: readKey,
  resize: readResize,
  ...PAGE_ANSWER_READERS,
};
/** By what a client names: a map has no name that it was not given. */
const READERS: ReadonlyMap<string, (fields: Fields) => InputMessage> = new Map(
  Object.entries(READERS_BY_TYPE),
);

/** A message of any type, of which the type alone is checked. */
export interface TypedMessage extends Fields {
  readonly type: string;
}

/**
 * Reads the JSON of one message from a client.
 *
 * @throws InputError `bad_message` for what is too long, no JSON object, or has no type.
 */
export function parseTypedMessage(json: string): TypedMessage {
  const { messageBytes } = INPUT_LIMITS;
  // A text has at least as many bytes as UTF-16 units: what is far too long is not counted.
  if (json.length > messageBytes || Buffer.byteLength(json) > messageBytes) {
    throw new InputError('bad_message', `The message is larger than ${messageBytes} bytes`);
  }
  let message: unknown;
  try {
    message = JSON.parse(json);
  } catch {
    throw new InputError('bad_message', 'Expected a JSON object with a type');
  }
  if (!isPlainObject(message) || !Object.hasOwn(message, 'type') || typeof message.type !== 'string') {
    throw new InputError('bad_message', 'Expected a JSON object with a type');
  }
  return message as TypedMessage;
}

/** Whether messages of this type are input. */
export function isInputType(type: string): type is InputType {
  return READERS.has(type);
}

/**
 * Checks a message and keeps of it what it is known for.
 *
 * @throws InputError `bad_message` for a type that is no input, `bad_input` that names the field.
 */
export function parseInput(message: TypedMessage): InputMessage {
  const read = READERS.get(message.type);
  if (read === undefined) {
    throw new InputError('bad_message', `There is no type ${JSON.stringify(message.type.slice(0, 40))}`);
  }
  return read(message);
}

/** Both together. @throws InputError as {@link parseTypedMessage} and {@link parseInput}. */
export function parseInputMessage(json: string): InputMessage {
  return parseInput(parseTypedMessage(json));
}

function readPointer(fields: Fields): PointerMessage {
  const action = oneOf(fields, 'action', ['move', 'down', 'up']);
  // What a browser's own event of a move says where no button has changed.
  const button =
    action === 'move' ? (optional(fields, 'button', -1, 4) ?? -1) : integer(fields, 'button', 0, 4);
  return {
    type: 'pointer',
    action,
    ...('movementX' in fields || 'movementY' in fields ? movement(fields) : point(fields)),
    button,
    buttons: optional(fields, 'buttons', 0, 31),
    pointerType: fields.pointerType === undefined ? 'mouse' : oneOf(fields, 'pointerType', ['mouse', 'pen']),
  };
}

function movement(fields: Fields): PointerMovement {
  const { movement: most } = INPUT_LIMITS;
  return {
    movementX: number(fields, 'movementX', -most, most),
    movementY: number(fields, 'movementY', -most, most),
  };
}

function readWheel(fields: Fields): WheelMessage {
  const { wheelDelta } = INPUT_LIMITS;
  return {
    type: 'wheel',
    ...point(fields),
    deltaX: number(fields, 'deltaX', -wheelDelta, wheelDelta),
    deltaY: number(fields, 'deltaY', -wheelDelta, wheelDelta),
  };
}

function readTouch(fields: Fields): TouchMessage {
  const action = oneOf(fields, 'action', ['start', 'move', 'end', 'cancel']);
  const touches = list(fields, 'touches', 1, INPUT_LIMITS.touches);
  const read = <T extends Pick<Touch, 'id'>>(more: (entry: Fields, where: string) => Omit<T, 'id'>): T[] => {
    const found = touches.map((entry, index) => {
      const where = `touches[${index}]`;
      const id = integer(entry, 'id', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, where);
      return { id, ...more(entry, where) } as T;
    });
    if (new Set(found.map(({ id }) => id)).size < found.length)
      throw bad('touches that differ', 'touches', touches);
    return found;
  };
  if (action === 'start' || action === 'move') {
    return { type: 'touch', action, touches: read<Touch>(point) };
  }
  return { type: 'touch', action, touches: read<Pick<Touch, 'id'>>(() => ({})) };
}

function readKeyboard(fields: Fields): KeyboardMessage {
  const { code, key, repeat = false } = fields;
  const action = oneOf(fields, 'action', ['down', 'up']);
  if (typeof code !== 'string' || !/^[A-Za-z0-9]{0,32}$/.test(code))
    throw bad('code of UI Events', 'code', code);
  // The name of a key, or what it types: one character as its reader sees it, which may be several code points.
  if (typeof key !== 'string' || !/^(?:[A-Za-z0-9]{1,32}|[^\p{Cc}\p{Cs}]{1,8})$/u.test(key)) {
    throw bad('key of UI Events', 'key', key);
  }
  if (typeof repeat !== 'boolean') throw bad('boolean', 'repeat', repeat);
  return { type: 'keyboard', action, code, key, repeat };
}

function readGamepad(fields: Fields): GamepadMessage {
  const { gamepads, gamepadButtons, gamepadAxes, gamepadIdLength } = INPUT_LIMITS;
  const index = integer(fields, 'index', 0, gamepads - 1);
  const { connected = true, id } = fields;
  if (typeof connected !== 'boolean') throw bad('boolean', 'connected', connected);
  if (!connected) return { type: 'gamepad', connected, index };
  if (typeof id !== 'string' || id.length > gamepadIdLength || !isWellFormed(id)) {
    throw bad(`string of at most ${gamepadIdLength} characters`, 'id', id);
  }
  const buttons = list(fields, 'buttons', 0, gamepadButtons).map((entry, at) => {
    const where = `buttons[${at}]`;
    const { pressed } = entry;
    if (typeof pressed !== 'boolean') throw bad('boolean', `${where}.pressed`, pressed);
    return { pressed, value: number(entry, 'value', 0, 1, where) };
  });
  const { axes } = fields;
  if (!Array.isArray(axes) || axes.length > gamepadAxes)
    throw bad(`array of at most ${gamepadAxes}`, 'axes', axes);
  return {
    type: 'gamepad',
    connected,
    index,
    id,
    buttons,
    axes: axes.map((value: unknown, at) => numberIn(value, `axes[${at}]`, -1, 1)),
  };
}

function readKey(fields: Fields): KeyMessage {
  const { name } = fields;
  const named = typeof name === 'string' ? parseKeyName(name) : undefined;
  if (typeof name !== 'string' || named === undefined) throw bad('name of a key', 'name', name);
  return { type: 'key', name, named };
}

function readResize(fields: Fields): ResizeMessage {
  const { cells, width, height } = INPUT_LIMITS;
  const ofCells = fields.cols !== undefined || fields.rows !== undefined;
  const ofPixels = fields.width !== undefined || fields.height !== undefined;
  if (ofCells === ofPixels) {
    throw new InputError('bad_input', 'Expected either cols and rows or width and height');
  }
  return ofCells
    ? {
        type: 'resize',
        unit: 'cells',
        cols: integer(fields, 'cols', 1, cells),
        rows: integer(fields, 'rows', 1, cells),
      }
    : {
        type: 'resize',
        unit: 'pixels',
        width: integer(fields, 'width', width.least, width.most),
        height: integer(fields, 'height', height.least, height.most),
      };
}

function point(fields: Fields, where?: string): PicturePoint {
  return { x: number(fields, 'x', 0, 1, where), y: number(fields, 'y', 0, 1, where) };
}
