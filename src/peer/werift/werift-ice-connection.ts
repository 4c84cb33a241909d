import type { Candidate, CandidatePairState, Message } from 'werift';

import { StreamKitError } from '../../base/errors.js';

export type Address = readonly [host: string, port: number];

interface StunProtocolInternals {
  /** `stun` is plain UDP. */
  readonly type: string;
  readonly localIp?: string;
  readonly transport?: unknown;
  localCandidate?: Candidate;
  request(
    message: unknown,
    address: Address,
    integrityKey: Buffer,
    retransmissions: number,
  ): Promise<unknown>;
}

export interface CandidatePairInternals {
  readonly protocol: StunProtocolInternals;
  readonly localCandidate: unknown;
  readonly remoteAddr: Address;
  readonly state: CandidatePairState;
  nominated: boolean;
  updateState(state: CandidatePairState): void;
}

/** What is used of werift's private `Connection`, here and nowhere else (werift 0.24.4). */
export interface IceConnectionInternals {
  localUsername: string;
  localPassword: string;
  readonly remoteUsername: string;
  readonly remotePassword: string;
  /** Passwords of before an ICE restart, by user name. */
  readonly userHistory: Record<string, string>;
  readonly iceControlling: boolean;
  readonly _iceControlling: boolean;
  readonly candidatePairs: readonly CandidatePairInternals[];
  readonly state: string;
  readonly generation: number;
  /** Sockets and relays. */
  protocols: StunProtocolInternals[];
  nominated?: CandidatePairInternals | undefined;
  /** A pair is being nominated: no other will be. */
  nominating: boolean;
  stunServer?: Address | undefined;
  turnServer?: Address | undefined;
  getCandidatePromises(addresses: string[], timeoutSeconds?: number): Promise<unknown>[];
  /** Listens to the binding requests that come in on it. */
  ensureProtocol(protocol: unknown): void;
  /** Tells of a candidate of ours. */
  appendLocalCandidate(candidate: Candidate): void;
  /** Makes its pairs with the candidates of the viewer that are known. */
  pairLocalProtocol(protocol: unknown): void;
  restart(): Promise<void>;
  setRemoteParams(parameters: { iceLite: boolean; usernameFragment: string; password: string }): void;
  buildRequest(parameters: {
    nominate: boolean;
    localUsername: string;
    remoteUsername: string;
    iceControlling: boolean;
    localCandidate: unknown;
  }): Message;
  checkStart(pair: CandidatePairInternals): { awaitable: Promise<unknown> };
  checkComplete(pair: CandidatePairInternals): void;
  /** Takes a check of the viewer's that was authenticated and answered. */
  checkIncoming(message: Message, from: Address, protocol: unknown): void;
  switchRole(iceControlling: boolean): void;
  /** Whether data may be sent: the viewer has consented to it lately. */
  consentFresh: boolean;
  /** Begins to ask the viewer on the nominated pair. */
  queryConsent(): void;
  stopConsentLifecycle(): void;
  setState(state: 'connected' | 'failed'): void;
}

const METHODS = [
  'getCandidatePromises',
  'ensureProtocol',
  'appendLocalCandidate',
  'pairLocalProtocol',
  'restart',
  'setRemoteParams',
  'buildRequest',
  'checkStart',
  'checkComplete',
  'checkIncoming',
  'switchRole',
  'queryConsent',
  'stopConsentLifecycle',
  'setState',
] as const satisfies readonly (keyof IceConnectionInternals)[];

/** @throws StreamKitError `internal` where it is none as it is known here */
export function asKnownConnection(connection: unknown): IceConnectionInternals {
  const ice = connection as IceConnectionInternals;
  const unknown = METHODS.find((name) => typeof ice[name] !== 'function');
  const fields =
    typeof ice.localUsername === 'string' &&
    typeof ice.localPassword === 'string' &&
    typeof ice.nominating === 'boolean' &&
    typeof ice._iceControlling === 'boolean' &&
    ice.userHistory[ice.localUsername] === ice.localPassword &&
    Array.isArray(ice.protocols);
  if (unknown !== undefined || !fields) {
    throw new StreamKitError(
      'internal',
      'The ICE connection is not as it is known: another version of werift?',
    );
  }
  return ice;
}
