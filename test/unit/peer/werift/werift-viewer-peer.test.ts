import { networkInterfaces } from 'node:os';

import { afterEach, describe, expect, it } from 'vitest';
import { UdpTransport } from 'werift';

import type { StreamKitError } from '../../../../src/base/errors.js';
import type { MediaPlane } from '../../../../src/fanout/media-plane.js';
import { createWeriftMediaPlane } from '../../../../src/fanout/werift-media-plane.js';
import { silentLogger } from '../../../../src/base/logger.js';
import type { IceCandidateInit, ViewerPeer, ViewerPeerParameters } from '../../../../src/peer/viewer-peer.js';
import {
  createViewerPeerFactory,
  type ViewerPeerFactoryOptions,
} from '../../../../src/peer/werift/werift-viewer-peer.js';
import { ManualClock } from '../../fanout/manual-clock.js';
import { until } from '../../../helpers/patience.js';

interface Opened {
  readonly peer: ViewerPeer;
  readonly offers: string[];
  readonly candidates: (IceCandidateInit | null)[];
  readonly failures: StreamKitError[];
}

const clock = new ManualClock();
const mediaPlane: MediaPlane = createWeriftMediaPlane({ clock, logger: silentLogger });
let opened: Opened[] = [];

function open(
  parameters: Partial<ViewerPeerParameters> = {},
  options: Partial<ViewerPeerFactoryOptions> = {},
  loopbackAlone = true,
): Opened {
  const offers: string[] = [];
  const candidates: (IceCandidateInit | null)[] = [];
  const failures: StreamKitError[] = [];
  const openPeer = createViewerPeerFactory({
    holdsPictures: true,
    mediaPlane,
    logger: silentLogger,
    ...(loopbackAlone ? { listenAddress: '127.0.0.1' } : {}),
    clock,
    ...options,
  });
  const peer = openPeer(
    { videoCodecs: ['h264', 'vp8'], audio: true, iceServers: [], ...parameters },
    {
      onOffer: (sdp) => offers.push(sdp),
      onIceCandidate: (candidate) => candidates.push(candidate),
      onConnected: () => undefined,
      onIceStateChange: () => undefined,
      onLeft: () => undefined,
      onFailed: (error) => failures.push(error),
    },
  );
  const result = { peer, offers, candidates, failures };
  opened.push(result);
  return result;
}

/** What a viewer would answer that accepts everything; nobody is behind it. */
function answerTo(offer: string): string {
  return offer
    .replaceAll('a=setup:actpass', 'a=setup:active')
    .replaceAll('a=sendonly', 'a=recvonly')
    .replaceAll(/a=ice-ufrag:.*/g, 'a=ice-ufrag:wxyz')
    .replaceAll(/a=ice-pwd:.*/g, 'a=ice-pwd:0123456789abcdefghijkl');
}

afterEach(async () => {
  await Promise.all(opened.map(({ peer }) => peer.close()));
  opened = [];
});

