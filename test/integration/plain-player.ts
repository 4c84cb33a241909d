import {
  RTCPeerConnection,
  RTCRtpCodecParameters,
  RTCRtpHeaderExtensionParameters,
  type RtpPacket,
} from 'werift';

import { PATIENCE_MS } from '../helpers/patience.js';

/** A plain werift peer that offers to a WHEP endpoint and keeps what arrives. */
export interface PlainPlayer {
  readonly client: RTCPeerConnection;
  readonly response: Response;
  /** Absolute URL of the player's resource. */
  readonly resource: string;
  readonly answer: string;
  readonly rtp: RtpPacket[];
  /** Resolves when ICE and DTLS are up. */
  connected(): Promise<void>;
  close(): Promise<void>;
}

const EXTENSION_URIS = [
  'urn:ietf:params:rtp-hdrext:sdes:mid',
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
];

/** Sends the offer and takes the answer, if there is one. */
export async function joinAsPlayer(
  endpoint: string,
  { mimeType, editOffer = (sdp) => sdp }: { mimeType: string; editOffer?: (sdp: string) => string },
): Promise<PlainPlayer> {
  const extensions = EXTENSION_URIS.map((uri) => new RTCRtpHeaderExtensionParameters({ uri }));
  const client = new RTCPeerConnection({
    iceServers: [],
    bundlePolicy: 'max-bundle',
    iceUseIpv4: false,
    iceUseIpv6: false,
    iceAdditionalHostAddresses: ['127.0.0.1'],
    iceInterfaceAddresses: { udp4: '127.0.0.1' },
    codecs: {
      video: [
        new RTCRtpCodecParameters({
          mimeType,
          clockRate: 90_000,
          payloadType: 101,
          ...(mimeType === 'video/H264'
            ? { parameters: 'packetization-mode=1;profile-level-id=42e01f' }
            : {}),
        }),
      ],
      audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 })],
    },
    headerExtensions: { audio: extensions, video: extensions },
  });
  const rtp: RtpPacket[] = [];
  client.addTransceiver('audio', { direction: 'recvonly' });
  client.addTransceiver('video', { direction: 'recvonly' });
  for (const { connection } of client.iceTransports) delete connection.stunServer;
  client.dtlsTransports[0]?.onRtp.subscribe((packet) => void rtp.push(packet));
  await client.setLocalDescription(await client.createOffer());
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: editOffer(client.localDescription?.sdp ?? ''),
  });
  const answer = await response.text();
  const connected = client.connectionStateChange.watch((state) => state === 'connected', PATIENCE_MS);
  connected.catch(() => undefined);
  if (response.status === 201) await client.setRemoteDescription({ type: 'answer', sdp: answer });
  return {
    client,
    response,
    resource: new URL(response.headers.get('location') ?? '', endpoint).href,
    answer,
    rtp,
    connected: async () => {
      await connected;
    },
    close: () => client.close(),
  };
}
