import { constants, open } from 'node:fs/promises';

import { asError, StreamKitError } from '../base/errors.js';
import type { HttpResponse } from './http-message.js';

/** Bytes of a file, both ends included. */
interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Answers with a file that is whole and changes no more, or with the one range of it that was asked for (RFC 9110
 * section 14).
 *
 * @param path - the server's own, never a client's.
 * @param gone - makes the error of a file that is not there.
 * @throws StreamKitError `bad_request` (416) for a range beyond its end.
 */
export async function fileResponse(
  path: string,
  range: string | undefined,
  gone: (cause: Error) => Error,
  headers: Readonly<Record<string, string>>,
): Promise<HttpResponse> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((thrown: unknown) => {
    throw gone(asError(thrown));
  });
  try {
    const { size } = await file.stat();
    const part = parseRange(range, size);
    const { start, end } = part ?? { start: 0, end: size - 1 };
    const partHeaders: Record<string, string> =
      part === undefined ? {} : { 'Content-Range': `bytes ${start}-${end}/${size}` };
    // The stream closes the file, when it ends and when it is destroyed.
    const content = file.createReadStream({ start, end: Math.max(start, end) });
    return {
      status: part === undefined ? 200 : 206,
      headers: {
        'Accept-Ranges': 'bytes',
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
        ...partHeaders,
        ...headers,
      },
      stream: { bytes: end - start + 1, content },
    };
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

/** Undefined for the whole file: also for what is no single range of bytes, which a server may ignore. */
function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  if (start >= size || (first === '' && Number(last) === 0)) {
    const headers = { 'Content-Range': `bytes */${size}` };
    throw new StreamKitError('bad_request', 'The range lies beyond the end of the file', {
      status: 416,
      headers,
    });
  }
  return { start, end };
}
