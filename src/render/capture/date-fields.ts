import type { Protocol } from 'puppeteer';

import type { CdpSession } from './cdp-connection.js';
import type { FrameElement } from './frame-scripts.js';
import { pressKey } from './page-keys.js';

/** Presses of an arrow key that reach any value of a field with names, such as months. */
const MAX_STEPS = 24;
const FIELD = /^-webkit-datetime-edit-(year|month|day|week|hour|minute|second|millisecond|ampm)-field$/;

type FieldName = 'year' | 'month' | 'day' | 'week' | 'hour' | 'minute' | 'second' | 'millisecond' | 'ampm';
type FieldValues = Partial<Record<FieldName, number>>;

/**
 * Types a value into the fields that an `input` of a date or a time consists of, in whatever order its locale has them:
 * for the page that is a user at the keyboard.
 *
 * @param value - as the element's `value` has it, or empty.
 */
export async function typeDate(cdp: CdpSession, element: FrameElement, value: string): Promise<void> {
  const { session, objectId } = element;
  const { node } = await session.send('DOM.describeNode', { objectId, depth: -1, pierce: true });
  const fields = fieldsOf(node);
  const values = valuesOf(value, fields.has('ampm'));
  for (const [name, backendNodeId] of fields) {
    const { object } = await session.send('DOM.resolveNode', { backendNodeId });
    const ask = async (functionDeclaration: string): Promise<unknown> =>
      (
        await session.send('Runtime.callFunctionOn', {
          objectId: object.objectId ?? '',
          functionDeclaration,
          returnByValue: true,
        })
      ).result.value;
    const now = (): Promise<unknown> =>
      ask('function () { return Number(this.getAttribute("aria-valuenow")); }');
    await ask('function () { this.focus(); }');
    const wanted = values?.[name];
    if (wanted === undefined) {
      await pressKey(cdp, 'Backspace');
      continue;
    }
    const digits = String(wanted).padStart(name === 'year' ? 4 : name === 'millisecond' ? 3 : 2, '0');
    if (name !== 'ampm') for (const digit of digits) await pressKey(cdp, digit);
    // Fields with names take letters, which depend on the language.
    for (let step = 0; step < MAX_STEPS && (await now()) !== wanted; step++) await pressKey(cdp, 'ArrowUp');
  }
}

/** The fields by name, in their order, with the nodes of the browser's own shadow tree. */
function fieldsOf(node: Protocol.DOM.Node): Map<FieldName, number> {
  const fields = new Map<FieldName, number>();
  const waiting = [node];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { attributes = [], shadowRoots = [], children = [], backendNodeId } = next;
    const pseudo = attributes[attributes.indexOf('pseudo') + 1] ?? '';
    const name = FIELD.exec(pseudo)?.[1] as FieldName | undefined;
    if (name !== undefined) fields.set(name, backendNodeId);
    waiting.unshift(...shadowRoots, ...children);
  }
  return fields;
}

/** Undefined: none. */
function valuesOf(value: string, has12Hours: boolean): FieldValues | undefined {
  const match =
    /^(?:(?<year>\d{4,6})(?:-W(?<week>\d\d)|-(?<month>\d\d)(?:-(?<day>\d\d))?))?T?(?:(?<hour>\d\d):(?<minute>\d\d)(?::(?<second>\d\d)(?:\.(?<millisecond>\d{1,3}))?)?)?$/.exec(
      value,
    );
  if (value === '' || match === null) return undefined;
  const values: FieldValues = { second: 0, millisecond: 0 };
  for (const [name, digits] of Object.entries(match.groups ?? {}) as [FieldName, string | undefined][]) {
    if (digits === undefined) continue;
    values[name] = Number(name === 'millisecond' ? digits.padEnd(3, '0') : digits);
  }
  if (has12Hours && values.hour !== undefined) {
    values.ampm = values.hour < 12 ? 1 : 2;
    values.hour = values.hour % 12 || 12;
  }
  return values;
}
