import type { HandshakeMessage } from './werift-dtls.js';

/** A certificate of RSA with its chain is less; RFC 5246 allows 16 MiB, which are not kept for a stranger. */
const MAX_MESSAGE_BYTES = 16 * 1024;
/** Of one message. At 16 KiB in datagrams of 1200 bytes there are 15. */
const MAX_FRAGMENTS = 32;

/**
 * Collects the fragments of a handshake message (RFC 6347 section 4.2.3), in any order and repeated. werift would keep
 * each one that it is ever sent, and would take a message with a hole in it for a whole one. One message at a time is
 * collected: a peer that mixes two repeats them.
 */
export class HandshakeFragments {
  #parts: HandshakeMessage[] = [];

  /** @returns the fragments of a message that is whole with this one, for werift to put together; none before */
  add(fragment: HandshakeMessage): HandshakeMessage[] {
    const { fragment_offset: offset, fragment_length: bytes, length, fragment: content } = fragment;
    if (length > MAX_MESSAGE_BYTES || offset + bytes > length || content.length !== bytes) {
      return [];
    }
    if (bytes === length) {
      return [fragment];
    }
    const [first] = this.#parts;
    if (first === undefined || !belongTogether(first, fragment) || this.#parts.length >= MAX_FRAGMENTS) {
      this.#parts = [];
    }
    if (this.#parts.some((part) => part.fragment_offset === offset && part.fragment_length >= bytes)) {
      return [];
    }
    this.#parts.push(fragment);
    if (!isWhole(this.#parts)) {
      return [];
    }
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}

function belongTogether(one: HandshakeMessage, other: HandshakeMessage): boolean {
  return (
    one.message_seq === other.message_seq && one.msg_type === other.msg_type && one.length === other.length
  );
}

function isWhole(parts: readonly HandshakeMessage[]): boolean {
  let end = 0;
  for (const part of parts.toSorted((a, b) => a.fragment_offset - b.fragment_offset)) {
    if (part.fragment_offset > end) return false;
    end = Math.max(end, part.fragment_offset + part.fragment_length);
  }
  return end === parts[0]?.length;
}
