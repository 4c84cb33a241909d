import { createHmac } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { crc32 } from 'node:zlib';

import { classes, Message, methods } from 'werift';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';

/** What is used of werift's messages (werift 0.24.4). */
interface MessageInternals {
  readonly messageMethod: number;
  readonly messageClass: number;
  readonly transactionId: Buffer;
  readonly attributes: readonly (readonly [name: string, value: unknown])[];
  readonly rawAttributes: readonly unknown[];
  readonly bytes: Buffer;
  setAttribute(name: string, value: unknown): this;
  messageIntegrity(key: Buffer): Buffer;
  addFingerprint(): this;
}

/** RFC 8489 sections 5 and 14. */
const COOKIE = 0x2112a442;
const HEADER_BYTES = 20;
const INTEGRITY_BYTES = 24;
const FINGERPRINT_BYTES = 8;
const FINGERPRINT_XOR = 0x5354554e;
const IPV4 = 1;

/** Messages of ICE are shorter; werift writes the others. */
const MAX_BYTES = 1024;
/** One message is written at a time. */
const scratch = Buffer.alloc(MAX_BYTES);

/** Attributes of ICE by werift's names (RFC 8489 section 18.3, RFC 8445 section 16.1), and how their values are written: what they take, bytes. */
const ATTRIBUTES: ReadonlyMap<string, { readonly type: number; readonly write: Write }> = new Map([
  ['USERNAME', { type: 0x0006, write: writeText }],
  ['MESSAGE-INTEGRITY', { type: 0x0008, write: writeBytes }],
  ['XOR-MAPPED-ADDRESS', { type: 0x0020, write: writeXorAddress }],
  ['PRIORITY', { type: 0x0024, write: writeUint32 }],
  ['USE-CANDIDATE', { type: 0x0025, write: () => 0 }],
  ['FINGERPRINT', { type: 0x8028, write: writeUint32 }],
  ['ICE-CONTROLLED', { type: 0x8029, write: writeUint64 }],
  ['ICE-CONTROLLING', { type: 0x802a, write: writeUint64 }],
]);

/** @returns the bytes of the value, or undefined for one that is left to werift. */
type Write = (value: unknown, at: number) => number | undefined;

const REPLACED = ['bytes', 'messageIntegrity', 'addFingerprint'];

let installed = false;

/**
 * Lets werift write the STUN messages of ICE in one pass: its own writer makes some hundred buffers for each, and writes each five
 * times. Process-wide, once. If werift's messages are not as they are known or the results differ, they stay as they are: slower, and as
 * right.
 */
export function installStunMessages(logger: Logger): void {
  if (installed) return;
  installed = true;
  try {
    replaceWriter(Message.prototype);
  } catch (thrown) {
    logger.warn({ err: asError(thrown) }, 'installStunMessages() | STUN uses the slow writer of werift');
  }
}

/**
 * @param prototype - of werift's messages
 * @throws Error, with nothing replaced, if the messages are not what this makes
 */
export function replaceWriter(prototype: object): void {
  const original = REPLACED.flatMap((name): [string, PropertyDescriptor][] => {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
    return descriptor === undefined ? [] : [[name, descriptor]];
  });
  const bytes = original.find(([name]) => name === 'bytes')?.[1];
  if (bytes?.get === undefined || original.length < REPLACED.length) {
    throw new Error('The STUN messages are not as they are known');
  }
  const before = examples(prototype);
  Object.defineProperties(prototype, {
    bytes: {
      configurable: true,
      get(this: MessageInternals) {
        return writeMessage(this) ?? (bytes.get?.call(this) as Buffer);
      },
    },
    messageIntegrity: {
      configurable: true,
      writable: true,
      value(this: MessageInternals, key: Buffer) {
        return createHmac('sha1', key).update(bytesAsIfLonger(this, INTEGRITY_BYTES)).digest();
      },
    },
    addFingerprint: {
      configurable: true,
      writable: true,
      value(this: MessageInternals) {
        const checksum = crc32(bytesAsIfLonger(this, FINGERPRINT_BYTES));
        return this.setAttribute('FINGERPRINT', (checksum ^ FINGERPRINT_XOR) >>> 0);
      },
    },
  });
  const after = examples(prototype);
  if (before.every((message, index) => after[index]?.equals(message) === true)) return;
  Object.defineProperties(prototype, Object.fromEntries(original));
  throw new Error('STUN messages as they are written here and by werift differ');
}

/** RFC 8489 sections 14.5 and 14.7: the length covers the attribute that is still to come. */
function bytesAsIfLonger(message: MessageInternals, more: number): Buffer {
  const { bytes } = message;
  bytes.writeUInt16BE(bytes.length - HEADER_BYTES + more, 2);
  return bytes;
}

/** @returns undefined for a message with anything in it that is left to werift. */
function writeMessage(message: MessageInternals): Buffer | undefined {
  const { messageMethod, messageClass, transactionId, attributes, rawAttributes } = message;
  if (rawAttributes.length > 0) return undefined;
  let at = HEADER_BYTES;
  for (const [name, value] of attributes) {
    const attribute = ATTRIBUTES.get(name);
    // Type, length, value, and padding to four bytes.
    const bytes = attribute?.write(value, at + 4);
    if (attribute === undefined || bytes === undefined) return undefined;
    scratch.writeUInt16BE(attribute.type, at);
    scratch.writeUInt16BE(bytes, at + 2);
    at += 4 + bytes;
    while (at % 4 !== 0) {
      scratch[at] = 0;
      at += 1;
    }
  }
  scratch.writeUInt16BE(messageMethod | messageClass, 0);
  scratch.writeUInt16BE(at - HEADER_BYTES, 2);
  scratch.writeUInt32BE(COOKIE, 4);
  transactionId.copy(scratch, 8);
  return Buffer.from(scratch.subarray(0, at));
}

