import { RTCPeerConnection, RTCRtpCodecParameters, useNACK, usePLI } from 'werift';

import { LOOPBACK_ICE } from './loopback-ice.js';
import { EventStreamClient, postJson } from './router-server.js';

/** A werift peer that signals over HTTP as any client of the protocol does. */
export interface HttpViewer {
  readonly events: EventStreamClient;
  /** Packets that have arrived. */
  readonly received: Readonly<Record<'video' | 'audio', number>>;
  close(): Promise<void>;
}

/** Watches a session; resolves when picture and sound have arrived. */
export async function openHttpViewer(url: string, via: typeof fetch): Promise<HttpViewer> {
  const client = new RTCPeerConnection({
    ...LOOPBACK_ICE,
    codecs: {
      video: [
        new RTCRtpCodecParameters({
          mimeType: 'video/H264',
          clockRate: 90_000,
          rtcpFeedback: [useNACK(), usePLI()],
        }),
      ],
      audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 })],
    },
  });
  const received = { video: 0, audio: 0 };
  const arrived = new Promise<void>((resolve) => {
    client.onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe(() => {
        received[track.kind as 'video' | 'audio'] += 1;
        if (received.video > 0 && received.audio > 0) resolve();
      });
    });
  });
  const events = await EventStreamClient.open(`${url}/sse?videoCodec=h264`, {}, via);
  const { viewerId } = await events.signal<{ viewerId: string }>('viewer');
  await client.setRemoteDescription({ type: 'offer', sdp: await events.signal<string>('sdp_offer') });
  for (const { connection } of client.iceTransports) delete connection.stunServer;
  const description = await client.setLocalDescription(await client.createAnswer());
  const answer = { viewerId, type: 'sdp_answer', payload: description.toSdp().sdp };
  const { status, json } = await postJson(`${url}/signal`, answer, {}, via);
  if (status !== 204) throw new Error(`The answer was answered with ${status}: ${JSON.stringify(json)}`);
  await events.until(() => {
    const found = events.events.some(({ data }) => data.type === 'ice_candidate' && data.payload !== null);
    return found;
  });
  for (const { data } of events.events) {
    if (data.type === 'ice_candidate' && data.payload !== null) await client.addIceCandidate(data.payload);
  }
  await arrived;
  return {
    events,
    received,
    close: async () => {
      events.abort();
      await client.close();
    },
  };
}
