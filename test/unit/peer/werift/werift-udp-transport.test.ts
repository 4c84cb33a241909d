import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  Candidate,
  CandidatePairState,
  parseMessage,
  type RTCPeerConnection,
  type RTCIceTransport,
  UdpTransport,
} from 'werift';

import { systemClock } from '../../../../src/base/clock.js';
import { StreamKitError } from '../../../../src/base/errors.js';
import type {
  CandidatePairInternals,
  IceConnectionInternals,
} from '../../../../src/peer/werift/werift-ice-connection.js';
import { installUdpTransports, SharedPortIce } from '../../../../src/peer/werift/werift-udp-transport.js';
import { FAKE_PORT as PORT, FakeEndpoint } from '../../../helpers/fake-ice-endpoint.js';
import { answerOf, offerOf, openIce, responseTo, VIEWER_PASSWORD } from '../../../helpers/ice-negotiation.js';
import { until } from '../../../helpers/patience.js';

/** The version whose private parts are known. With another, read them anew before this changes. */
const KNOWN_WERIFT = '0.24.4';
let connection: RTCPeerConnection;
let transport: RTCIceTransport;
let ice: IceConnectionInternals;
let endpoint: FakeEndpoint;
let shared: SharedPortIce;

beforeEach(() => {
  installUdpTransports();
  ({ connection, transport } = openIce('127.0.0.1', '::1'));
  ice = transport.connection as unknown as IceConnectionInternals;
  endpoint = new FakeEndpoint();
  shared = new SharedPortIce(transport.connection, endpoint, systemClock);
});

afterEach(async () => {
  await connection.close();
});

function credentialsOf(sdp: string): string {
  return `${/a=ice-ufrag:(.*)\r/.exec(sdp)?.[1]} ${/a=ice-pwd:(.*)\r/.exec(sdp)?.[1]}`;
}

const offer = (iceRestart = false): Promise<string> => offerOf(connection, iceRestart);
const answer = (sdp: string, usernameFragment: string): Promise<void> =>
  connection.setRemoteDescription(answerOf(sdp, usernameFragment));

/** A pair over a transport that is not the shared one, as over a relay. */
function foreignPair(): CandidatePairInternals & { states: CandidatePairState[] } {
  const states: CandidatePairState[] = [];
  return {
    states,
    protocol: { type: 'turn', request: () => Promise.reject(new Error('Nothing is asked')) },
    localCandidate: { foundation: 'f' },
    remoteAddr: ['127.0.0.1', 9],
    get state() {
      return states.at(-1) ?? CandidatePairState.WAITING;
    },
    nominated: false,
    updateState: (state) => states.push(state),
  };
}

