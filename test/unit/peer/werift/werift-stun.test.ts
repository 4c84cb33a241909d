import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classes, Message, methods, parseMessage } from 'werift';

import { readAuthenticMessage, replaceWriter } from '../../../../src/peer/werift/werift-stun.js';

const NAMES = ['bytes', 'messageIntegrity', 'addFingerprint'] as const;
const KEY = Buffer.from('the-password-of-the-receiver');
const original = Object.getOwnPropertyDescriptors(Message.prototype);

/** A copy of werift's messages, into which the writer is put. */
let prototype: object;

beforeEach(() => {
  prototype = Object.create(Object.getPrototypeOf(Message.prototype) as object, original) as object;
});

afterEach(() => {
  // Nothing has come to those that everybody shares.
  for (const name of NAMES)
    expect(Object.getOwnPropertyDescriptor(Message.prototype, name)).toEqual(original[name]);
});

type Fill = (message: Message) => Message;

const fills: Record<string, Fill> = {
  'a check': (message) =>
    message
      .setAttribute('USERNAME', 'abcdefghijkl:mnop')
      .setAttribute('PRIORITY', 1_845_501_695)
      .setAttribute('ICE-CONTROLLING', 0xfedcba9876543210n)
      .setAttribute('USE-CANDIDATE', null),
  'the check of a controlled side': (message) =>
    message.setAttribute('USERNAME', 'ü:x').setAttribute('PRIORITY', 0).setAttribute('ICE-CONTROLLED', 1n),
  'an answer over IPv4': (message) => message.setAttribute('XOR-MAPPED-ADDRESS', ['255.254.0.1', 65_535]),
  'an answer over IPv6': (message) => message.setAttribute('XOR-MAPPED-ADDRESS', ['2001:db8::17', 1]),
  'an error': (message) => message.setAttribute('ERROR-CODE', [487, 'Role Conflict']),
  'a name longer than any of ours': (message) => message.setAttribute('USERNAME', 'x'.repeat(513)),
  'what werift does not know': (message) => message.appendRawAttribute(0xc057, Buffer.from([1, 2, 3])),
  nothing: (message) => message,
};

function message(messageClass: classes, by: object): Message {
  const transactionId = Buffer.from('fedcba987654', 'utf8');
  return Object.setPrototypeOf(new Message(methods.BINDING, messageClass, transactionId), by) as Message;
}

const signed = (fill: Fill, messageClass: classes, by: object): Buffer =>
  fill(message(messageClass, by)).addMessageIntegrity(KEY).addFingerprint().bytes;

describe('STUN messages', () => {
  it.each(Object.entries(fills))('are those of werift: %s', (_, fill) => {
    replaceWriter(prototype);
    for (const messageClass of [classes.REQUEST, classes.RESPONSE, classes.ERROR]) {
      expect(fill(message(messageClass, prototype)).bytes).toEqual(
        fill(message(messageClass, Message.prototype)).bytes,
      );
      const bytes = signed(fill, messageClass, prototype);
      expect(bytes).toEqual(signed(fill, messageClass, Message.prototype));
    }
  });

  it('are written by us', () => {
    replaceWriter(prototype);
    const check = message(classes.REQUEST, prototype).setAttribute('PRIORITY', 1);
    Object.defineProperty(check, 'serializedAttributes', {
      get: () => {
        throw new Error('werift writes it');
      },
    });
    expect(check.addMessageIntegrity(KEY).addFingerprint().bytes).toHaveLength(20 + 8 + 24 + 8);
  });

  it('stay those of werift where they would differ, or are not as they are known', () => {
    const other = { ...original.messageIntegrity, value: () => Buffer.alloc(20) };
    Object.defineProperty(prototype, 'messageIntegrity', other);
    expect(() => replaceWriter(prototype)).toThrow(/differ/);
    expect(Object.getOwnPropertyDescriptor(prototype, 'messageIntegrity')).toEqual(other);
    expect(Object.getOwnPropertyDescriptor(prototype, 'bytes')).toEqual(original.bytes);
    expect(() => replaceWriter({})).toThrow(/not as they are known/);
  });
});

describe('a message that the plane has let through', () => {
  const sent = (fill: Fill, messageClass: classes): Buffer => signed(fill, messageClass, Message.prototype);
  const read = ['a check', 'the check of a controlled side', 'an answer over IPv4', 'nothing'];

  it.each(read)('is read as werift reads it: %s', (name) => {
    for (const messageClass of [classes.REQUEST, classes.RESPONSE]) {
      const bytes = sent(fills[name] ?? ((each) => each), messageClass);
      expect(readAuthenticMessage(bytes)).toEqual(parseMessage(bytes, KEY));
    }
  });

  it('is left to werift if it is an error, names an IPv6 address, or is cut short', () => {
    expect(readAuthenticMessage(sent((each) => each, classes.ERROR))).toBeUndefined();
    const answer = fills['an answer over IPv6'] ?? ((each: Message): Message => each);
    expect(readAuthenticMessage(sent(answer, classes.RESPONSE))).toBeUndefined();
    expect(readAuthenticMessage(Buffer.alloc(19))).toBeUndefined();
  });

  it('has nothing in it that its integrity does not cover', () => {
    const late = (each: Message): Message => each.setAttribute('USE-CANDIDATE', null);
    const check = message(classes.REQUEST, Message.prototype)
      .setAttribute('PRIORITY', 1)
      .addMessageIntegrity(KEY);
    expect(parseMessage(late(check).bytes, KEY)?.attributesKeys).toContain('USE-CANDIDATE');
    expect(readAuthenticMessage(late(check).bytes)?.attributesKeys).toEqual([
      'PRIORITY',
      'MESSAGE-INTEGRITY',
    ]);
  });
});
