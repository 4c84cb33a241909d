import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classes, Message, methods, parseMessage, type RTCPeerConnection } from 'werift';

import { SharedPortIce, installUdpTransports } from '../../../../src/peer/werift/werift-udp-transport.js';
import type { IceConnectionInternals } from '../../../../src/peer/werift/werift-ice-connection.js';
import { FAKE_PORT, FakeEndpoint, type FakeSocket } from '../../../helpers/fake-ice-endpoint.js';
import { answerOf, offerOf, openIce, responseTo } from '../../../helpers/ice-negotiation.js';
import { until } from '../../../helpers/patience.js';
import { settle, VirtualClock } from '../../../helpers/virtual-clock.js';

let connection: RTCPeerConnection;
let ice: IceConnectionInternals;
let endpoint: FakeEndpoint;
let clock: VirtualClock;
const candidates: string[] = [];

beforeEach(() => {
  installUdpTransports();
  const opened = openIce('127.0.0.1');
  connection = opened.connection;
  ice = opened.transport.connection as unknown as IceConnectionInternals;
  endpoint = new FakeEndpoint();
  endpoint.hasTcp = true;
  clock = new VirtualClock();
  new SharedPortIce(ice, endpoint, clock);
  candidates.length = 0;
  connection.onIceCandidate.subscribe((candidate) => {
    if (candidate !== undefined) candidates.push(candidate.candidate);
  });
});

afterEach(() => connection.close());

function soleOf(sockets: readonly FakeSocket[]): FakeSocket {
  expect(sockets).toHaveLength(1);
  const [socket] = sockets;
  if (socket === undefined) throw new Error('There is no socket');
  // A viewer that answers whatever it is asked.
  socket.onRequest = (request, port) => {
    socket.onPacket(responseTo(request, FAKE_PORT), '127.0.0.1', port);
  };
  return socket;
}

const offer = (iceRestart = false): Promise<string> => offerOf(connection, iceRestart);
const answer = (sdp: string): Promise<void> => connection.setRemoteDescription(answerOf(sdp, 'wxyz'));

/** A check of the viewer's from that port. */
function check(socket: FakeSocket, port: number): void {
  const request = new Message(methods.BINDING, classes.REQUEST)
    .setAttribute('USERNAME', `${ice.localUsername}:wxyz`)
    .setAttribute('PRIORITY', 1)
    .setAttribute('ICE-CONTROLLED', 1n)
    .addMessageIntegrity(Buffer.from(ice.localPassword))
    .addFingerprint();
  socket.onPacket(request.bytes, '127.0.0.1', port);
}

const requestsOf = ({ sent }: FakeSocket): number =>
  sent.filter(({ data }) => parseMessage(Buffer.from(data))?.messageClass === classes.REQUEST).length;

describe('candidates of TCP', () => {
  it('are offered after those of UDP, passive and of lower priority, again after an ICE restart', async () => {
    const isTcpAfterUdp = (): void => {
      expect(candidates).toEqual([
        expect.stringMatching(new RegExp(`^candidate:\\S+ 1 udp \\d+ 127.0.0.1 ${FAKE_PORT} typ host`)),
        expect.stringMatching(
          new RegExp(`^candidate:\\S+ 1 tcp \\d+ 127.0.0.1 ${FAKE_PORT} typ host tcptype passive`),
        ),
      ]);
      const [udp = 0, tcp = 0] = candidates.map((candidate) => Number(candidate.split(' ')[3]));
      expect(tcp).toBeLessThan(udp);
    };
    const sdp = await offer();
    isTcpAfterUdp();
    await answer(sdp);
    candidates.length = 0;
    await offer(true);
    isTcpAfterUdp();
    expect(endpoint.tcpSockets).toHaveLength(1);
  });

  it('are not offered where the plane has no port for them', async () => {
    endpoint.hasTcp = false;
    await offer();
    expect(candidates).toHaveLength(1);
  });

  it('are nominated if nothing has come by UDP for a while', async () => {
    await answer(await offer());
    const tcp = soleOf(endpoint.tcpSockets);
    check(tcp, 9);
    await settle();
    expect(requestsOf(tcp)).toBe(0);
    await clock.advance(250);
    await until(() => expect(ice.nominated?.remoteAddr).toEqual(['127.0.0.1', 9]));
    expect(ice.nominated?.protocol.localCandidate?.transport).toBe('tcp');
    expect(tcp.consent?.to).toBe('127.0.0.1:9');
  });

  it('leave it to UDP if that works, though its check has come later', async () => {
    await answer(await offer());
    const [udp, tcp] = [soleOf(endpoint.sockets), soleOf(endpoint.tcpSockets)];
    check(tcp, 9);
    await settle();
    check(udp, 10);
    await until(() => expect(ice.nominated?.remoteAddr).toEqual(['127.0.0.1', 10]));
    await clock.advance(250);
    await until(() => expect(requestsOf(tcp)).toBe(1));
    expect(ice.nominated?.protocol.localCandidate?.transport).toBe('udp');
  });

  it('leave it to UDP also where that answers slowly', async () => {
    await answer(await offer());
    const [udp, tcp] = [soleOf(endpoint.sockets), soleOf(endpoint.tcpSockets)];
    check(udp, 10);
    await until(() => expect(ice.nominated?.remoteAddr).toEqual(['127.0.0.1', 10]));
    const { onRequest } = udp;
    const transmissions = new Map<string, number>();
    let answered = 0;
    udp.onRequest = (request, port) => {
      const id = request.transactionId.toString('hex');
      const count = (transmissions.get(id) ?? 0) + 1;
      transmissions.set(id, count);
      // 350 ms after the first.
      if (count !== 4) return;
      onRequest(request, port);
      answered += 1;
    };
    check(tcp, 9);
    await until(() => expect(requestsOf(tcp)).toBe(1));
    await until(() => expect(answered).toBe(1));
    await settle();
    expect(ice.nominated?.protocol.localCandidate?.transport).toBe('udp');
  });

  it('follow a viewer that connects anew', async () => {
    await answer(await offer());
    const tcp = soleOf(endpoint.tcpSockets);
    check(tcp, 9);
    await clock.advance(250);
    await until(() => expect(ice.nominated?.remoteAddr).toEqual(['127.0.0.1', 9]));
    await until(() => expect(ice.state).toBe('connected'));
    const { onRequest } = tcp;
    tcp.onRequest = (request, port) => {
      if (port !== 9) onRequest(request, port);
    };
    check(tcp, 10);
    await until(() => expect(ice.nominated?.remoteAddr).toEqual(['127.0.0.1', 10]));
    expect(tcp.consent?.to).toBe('127.0.0.1:10');
  });
});
