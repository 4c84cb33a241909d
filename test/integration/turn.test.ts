import { createSocket } from 'node:dgram';
import { once } from 'node:events';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { MediaPlane, Producer } from '../../src/fanout/media-plane.js';
import { NativeMediaTransport } from '../../src/fanout/native-media-transport.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { createWeriftMediaPlane } from '../../src/fanout/werift-media-plane.js';
import { silentLogger } from '../../src/base/logger.js';
import { TurnAllocation } from '../../src/peer/ice/turn-allocation.js';
import type { ViewerPeerParameters } from '../../src/peer/viewer-peer.js';
import { type Certificate, certificateFor } from '../helpers/certificate.js';
import { trustOnly } from '../helpers/trusted-certificate.js';
import { TurnServer } from '../helpers/turn-server.js';
import { frameOf, pli, until } from './media-plane-contract.js';
import { credentialsOf, type PlainViewer, PlainViewers } from './plain-viewer.js';
import { stunCheck } from './stun-check.js';

const addon = loadNativeAddon();
const common = { clock: systemClock, logger: silentLogger };
const planes: [string, () => MediaPlane][] = [['werift', () => createWeriftMediaPlane(common)]];
if (addon !== undefined)
  planes.push(['native', () => new NativeMediaPlane({ addon, udpPort: 0, ...common })]);

/** Nobody listens there. */
const DEAD_PORT = 9;

/** Ways from end to end lead nowhere: host candidates are told with a dead port. What goes through a relay is left. */
const withoutDirectWay = (sdp: string): string =>
  sdp.replace(/(a=candidate:\S+ 1 udp \d+ \S+) \d+ typ host/g, `$1 ${DEAD_PORT} typ host`);

if (!TurnServer.isInstalled) {
  describe('a server that viewers reach through its relay', () => {
    it.skip('is not tested: coturn is not installed', () => undefined);
  });
}

