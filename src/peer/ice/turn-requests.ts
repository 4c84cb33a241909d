import { classes, Message, parseMessage, type TurnProtocol } from 'werift';

import { StreamKitError } from '../../base/errors.js';
import type { Address } from '../werift/werift-ice-connection.js';

/** What is used of werift's `TurnProtocol` that it does not declare (werift 0.24.4). */
export interface TurnInternals {
  nonce?: unknown;
  integrityKey?: Buffer;
  readonly transactions: Record<string, TurnTransaction | undefined>;
  /** Keeps the allocation from now on. */
  refresh(lifetimeSeconds: number): void;
  handleSTUNMessage(data: Buffer, from: Address): void;
  request(request: Message, to: Address): Promise<[Message, Address]>;
  requestWithRetry(request: Message, to: Address): Promise<[Message, Address]>;
}

interface TurnTransaction {
  integrityKey?: Buffer | undefined;
}

interface TurnError {
  readonly code: unknown;
  readonly phrase: string;
}

/** @throws StreamKitError `internal` if werift is not as it is known here */
export function asKnownTurn(turn: TurnProtocol): TurnInternals {
  const internals = turn as unknown as TurnInternals;
  const methods = ['refresh', 'handleSTUNMessage', 'request', 'requestWithRetry'] as const;
  if (!methods.every((name) => typeof internals[name] === 'function')) {
    throw new StreamKitError('internal', 'TURN is not as it is known: another version of werift?');
  }
  return internals;
}

/** What a TURN server refuses a request with (RFC 8489 section 14.8, RFC 8656 section 19). */
export const TURN_ERROR = { unauthenticated: 401, allocationMismatch: 437, staleNonce: 438 } as const;

/** Refusals that are not signed: the server does not know, or does not take, what the request was signed by. */
const UNSIGNED: ReadonlySet<unknown> = new Set([TURN_ERROR.unauthenticated, TURN_ERROR.staleNonce]);
/** Attributes that signing adds. */
const SIGNATURE: ReadonlySet<string> = new Set([
  'USERNAME',
  'REALM',
  'NONCE',
  'MESSAGE-INTEGRITY',
  'FINGERPRINT',
]);

/**
 * Lets the requests of an allocation go on with a new nonce when the server wants one, as coturn does every 10 minutes with
 * `stale-nonce`. werift (0.24.4) passes over that refusal, which is not signed, and would sign the request a second time over
 * its first signature; so the allocation ended. A refusal of the credentials counts as well. Nobody who has not seen a request
 * can refuse it: he cannot guess its transaction id.
 */
export function repairRequests(internals: TurnInternals): void {
  const handle = internals.handleSTUNMessage.bind(internals);
  internals.handleSTUNMessage = (data, from) => {
    const message = parseMessage(data);
    const transaction = message === undefined ? undefined : internals.transactions[message.transactionIdHex];
    const isRefusal = message?.messageClass === classes.ERROR && UNSIGNED.has(errorOf(message)?.code);
    if (isRefusal && transaction !== undefined) transaction.integrityKey = undefined;
    handle(data, from);
  };
  const authenticate = internals.requestWithRetry.bind(internals);
  internals.requestWithRetry = async (request, to) => {
    // The first refusal names the realm.
    if (internals.integrityKey === undefined) return authenticate(request, to);
    try {
      return await internals.request(request, to);
    } catch (thrown) {
      const nonce = responseOf(thrown)?.getAttributeValue('NONCE') as unknown;
      if (turnErrorOf(thrown)?.code !== TURN_ERROR.staleNonce || nonce === undefined) throw thrown;
      internals.nonce = nonce;
      return internals.request(withoutSignature(request), to);
    }
  };
}

/** Undefined if it is no refusal of a TURN server's. */
export function turnErrorOf(thrown: unknown): TurnError | undefined {
  return errorOf(responseOf(thrown));
}

function errorOf(message: Message | undefined): TurnError | undefined {
  const error: unknown = message?.getAttributeValue('ERROR-CODE');
  if (!Array.isArray(error)) return undefined;
  const [code, phrase] = error as unknown[];
  // coturn ends it with a zero byte.
  return { code, phrase: String(phrase).replaceAll('\0', '') };
}

function responseOf(thrown: unknown): Message | undefined {
  return (thrown as { response?: Message } | undefined)?.response;
}

function withoutSignature(request: Message): Message {
  const fresh = new Message(request.messageMethod, request.messageClass);
  for (const name of request.attributesKeys) {
    if (!SIGNATURE.has(name)) fresh.setAttribute(name, request.getAttributeValue(name));
  }
  return fresh;
}