describe('werift on a shared port', () => {
  it('is the version whose private parts are known', () => {
    const main = createRequire(import.meta.url).resolve('werift');
    const manifest = main.slice(0, main.lastIndexOf('/lib/')) + '/package.json';
    expect((JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version).toBe(KNOWN_WERIFT);
    expect([CandidatePairState.SUCCEEDED, CandidatePairState.FAILED]).toEqual([3, 4]);
  });

  it.each(['getCandidatePromises', 'checkStart', 'checkComplete', 'restart', 'buildRequest'] as const)(
    'refuses a connection without %s',
    (name) => {
      expect(() => new SharedPortIce({ ...ice, [name]: undefined }, endpoint, systemClock)).toThrow(
        StreamKitError,
      );
    },
  );

  it('opens one socket of the endpoint for each local address, and announces its port', async () => {
    const sdp = await offer();
    expect(endpoint.sockets.map(({ address }) => address)).toEqual(['127.0.0.1', '::1']);
    const candidates = [...sdp.matchAll(/a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host/g)];
    expect(candidates.map(([, address, port]) => `${address} ${port}`)).toEqual([
      `127.0.0.1 ${PORT}`,
      `::1 ${PORT}`,
    ]);
    expect(process.getActiveResourcesInfo()).not.toContain('UDPWrap');
  });

  it('has credentials of enough bits, which the offer and the endpoint agree on', async () => {
    const sdp = await offer();
    expect(endpoint.local).toEqual([credentialsOf(sdp)]);
    const [usernameFragment = '', password = ''] = credentialsOf(sdp).split(' ');
    expect(usernameFragment).toMatch(/^[A-Za-z0-9+/]{12}$/);
    expect(password).toMatch(/^[A-Za-z0-9+/]{24}$/);
  });

  it('renews the credentials on an ICE restart, over the same sockets', async () => {
    const first = await offer();
    await answer(first, 'wxyz');
    expect(endpoint.remote).toEqual([`wxyz ${VIEWER_PASSWORD}`]);
    const second = await offer(true);
    expect(credentialsOf(second)).not.toBe(credentialsOf(first));
    expect(endpoint.local).toEqual([credentialsOf(first), credentialsOf(second)]);
    expect(endpoint.sockets).toHaveLength(2);
    await answer(second, 'other');
    expect(endpoint.remote).toHaveLength(2);
  });

  it('nominates one pair, and not each one that works', async () => {
    const sdp = await offer();
    await answer(sdp, 'wxyz');
    const [socket] = endpoint.sockets;
    const nominated = new Set<number>();
    const asked = new Map<number, () => void>();
    if (socket === undefined) throw new Error('There is no socket.');
    socket.onRequest = (request, port) => {
      if (request.attributesKeys.includes('USE-CANDIDATE')) nominated.add(port);
      const respond = (): void => socket.onPacket(responseTo(request, PORT), '127.0.0.1', port);
      if (asked.size === 2) respond();
      else asked.set(port, respond);
    };
    for (const port of [9, 10])
      await transport.connection.addRemoteCandidate(hostCandidate('127.0.0.1', port));
    await until(() => expect(asked.size).toBe(2));
    // Both ways work.
    for (const respond of asked.values()) respond();
    await until(() => expect(ice.nominated).toBeDefined());
    const answered = transport.connection.candidatePairs.filter(({ remoteAddr: [, port] }) =>
      asked.has(port),
    );
    expect(
      answered.map(({ state }) => state).filter((state) => state === CandidatePairState.SUCCEEDED),
    ).not.toEqual([]);
    expect(nominated.size).toBe(1);
    expect(transport.connection.candidatePairs.filter((pair) => pair.nominated)).toHaveLength(1);
  });

  it('hands packets of the socket to werift and its packets to the socket', async () => {
    await answer(await offer(), 'wxyz');
    await transport.connection.addRemoteCandidate(hostCandidate('127.0.0.1', 9));
    const [socket] = endpoint.sockets;
    await until(() => expect(socket?.sent[0]?.to).toBe('127.0.0.1:9'));
    // RFC 8489 section 5: a binding request with the magic cookie.
    expect(Buffer.from(socket?.sent[0]?.data ?? []).readUInt32BE(4)).toBe(0x2112_a442);
    const received: Buffer[] = [];
    transport.connection.onData.subscribe((data) => received.push(data));
    socket?.onPacket(Buffer.from([22, 254, 253]), '127.0.0.1', 9);
    expect(received).toEqual([Buffer.from([22, 254, 253])]);
  });

  describe('consent', () => {
    /** With a pair on the first socket that has answered, and was nominated. */
    async function connected() {
      const sdp = await offer();
      await answer(sdp, 'wxyz');
      const [socket] = endpoint.sockets;
      if (socket === undefined) throw new Error('There is no socket.');
      await transport.connection.addRemoteCandidate(hostCandidate('127.0.0.1', 9));
      const pair = ice.candidatePairs.find(({ remoteAddr: [, port] }) => port === 9);
      ice.nominated = pair;
      return socket;
    }

    it('is asked for by the plane on the shared port, by what werift would ask', async () => {
      const socket = await connected();
      ice.queryConsent();
      expect(socket.consent?.to).toBe('127.0.0.1:9');
      const request = parseMessage(Buffer.from(socket.consent?.request ?? []));
      expect(request?.getAttributeValue('USERNAME')).toBe(`wxyz:${ice.localUsername}`);
      expect(request?.attributesKeys).toContain(ice.iceControlling ? 'ICE-CONTROLLING' : 'ICE-CONTROLLED');
      expect(request?.attributesKeys).not.toContain('MESSAGE-INTEGRITY');
      expect(request?.attributesKeys).not.toContain('USE-CANDIDATE');
      expect(ice.consentFresh).toBe(true);
      expect((ice as unknown as { consentExpiryTimer?: unknown }).consentExpiryTimer).toBeUndefined();
    });

    it('is asked for once on a pair, however often werift begins to', async () => {
      const socket = await connected();
      ice.queryConsent();
      const { consent } = socket;
      ice.queryConsent();
      expect(socket.consent).toBe(consent);
    });

    it('is asked for anew in the role that we have taken', async () => {
      const socket = await connected();
      ice.queryConsent();
      ice.switchRole(false);
      const request = parseMessage(Buffer.from(socket.consent?.request ?? []));
      expect(request?.attributesKeys).toContain('ICE-CONTROLLED');
    });

    it('that is lost fails the connection', async () => {
      const socket = await connected();
      ice.queryConsent();
      socket.consent?.onLost();
      expect([ice.state, ice.consentFresh, socket.consent]).toEqual(['failed', false, undefined]);
    });

    it('is not asked for after an ICE restart has begun, nor after the end', async () => {
      const socket = await connected();
      ice.queryConsent();
      await offer(true);
      expect([socket.consent, ice.consentFresh]).toEqual([undefined, false]);
      ice.nominated = ice.candidatePairs[0];
      ice.queryConsent();
      await connection.close();
      expect(socket.consent).toBeUndefined();
    });

    it('is left to werift where media goes through a relay', async () => {
      const socket = await connected();
      ice.queryConsent();
      ice.nominated = foreignPair();
      ice.queryConsent();
      expect([socket.consent, ice.consentFresh]).toEqual([undefined, true]);
      expect((ice as unknown as { consentExpiryTimer?: unknown }).consentExpiryTimer).toBeDefined();
      ice.stopConsentLifecycle();
    });
  });

  it('is connected as soon as a pair is nominated', async () => {
    await answer(await offer(), 'wxyz');
    const [socket] = endpoint.sockets;
    if (socket === undefined) throw new Error('There is no socket.');
    socket.onRequest = (request, port) => socket.onPacket(responseTo(request, 1), '127.0.0.1', port);
    const states: string[][] = [];
    const complete = ice.checkComplete.bind(ice);
    ice.checkComplete = (pair) => {
      complete(pair);
      states.push([ice.nominated === pair ? 'nominated' : 'not nominated', ice.state, transport.state]);
    };
    await transport.connection.addRemoteCandidate(hostCandidate('127.0.0.1', 9));
    await until(() => expect(ice.nominated).toBeDefined());
    expect(states).toEqual([['nominated', 'connected', 'connected']]);
    expect(socket.consent?.to).toBe('127.0.0.1:9');
  });

  it('leaves all other transports sockets of their own', async () => {
    const own = await UdpTransport.init('udp4', { interfaceAddresses: { udp4: '127.0.0.1' } });
    expect(own.socket.address().address).toBe('127.0.0.1');
    await own.close();
    expect(endpoint.sockets).toEqual([]);
  });

  it('goes on where another copy of the package has come into the process', async () => {
    const path = '../../../../src/peer/werift/werift-udp-transport.js?copy';
    const copy = (await import(path)) as typeof import('../../../../src/peer/werift/werift-udp-transport.js');
    expect(copy.SharedPortIce).not.toBe(SharedPortIce);
    copy.installUdpTransports();
    await offer();
    expect(endpoint.sockets).toHaveLength(2);
  });

  it('keeps media on the path that it began on', () => {
    const pair = foreignPair();
    ice.nominated = pair;
    expect(shared.choosePath()).toBeUndefined();
    ice.nominated = undefined;
    // Chosen for life: what comes later does not change it.
    expect(shared.choosePath()).toBeUndefined();
  });

  it('fails pairs of a relay once media goes over the shared port', () => {
    expect(shared.choosePath()).toBe(endpoint);
    const pair = foreignPair();
    ice.checkStart(pair);
    expect(pair.states).toEqual([CandidatePairState.FAILED]);
  });

  it('closes its sockets with the connection', async () => {
    await offer();
    await connection.close();
    expect(endpoint.sockets.map(({ closed }) => closed)).toEqual([true, true]);
  });
});

function hostCandidate(host: string, port: number): Candidate {
  return Candidate.fromSdp(`1 1 udp 2130706431 ${host} ${port} typ host`);
}