describe.skipIf(!TurnServer.isInstalled).each(planes)(
  'the %s plane behind a relay of ours',
  (_, createPlane) => {
    let turn: TurnServer;
    let plane: MediaPlane;
    let viewers: PlainViewers;
    let producer: Producer;
    let certificate: Certificate;
    let distrust: () => void;

    beforeAll(async () => {
      certificate = certificateFor('IP:127.0.0.1');
      distrust = trustOnly(certificate.cert);
      turn = await TurnServer.start(certificate);
    });

    afterAll(async () => {
      distrust();
      await turn.stop();
    });

    beforeEach(() => {
      plane = createPlane();
      viewers = new PlainViewers(plane);
      producer = plane.createProducer(
        { kind: 'video', clockRateHz: 90_000 },
        { onKeyframeWanted: () => undefined },
      );
    });

    afterEach(async () => {
      vi.restoreAllMocks();
      await viewers.close();
      await plane.close();
    });

    function connect(
      iceServers: ViewerPeerParameters['iceServers'],
      onAnswer = (): void => undefined,
    ): Promise<PlainViewer> {
      return viewers.connect(
        { iceServers },
        (sdp) => {
          onAnswer();
          return withoutDirectWay(sdp);
        },
        (candidate) => candidate.replace(/ \d+ typ host/, ` ${DEAD_PORT} typ host`),
      );
    }

    /** Type and port of the candidate of ours that the viewer sends to. */
    function way({ client }: PlainViewer): { type: string; isRelayPort: boolean } {
      const remote = client.iceTransports[0]?.connection.nominated?.remoteCandidate;
      return { type: remote?.type ?? 'none', isRelayPort: TurnServer.isRelayPort(remote?.port ?? 0) };
    }

    const throughRelay = { type: 'relay', isRelayPort: true };

    it.each(['udp', 'tcp', 'tls'] as const)(
      'sends over it, spoken to over %s, and gives it back',
      async (transport) => {
        const relay = turn.server(transport);
        const viewer = await connect([relay]);
        expect(way(viewer)).toEqual(throughRelay);
        expect(viewer.peer.path.pair).toMatchObject({ local: 'relay', protocol: 'relay' });
        // The native plane sends to the TURN server by itself.
        expect(viewer.media.transport instanceof NativeMediaTransport).toBe(plane.name === 'native');
        const consumer = viewer.media.transport.consume(producer, viewer.media.video);
        producer.send(frameOf(true, [900, 900, 500]));
        await until(() => expect(viewer.rtp.map(({ payload }) => payload.length)).toEqual([900, 900, 500]));
        viewer.sendRtcp(pli(viewer.media.video.ssrc));
        await until(() => expect(consumer.stats.plisReceived).toBe(1));
        await viewer.close();
        await until(() => expect(turn.allocationsOf(relay)).toEqual({ made: 1, ended: 1 }));
      },
    );

    it('sends by its own socket to a viewer that is behind a relay of its own', async () => {
      const relay = turn.server('udp');
      const viewer = await viewers.connect({}, undefined, undefined, undefined, undefined, {
        iceServers: [relay],
        iceTransportPolicy: 'relay',
      });
      const { local, protocol } = viewer.peer.path.pair ?? {};
      expect([local, protocol]).toEqual(['host', 'udp']);
      expect(viewer.client.iceTransports[0]?.connection.nominated?.localCandidate.type).toBe('relay');
      const before = plane.stats?.sendCalls;
      viewer.media.transport.consume(producer, viewer.media.video);
      producer.send(frameOf(true, [900, 900, 500]));
      await until(() => expect(viewer.rtp.map(({ payload }) => payload.length)).toEqual([900, 900, 500]));
      // JavaScript sends nothing of it.
      if (before !== undefined) await until(() => expect(plane.stats?.sendCalls).toBeGreaterThan(before));
    });

    it('answers nobody there who does not know our password', async () => {
      const viewer = await connect([turn.server('udp')]);
      const [, port = 0] = viewer.client.iceTransports[0]?.connection.nominated?.remoteAddr ?? [];
      const { usernameFragment, password } = credentialsOf(viewer.offerSdp);
      const answered = new Set<string>();
      const stranger = createSocket('udp4').bind(0, '127.0.0.1');
      await once(stranger, 'listening');
      stranger.on('message', (answer) => answered.add(answer.toString('hex', 8, 20)));
      const unsigned = stunCheck(`${usernameFragment}:x`).addFingerprint();
      const signed = stunCheck(`${usernameFragment}:x`)
        .addMessageIntegrity(Buffer.from(password))
        .addFingerprint();
      await until(() => {
        for (const { bytes } of [unsigned, signed]) stranger.send(bytes, port, '127.0.0.1');
        expect(answered).toContain(signed.transactionIdHex);
      });
      expect(answered).not.toContain(unsigned.transactionIdHex);
      stranger.close();
    });

    it('takes the next address where one cannot be used', async () => {
      const { urls, ...credentials } = turn.server('udp');
      const unusable = [`turn:127.0.0.1:${DEAD_PORT}?transport=tcp`, 'turns:127.0.0.1?transport=udp'];
      const warn = vi.spyOn(silentLogger, 'warn');
      const viewer = await connect([{ urls: [...unusable, urls], ...credentials }]);
      expect(way(viewer)).toEqual(throughRelay);
      const reason =
        plane.name === 'native' ? 'the connection has ended' : expect.stringContaining('ECONNREFUSED');
      expect(warn.mock.calls).toEqual([
        [
          { host: '127.0.0.1', port: DEAD_PORT, transport: 'tcp', reason },
          'a TURN server gave no relay address',
        ],
      ]);
    });

    it('refuses a TURN server whose certificate is for another name', async () => {
      const warn = vi.spyOn(silentLogger, 'warn');
      const other = turn.server('tls', 'localhost');
      const viewer = await connect([other, turn.server('tcp')]);
      expect(way(viewer)).toEqual(throughRelay);
      expect(turn.allocationsOf(other)).toEqual({ made: 0, ended: 0 });
      const reason =
        plane.name === 'native'
          ? 'the certificate of the TLS server is refused: hostname mismatch'
          : expect.stringContaining('does not match certificate');
      expect(warn.mock.calls).toEqual([
        [
          { host: 'localhost', port: turn.tlsPort, transport: 'tls', reason },
          'a TURN server gave no relay address',
        ],
      ]);
    });

    it('is reached over a relay that is there later than the viewer’s candidates', async () => {
      let answered = (): void => undefined;
      const afterAnswer = new Promise<void>((resolve) => (answered = resolve));
      const open = TurnAllocation.open.bind(TurnAllocation);
      vi.spyOn(TurnAllocation, 'open').mockImplementation(async (...parameters) => {
        await afterAnswer;
        return open(...parameters);
      });
      // After the answer come its candidates, and the checks begin.
      const viewer = await connect([turn.server('udp')], () => setTimeout(answered, 100));
      expect(way(viewer)).toEqual(throughRelay);
    });

    it('takes another relay with an ICE restart, under the credentials of then, and gives the first one back', async () => {
      const isNative = plane.name === 'native';
      const [relay, next] = [turn.server('udp'), turn.server('tcp')];
      const viewer = await connect([relay]);
      viewer.media.transport.consume(producer, viewer.media.video);
      const [first] = viewer.client.iceTransports[0]?.connection.nominated?.remoteAddr ?? [];
      expect(first).toBe('127.0.0.1');
      await viewer.peer.restartIce(() => Promise.resolve([next]));
      await viewer.answerRestart(async (sdp) => {
        if (isNative) {
          // Until there is another way.
          producer.send(frameOf(true, [200]));
          await until(() => expect(viewer.rtp.at(-1)?.payload.length).toBe(200));
          expect(turn.allocationsOf(relay)).toEqual({ made: 1, ended: 0 });
        }
        return withoutDirectWay(sdp);
      });
      await until(() => expect(way(viewer)).toEqual(throughRelay));
      await until(() => expect(turn.allocationsOf(relay)).toEqual({ made: 1, ended: 1 }));
      expect(turn.allocationsOf(next)).toEqual({ made: 1, ended: 0 });
      producer.send(frameOf(true, [300]));
      await until(() => expect(viewer.rtp.at(-1)?.payload.length).toBe(300));
    });

    it('ends the connection of a viewer when its relay has ended', async () => {
      const opened = vi.spyOn(TurnAllocation, 'open');
      const { media } = await connect([turn.server('udp')]);
      media.transport.consume(producer, media.video).close();
      const [allocation] = await Promise.all(opened.mock.results.map(({ value }) => value));
      await allocation?.close();
      allocation?.onEnded('437 Allocation Mismatch');
      expect(() => media.transport.consume(producer, media.video)).toThrow(/open producer and transport/);
    });

    it('asks a STUN server for its address, again with an ICE restart', async () => {
      const told: string[] = [];
      const reflexive = (): string[] => told.filter((candidate) => candidate.includes(' typ srflx '));
      const viewer = await viewers.connect(
        { iceServers: [{ urls: turn.stunUrl }] },
        undefined,
        (candidate) => {
          told.push(candidate);
          return candidate;
        },
      );
      await until(() => expect(reflexive()).toHaveLength(1));
      await viewer.peer.restartIce();
      await viewer.answerRestart();
      await until(() => expect(reflexive()).toHaveLength(2));
      // Nothing lies between: it is the address of the socket.
      const [first = '', second = ''] = reflexive();
      expect(first).toMatch(/ 127\.0\.0\.1 \d+ typ srflx raddr 0\.0\.0\.0 rport 9/);
      expect(second.split(' ').slice(4, 6)).toEqual(first.split(' ').slice(4, 6));
    });

    it.each(['tcp', 'tls'] as const)('outlives the end of the TURN server over %s', async (transport) => {
      const other = await TurnServer.start(certificate);
      const viewer = await connect([other.server(transport)]);
      viewer.media.transport.consume(producer, viewer.media.video);
      const warn = vi.spyOn(silentLogger, 'warn');
      await other.stop();
      for (let index = 0; index < 20; index += 1) {
        producer.send(frameOf(index === 0, [1000]));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      if (plane.name === 'native') {
        const ended = {
          host: '127.0.0.1',
          port: transport === 'tls' ? other.tlsPort : other.port,
          transport,
          reason: 'the connection has ended',
        };
        await until(() => expect(warn.mock.calls).toEqual([[ended, 'a relay address has ended']]));
      }
      await viewer.peer.close();
    });
  },
);
