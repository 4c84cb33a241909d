import wrtc from '@roamhq/wrtc';
import { PeerConnection, Video } from 'node-datachannel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { GStreamerPlayer, hasGStreamer } from '../helpers/gstreamer-player.js';
import { PATIENCE_MS, until } from '../helpers/patience.js';
import { TestServer, type CreatedSession } from '../helpers/test-server.js';

/** Of H.264, as the player chooses it. */
const PAYLOAD_TYPE = 107;

/** A picture of `RTCVideoSink`: I420. */
interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

let server: TestServer;
let session: CreatedSession;
let ends: (() => Promise<void> | void)[];

beforeEach(async () => {
  ends = [];
  server = await TestServer.start();
  session = await server.create(server.page('mode=counter'));
});

afterEach(async () => {
  for (const end of ends) await end();
  await server.close();
});

async function answerTo(sdp: string): Promise<string> {
  const response = await fetch(`${session.url}/whep`, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: sdp,
  });
  const answer = await response.text();
  expect([response.status, answer.startsWith('v=0')]).toEqual([201, true]);
  return answer;
}

const viewers = async (): Promise<number> => (await server.state(session, () => true)).metadata.viewers;

describe('a player', () => {
  test('of @roamhq/wrtc decodes pictures that move', async () => {
    await server.state(session, ({ status }) => status === 'connecting');
    const peer = new wrtc.RTCPeerConnection();
    const pictures = new Set<string>();
    const sizes = new Set<string>();
    peer.ontrack = ({ track }) => {
      if (track.kind !== 'video') return;
      const sink = new wrtc.nonstandard.RTCVideoSink(track);
      ends.push(() => sink.stop());
      sink.onframe = ({ frame: { width, height, data } }: { readonly frame: Picture }) => {
        sizes.add(`${width}x${height}`);
        pictures.add(Buffer.from(data.subarray(0, width * height)).toString('latin1'));
      };
    };
    for (const kind of ['audio', 'video']) peer.addTransceiver(kind, { direction: 'recvonly' });
    await peer.setLocalDescription(await peer.createOffer());
    await peer.setRemoteDescription({
      type: 'answer',
      sdp: await answerTo(peer.localDescription?.sdp ?? ''),
    });
    ends.push(() => peer.close());
    await until(() => expect(pictures.size).toBeGreaterThan(10));
    expect([...sizes]).toEqual(['640x360']);
    expect(await viewers()).toBe(1);
  });

  test('of node-datachannel receives H.264 from its parameter sets on, in its own payload type', async () => {
    await server.state(session, ({ status }) => status === 'connecting');
    const peer = new PeerConnection('player', { iceServers: [] });
    const media = new Video('0', 'RecvOnly');
    media.addH264Codec(PAYLOAD_TYPE);
    const track = peer.addTrack(media);
    const packets: Buffer[] = [];
    // Reports come by the same way.
    track.onMessage((packet) => {
      if (((packet[1] ?? 0) & 0x7f) === PAYLOAD_TYPE) packets.push(packet);
    });
    ends.push(() => peer.close());
    const gathered = new Promise<void>((resolve) => {
      peer.onGatheringStateChange((state) => {
        if (state === 'complete') resolve();
      });
    });
    peer.setLocalDescription('offer');
    await gathered;
    peer.setRemoteDescription(await answerTo(peer.localDescription()?.sdp ?? ''), 'answer');
    await until(() => expect(packets.length).toBeGreaterThan(20));
    // A sequence parameter set, alone (RFC 6184 section 5.6) or first of an aggregation packet (section 5.7.1).
    const [first = Buffer.alloc(0)] = packets;
    const payload = first.subarray(12 + 4 * ((first[0] ?? 0) & 0x0f) + extensionBytes(first));
    const [type, nested] = [(payload[0] ?? 0) & 0x1f, (payload[3] ?? 0) & 0x1f];
    expect(type === 24 ? nested : type).toBe(7);
  });

  test.skipIf(!hasGStreamer).each(['H264', 'VP8'] as const)(
    'of GStreamer decodes %s and sound',
    async (codec) => {
      await server.state(session, ({ status }) => status === 'connecting');
      const player = new GStreamerPlayer(`${session.url}/whep`, codec);
      ends.push(() => player.close());
      await until(() => {
        expect(player.count('picture 640 360')).toBeGreaterThan(10);
        expect(player.count('sound')).toBeGreaterThan(10);
      });
      expect(await viewers()).toBe(1);
    },
    PATIENCE_MS * 2,
  );
});

/** Of an RTP packet (RFC 3550 section 5.3.1). */
function extensionBytes(packet: Buffer): number {
  return ((packet[0] ?? 0) & 0x10) === 0 ? 0 : 4 + 4 * packet.readUInt16BE(12 + 2);
}
