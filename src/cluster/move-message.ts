import { StreamKitError } from '../base/errors.js';
import { isPlainObject } from '../options/option-checks.js';
import type { PassingProfile } from '../profiles/passing-profile.js';
import type { MovedSession } from '../session/moved-session.js';

/** What one server sends another of a session that moves, before the file of what its pages have stored. */
interface MoveHead {
  readonly version: 1;
  /** With which the session may be taken. */
  readonly token: string;
  readonly moved: unknown;
  /** Of the file. */
  readonly key: string;
}

const VERSION = 1;
const LENGTH_BYTES = 4;
/** Initial data, state and metadata of a page are bounded; so are its publications. */
const MAX_HEAD_BYTES = 4 * 1024 * 1024;

/** The body: length of the head, 4 bytes, big-endian; the head, JSON; the file. */
export async function* moveMessage(
  token: string,
  moved: MovedSession,
  archive: PassingProfile,
): AsyncGenerator<Uint8Array> {
  const head: MoveHead = { version: VERSION, token, moved, key: archive.source.key ?? '' };
  const bytes = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(bytes.byteLength);
  yield Buffer.concat([length, bytes]);
  yield* archive.read() as AsyncIterable<Buffer>;
}

/**
 * Reads such a body up to its file.
 *
 * @throws StreamKitError `bad_request` for what is none, or is of another version; `too_large`.
 */
export async function readMoveMessage(
  body: AsyncIterable<Uint8Array>,
): Promise<{ head: MoveHead; file: AsyncIterable<Uint8Array> }> {
  const chunks = body[Symbol.asyncIterator]();
  let held = Buffer.alloc(0);
  const holds = async (bytes: number): Promise<void> => {
    while (held.byteLength < bytes) {
      const next = await chunks.next();
      if (next.done === true) throw malformed();
      held = Buffer.concat([held, next.value]);
    }
  };
  await holds(LENGTH_BYTES);
  const end = LENGTH_BYTES + held.readUInt32BE(0);
  if (end > MAX_HEAD_BYTES)
    throw new StreamKitError('too_large', 'Expected at most 4 MiB of session data before the profile');
  await holds(end);
  const head = parseHead(held.subarray(LENGTH_BYTES, end).toString());
  const rest = held.subarray(end);
  return {
    head,
    file: (async function* () {
      if (rest.byteLength > 0) yield rest;
      for (;;) {
        const next = await chunks.next();
        if (next.done === true) return;
        yield next.value;
      }
    })(),
  };
}

function parseHead(text: string): MoveHead {
  let head: unknown;
  try {
    head = JSON.parse(text);
  } catch {
    throw malformed();
  }
  const isHead =
    isPlainObject(head) &&
    head.version === VERSION &&
    typeof head.token === 'string' &&
    typeof head.key === 'string';
  if (!isHead) throw malformed();
  return head as MoveHead;
}

function malformed(): StreamKitError {
  return new StreamKitError('bad_request', 'Expected a session of another server of the same version');
}
