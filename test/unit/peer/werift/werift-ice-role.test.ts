import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classes, Message, methods, type RTCPeerConnection } from 'werift';

import { systemClock } from '../../../../src/base/clock.js';
import type { IceConnectionInternals } from '../../../../src/peer/werift/werift-ice-connection.js';
import { takeControlledRole } from '../../../../src/peer/werift/werift-ice-role.js';
import { installUdpTransports, SharedPortIce } from '../../../../src/peer/werift/werift-udp-transport.js';
import { FakeEndpoint, type FakeSocket } from '../../../helpers/fake-ice-endpoint.js';
import { answerOf, offerOf, openIce, responseTo } from '../../../helpers/ice-negotiation.js';
import { until } from '../../../helpers/patience.js';

let connection: RTCPeerConnection;
let ice: IceConnectionInternals;
let socket: FakeSocket;
/** Checks of ours that the viewer has not answered, by the port that they went to. */
let unanswered: Map<number, Message[]>;
/** Ports that leave our checks alone until they are let go. */
let silent: Set<number>;

beforeEach(async () => {
  installUdpTransports();
  const opened = openIce('127.0.0.1');
  connection = opened.connection;
  ice = opened.transport.connection as unknown as IceConnectionInternals;
  takeControlledRole(ice);
  const endpoint = new FakeEndpoint();
  new SharedPortIce(ice, endpoint, systemClock);
  await negotiate('wxyz');
  const [found] = endpoint.sockets;
  if (found === undefined) throw new Error('There is no socket.');
  socket = found;
  unanswered = new Map();
  silent = new Set();
  socket.onRequest = (request, port) => {
    unanswered.set(port, [...(unanswered.get(port) ?? []), request]);
    if (!silent.has(port)) answer(port);
  };
});

afterEach(async () => {
  await connection.close();
});

async function negotiate(usernameFragment: string, iceRestart = false): Promise<void> {
  const sdp = await offerOf(connection, iceRestart);
  await connection.setRemoteDescription(answerOf(sdp, usernameFragment));
}

/** From now on the viewer answers what comes to this port. */
function answer(port: number): void {
  silent.delete(port);
  for (const request of unanswered.get(port) ?? [])
    socket.onPacket(responseTo(request, 1), '127.0.0.1', port);
  unanswered.delete(port);
}

interface ViewerCheck {
  readonly role?: 'ICE-CONTROLLING' | 'ICE-CONTROLLED';
  readonly credentials?: readonly [usernameFragment: string, password: string];
}

/** The viewer asks for the pair of this port. */
function nominate(port: number, { role = 'ICE-CONTROLLING', credentials }: ViewerCheck = {}): void {
  const [usernameFragment, password] = credentials ?? [ice.localUsername, ice.localPassword];
  const request = new Message(methods.BINDING, classes.REQUEST)
    .setAttribute('USERNAME', `${usernameFragment}:wxyz`)
    .setAttribute('PRIORITY', 1)
    // The least and the greatest tie-breaker: whoever claims our role has to give way.
    .setAttribute(role, role === 'ICE-CONTROLLING' ? 0n : 2n ** 64n - 1n)
    .setAttribute('USE-CANDIDATE', null)
    .addMessageIntegrity(Buffer.from(password))
    .addFingerprint();
  socket.onPacket(request.bytes, '127.0.0.1', port);
}

const nominatedPort = (): number | undefined => ice.nominated?.remoteAddr[1];
const checkedPorts = (): number[] => ice.candidatePairs.map(({ remoteAddr: [, port] }) => port);

describe('the controlled side', () => {
  it('goes to the pair that the viewer has asked for last, as soon as its own check has succeeded', async () => {
    nominate(9);
    await until(() => expect(nominatedPort()).toBe(9));
    silent.add(10);
    nominate(10);
    await until(() => expect(unanswered.get(10)).toBeDefined());
    expect(nominatedPort()).toBe(9);
    answer(10);
    await until(() => expect(nominatedPort()).toBe(10));
    nominate(9);
    expect(nominatedPort()).toBe(9);
    expect(ice.candidatePairs.filter(({ nominated }) => nominated)).toHaveLength(1);
  });

  it('stays where it is for who claims to be controlled too', async () => {
    nominate(9);
    await until(() => expect(nominatedPort()).toBe(9));
    nominate(10, { role: 'ICE-CONTROLLED' });
    expect(nominatedPort()).toBe(9);
    expect(checkedPorts()).toEqual([9]);
  });

  it('hears no nomination under the credentials of before an ICE restart', async () => {
    nominate(9);
    await until(() => expect(nominatedPort()).toBe(9));
    const credentials = [ice.localUsername, ice.localPassword] as const;
    await negotiate('next', true);
    const answers = socket.sent.length;
    nominate(9, { credentials });
    // It is answered, and that is all.
    await until(() => expect(socket.sent.length).toBe(answers + 1));
    expect([nominatedPort(), checkedPorts()]).toEqual([undefined, []]);
    nominate(10);
    await until(() => expect(nominatedPort()).toBe(10));
  });
});