/** Room for all the other attributes. */
const MAX_VALUE_BYTES = 600;

function writeText(value: unknown, at: number): number | undefined {
  return typeof value === 'string' && value.length * 3 <= MAX_VALUE_BYTES
    ? scratch.write(value, at)
    : undefined;
}

function writeBytes(value: unknown, at: number): number | undefined {
  return Buffer.isBuffer(value) && value.length <= INTEGRITY_BYTES ? value.copy(scratch, at) : undefined;
}

function writeUint32(value: unknown, at: number): number {
  return scratch.writeUInt32BE(value as number, at) - at;
}

function writeUint64(value: unknown, at: number): number {
  return scratch.writeBigUInt64BE(value as bigint, at) - at;
}

/** RFC 8489 section 14.2. */
function writeXorAddress(value: unknown, at: number): number | undefined {
  const [address, port] = value as readonly [string, number];
  if (!isIPv4(address)) return undefined;
  scratch.writeUInt16BE(IPV4, at);
  scratch.writeUInt16BE(port ^ (COOKIE >>> 16), at + 2);
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  scratch.writeUInt32BE((number ^ COOKIE) >>> 0, at + 4);
  return 8;
}

type AttributeName = Parameters<Message['setAttribute']>[0];

/** Attributes that a message of ICE is read for, and how. */
const READERS = new Map<number, readonly [name: AttributeName, read: (value: Buffer) => unknown]>([
  [0x0006, ['USERNAME', (value) => value.toString()]],
  [0x0008, ['MESSAGE-INTEGRITY', (value) => value]],
  [0x0020, ['XOR-MAPPED-ADDRESS', readXorAddress]],
  [0x0024, ['PRIORITY', (value) => value.readUInt32BE()]],
  [0x0025, ['USE-CANDIDATE', () => null]],
  [0x8028, ['FINGERPRINT', (value) => value.readUInt32BE()]],
  [0x8029, ['ICE-CONTROLLED', (value) => value.readBigUInt64BE()]],
  [0x802a, ['ICE-CONTROLLING', (value) => value.readBigUInt64BE()]],
]);
const MESSAGE_INTEGRITY = 0x0008;
const FINGERPRINT = 0x8028;
/** RFC 8489 section 5: the bits of the method in the type of a message, and those of the class. */
const METHOD_BITS = 0x3eef;
const CLASS_BITS = 0x0110;

/**
 * Reads a message that the media plane has let through, which has checked its form, fingerprint and integrity.
 *
 * @returns undefined for one that is no such message of ICE, or has anything in it that is left to werift: an IPv6 address, an error.
 */
export function readAuthenticMessage(data: Buffer): Message | undefined {
  if (data.length < HEADER_BYTES) return undefined;
  const type = data.readUInt16BE(0);
  const messageClass: classes = type & CLASS_BITS;
  if (messageClass !== classes.REQUEST && messageClass !== classes.RESPONSE) return undefined;
  const message = new Message(type & METHOD_BITS, messageClass, Buffer.from(data.subarray(8, HEADER_BYTES)));
  let isCovered = true;
  for (let at = HEADER_BYTES; at + 4 <= data.length;) {
    const attribute = data.readUInt16BE(at);
    const end = at + 4 + data.readUInt16BE(at + 2);
    const reader = READERS.get(attribute);
    // RFC 8489 section 14.5: what follows the integrity counts for nothing but the fingerprint.
    if (reader !== undefined && (isCovered || attribute === FINGERPRINT)) {
      const value = reader[1](data.subarray(at + 4, end));
      if (value === undefined) return undefined;
      message.setAttribute(reader[0], value);
    }
    if (attribute === MESSAGE_INTEGRITY) isCovered = false;
    at = Math.ceil(end / 4) * 4;
  }
  return message;
}

/** RFC 8489 section 14.2. */
function readXorAddress(value: Buffer): [string, number] | undefined {
  if (value.length !== 8 || value[1] !== IPV4) return undefined;
  const port = value.readUInt16BE(2) ^ (COOKIE >>> 16);
  const number = value.readUInt32BE(4) ^ COOKIE;
  return [[24, 16, 8, 0].map((bits) => (number >>> bits) & 0xff).join('.'), port];
}

/** Messages of each kind that ICE sends. */
function examples(prototype: object): Buffer[] {
  const transactionId = Buffer.from('0123456789ab');
  const key = Buffer.from('a-password');
  const message = (messageClass: classes): Message =>
    Object.setPrototypeOf(new Message(methods.BINDING, messageClass, transactionId), prototype) as Message;
  const messages = [
    message(classes.REQUEST)
      .setAttribute('USERNAME', 'them:us')
      .setAttribute('PRIORITY', 0xfedcba98)
      .setAttribute('ICE-CONTROLLING', 2n ** 64n - 2n)
      .setAttribute('USE-CANDIDATE', null),
    message(classes.REQUEST).setAttribute('ICE-CONTROLLED', 1n),
    message(classes.RESPONSE).setAttribute('XOR-MAPPED-ADDRESS', ['192.0.2.1', 40_000]),
  ];
  return messages.map((each) => each.addMessageIntegrity(key).addFingerprint().bytes);
}
