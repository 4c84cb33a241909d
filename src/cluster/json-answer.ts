import type { HttpResponse } from '../http/http-message.js';
import { unavailable } from './membership.js';

/** Most of an answer that is read here instead of being passed on, UTF-16 units. */
const MAX_ANSWER_CHARS = 16 * 1024 * 1024;

/**
 * The JSON in an answer, of this node or of another.
 *
 * @throws Error for what is no JSON, StreamKitError `unavailable` for what is too long.
 */
export async function jsonOf({ body, stream }: Pick<HttpResponse, 'body' | 'stream'>): Promise<unknown> {
  let text = typeof body === 'string' ? body : Buffer.from(body ?? '').toString();
  // A character may lie in two chunks.
  for await (const part of stream?.content.setEncoding('utf8') ?? []) {
    text += String(part);
    if (text.length > MAX_ANSWER_CHARS) throw unavailable('The answer of another server is too long');
  }
  return JSON.parse(text);
}
