import type { PageAnswer } from '../protocol/page-events.js';
import { bad, type Fields, number, oneOf, text } from './input-fields.js';
import { InputError } from './input-error.js';

/** Bytes of UTF-8 of what is typed into a dialog or a picker. */
const MAX_TEXT_BYTES = 16 * 1024;
const MAX_INDEXES = 1000;
const MAX_FILES = 100;

/** Checks of what a controller answers to the page, by type. Each throws InputError `bad_input` that names the field. */
export const PAGE_ANSWER_READERS: {
  readonly [Type in PageAnswer['type']]: (fields: Fields) => PageAnswer & { readonly type: Type };
} = {
  select: (fields) =>
    isCancelled(fields)
      ? { type: 'select', id: idOf(fields), cancel: true }
      : { type: 'select', id: idOf(fields), indexes: indexes(fields) },
  picker: (fields) =>
    isCancelled(fields)
      ? { type: 'picker', id: idOf(fields), cancel: true }
      : { type: 'picker', id: idOf(fields), value: text(fields, 'value', MAX_TEXT_BYTES) },
  dialog: (fields) => {
    const { accept } = fields;
    if (typeof accept !== 'boolean') throw bad('boolean', 'accept', accept);
    const typed = fields.text === undefined ? {} : { text: text(fields, 'text', MAX_TEXT_BYTES) };
    return { type: 'dialog', id: idOf(fields), accept, ...typed };
  },
  file_chooser: (fields) =>
    isCancelled(fields)
      ? { type: 'file_chooser', id: idOf(fields), cancel: true }
      : { type: 'file_chooser', id: idOf(fields), fileIds: fileIds(fields) },
  pointer_lock: ({ locked }) => {
    if (locked !== false) throw bad('false', 'locked', locked);
    return { type: 'pointer_lock', locked };
  },
  drop: (fields) => ({
    type: 'drop',
    x: number(fields, 'x', 0, 1),
    y: number(fields, 'y', 0, 1),
    fileIds: fileIds(fields),
  }),
  tab: (fields) => ({ type: 'tab', action: oneOf(fields, 'action', ['show', 'close']), id: idOf(fields) }),
};

function isCancelled({ cancel = false }: Fields): boolean {
  if (typeof cancel !== 'boolean') throw bad('boolean', 'cancel', cancel);
  return cancel;
}

function idOf({ id }: Fields): string {
  if (typeof id !== 'string' || !/^[\w-]{1,64}$/.test(id)) throw bad('id of a prompt or a tab', 'id', id);
  return id;
}

function indexes({ indexes: value }: Fields): number[] {
  const isIndex = (entry: unknown): entry is number =>
    typeof entry === 'number' && Number.isInteger(entry) && entry >= 0 && entry < MAX_INDEXES;
  if (!Array.isArray(value) || value.length > MAX_INDEXES || !value.every(isIndex)) {
    throw bad(`array of integers below ${MAX_INDEXES}`, 'indexes', value);
  }
  return value;
}

function fileIds({ fileIds: value }: Fields): string[] {
  const isId = (entry: unknown): entry is string => typeof entry === 'string' && /^[\w-]{1,64}$/.test(entry);
  if (!Array.isArray(value) || value.length > MAX_FILES || !value.every(isId)) {
    throw new InputError('bad_input', `Expected at most ${MAX_FILES} ids of files for fileIds`);
  }
  return value;
}