describe('the viewer peer', () => {
  it('offers bundled H.264 and VP8 with RTX, and Opus, in one stream', async () => {
    const { peer, offers } = open();
    await peer.start();
    const [offer = ''] = offers;
    expect(offer).toMatch(/m=video 9 UDP\/TLS\/RTP\/SAVPF 102 103 96 97 49\r\n/);
    expect(offer).toContain(
      'a=fmtp:102 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1',
    );
    expect(offer).toContain('a=fmtp:103 apt=102');
    expect(offer).toContain('a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1');
    for (const feedback of ['nack', 'nack pli', 'ccm fir', 'transport-cc']) {
      expect(offer).toContain(`a=rtcp-fb:102 ${feedback}\r\n`);
    }
    expect(offer.match(/a=sendonly/g)).toHaveLength(2);
    expect(offer.match(/a=setup:actpass/g)).toHaveLength(2);
    expect(offer).toContain('a=group:BUNDLE 0 1');
    const streams = [...offer.matchAll(/a=msid:(\S+) (\S+)/g)];
    expect(new Set(streams.map(([, stream]) => stream)).size).toBe(1);
    expect(new Set(streams.map(([, , track]) => track)).size).toBe(2);
    const extensions = [...offer.matchAll(/a=extmap:(\d+) (\S+)/g)].map(
      ([, id, uri]) => `${id ?? ''} ${uri ?? ''}`,
    );
    expect(new Set(extensions).size).toBe(4);
  });

  it('offers codecs in the order asked, and no audio that is not wanted', async () => {
    const { peer, offers } = open({ videoCodecs: ['vp8'], audio: false });
    await peer.start();
    expect(offers[0]).toMatch(/m=video 9 UDP\/TLS\/RTP\/SAVPF 96 97 49\r\n/);
    expect(offers[0]).not.toContain('m=audio');
  });

  it('trickles candidates of the listen address alone, then null, and asks no STUN server', async () => {
    const { peer, candidates } = open();
    await peer.start();
    await until(() => expect(candidates.at(-1)).toBeNull());
    expect(candidates).toHaveLength(2);
    expect(candidates[0]).toMatchObject({ sdpMid: '0', sdpMLineIndex: 0 });
    expect(candidates[0]?.candidate).toMatch(/^candidate:\S+ 1 udp \d+ 127\.0\.0\.1 \d+ typ host/);
  });

  it('announces other addresses in place of the local ones', async () => {
    const { peer, candidates } = open({}, { announcedAddresses: ['198.51.100.1'] });
    await peer.start();
    await until(() => expect(candidates.at(-1)).toBeNull());
    expect(candidates.map((candidate) => candidate?.candidate?.split(' ')[4])).toEqual([
      '198.51.100.1',
      undefined,
    ]);
  });

  it('tells no address of the machine where others are announced', async () => {
    const announcedAddresses = ['198.51.100.1', '2001:db8::1'];
    const { peer, offers, candidates } = open({}, { announcedAddresses }, false);
    await peer.start();
    await until(() => expect(candidates.at(-1)).toBeNull());
    const told = candidates.flatMap((candidate) => candidate?.candidate?.split(' ')[4] ?? []);
    const local = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
    const families = new Set(local.filter(({ internal }) => !internal).map(({ family }) => family));
    if (families.size === 0) families.add('IPv4');
    // One a family, however many interfaces there are, where they have one port; werift has one for each.
    expect(new Set(told)).toEqual(
      new Set(announcedAddresses.filter((address) => families.has(address.includes(':') ? 'IPv6' : 'IPv4'))),
    );
    const all = offers.join() + JSON.stringify(candidates);
    expect(local.filter(({ address }) => all.includes(` ${address} `))).toEqual([]);
  });

  it('refuses an answer before the offer and a second one as a conflict', async () => {
    const { peer, offers } = open();
    await expect(peer.acceptAnswer('v=0')).rejects.toMatchObject({ code: 'conflict' });
    await peer.start();
    await expect(peer.start()).rejects.toMatchObject({ code: 'conflict' });
    const answer = answerTo(offers[0] ?? '');
    await peer.acceptAnswer(answer);
    await expect(peer.acceptAnswer(answer)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('is as before after an answer that cannot be', async () => {
    const { peer, offers, failures } = open();
    await peer.start();
    await expect(peer.acceptAnswer('v=0\r\n')).rejects.toMatchObject({ code: 'unprocessable' });
    await peer.acceptAnswer(answerTo(offers[0] ?? ''));
    expect(failures).toEqual([]);
  });

  it('takes candidates before the answer, names and the end among them, and refuses garbage', async () => {
    const { peer, offers } = open();
    await peer.start();
    for (let i = 0; i < 200; i += 1) {
      await peer.addIceCandidate({
        candidate: `candidate:${i} 1 udp 1 127.0.0.1 ${i + 1} typ host`,
        sdpMid: '0',
      });
    }
    await peer.addIceCandidate({ candidate: 'candidate:1 1 udp 1 a.local 5 typ host', sdpMid: '0' });
    await peer.addIceCandidate(null);
    await peer.addIceCandidate({ candidate: '' });
    await expect(peer.addIceCandidate({ candidate: 'garbage' })).rejects.toMatchObject({
      code: 'unprocessable',
    });
    await peer.acceptAnswer(answerTo(offers[0] ?? ''));
  });

  it('does not restart ICE that never was', async () => {
    const { peer } = open();
    await peer.start();
    await expect(peer.restartIce()).rejects.toMatchObject({ code: 'conflict' });
  });

  it('fails once, and closes, when nobody connects in time', async () => {
    const { peer, offers, failures } = open({}, { connectTimeoutMs: 5000 });
    await peer.start();
    await peer.acceptAnswer(answerTo(offers[0] ?? ''));
    clock.advance(4999);
    expect(failures).toEqual([]);
    clock.advance(1);
    expect(failures.map(({ code }) => code)).toEqual(['unavailable']);
    await peer.close();
    expect(failures).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('outlives an address that cannot be bound', async () => {
    const { peer, offers, candidates } = open({}, { listenAddress: '203.0.113.77' });
    await peer.start();
    await until(() => expect(candidates).toEqual([null]));
    expect(offers).toHaveLength(1);
  });

  it('outlives a send that fails', async () => {
    const transport = await UdpTransport.init('udp4', { interfaceAddresses: { udp4: '127.0.0.1' } });
    // Bound to loopback, the socket has no route there.
    await transport.send(Buffer.from('x'), ['203.0.113.77', 9]);
    await transport.send(Buffer.from('x'), ['255.255.255.255', 9]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await transport.close();
  });
});
