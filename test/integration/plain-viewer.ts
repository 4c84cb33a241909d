import {
  type PeerConfig,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  RTCRtpHeaderExtensionParameters,
  type RTCDtlsTransport,
  type RtpPacket,
  useFIR,
  useNACK,
  usePLI,
  useTWCC,
} from 'werift';

import { LOOPBACK_ICE } from '../helpers/loopback-ice.js';
import { systemClock } from '../../src/base/clock.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import { silentLogger } from '../../src/base/logger.js';
import type {
  ConnectedMedia,
  ViewerPeer,
  ViewerPeerListener,
  ViewerPeerParameters,
} from '../../src/peer/viewer-peer.js';
import { HandshakeTurns } from '../../src/peer/werift/handshake-turns.js';
import { WeriftHandshake } from '../../src/peer/werift/werift-handshake.js';
import { createViewerPeerFactory } from '../../src/peer/werift/werift-viewer-peer.js';

const feedback = [useNACK(), usePLI(), useFIR(), useTWCC()];
const EXTENSION_URIS = [
  'urn:ietf:params:rtp-hdrext:sdes:mid',
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
  'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
];

/** A plain werift peer that answers as a viewer would and keeps whatever arrives, decrypted and raw. */
export interface PlainViewer {
  readonly peer: ViewerPeer;
  readonly client: RTCPeerConnection;
  readonly media: ConnectedMedia;
  readonly offerSdp: string;
  readonly rtp: RtpPacket[];
  readonly rtcp: Buffer[];
  /** Whether our end has taken it to be gone. */
  readonly left: () => boolean;
  /** Sends a raw RTCP compound. */
  sendRtcp(compound: Buffer): void;
  /** Answers the offer of an ICE restart and waits until ICE is connected again. @returns the offer */
  answerRestart(editAnswer?: (sdp: string) => string | Promise<string>): Promise<string>;
  close(): Promise<void>;
}

/** How a viewer connects: what it is offered, and what it makes of it. */
type ConnectParameters = [
  parameters?: Partial<ViewerPeerParameters>,
  editAnswer?: (sdp: string) => string,
  editCandidate?: (candidate: string) => string,
  /** Sends DTLS, each datagram through `send`. */
  sendDtls?: (datagram: Buffer, send: (datagram: Buffer) => Promise<void>) => Promise<void>,
  /** Hears of the data channel. */
  input?: Pick<ViewerPeerListener, 'onInputOpen' | 'onInputMessage' | 'onInputClosed'>,
  /** Of the viewer's own end. */
  configuration?: Partial<PeerConfig>,
];

/** The viewers of one test. */
export class PlainViewers {
  private readonly connected: PlainViewer[] = [];

  constructor(private readonly plane: MediaPlane) {}

  async connect(...parameters: ConnectParameters): Promise<PlainViewer> {
    const viewer = await connectPlainViewer(this.plane, ...parameters);
    this.connected.push(viewer);
    return viewer;
  }

  async close(): Promise<void> {
    await Promise.all(this.connected.map((viewer) => viewer.close()));
  }
}

/** ICE's, of an offer or an answer. */
export function credentialsOf(sdp: string): { usernameFragment: string; password: string } {
  const [usernameFragment = '', password = ''] = ['ufrag', 'pwd'].map(
    (name) => new RegExp(`a=ice-${name}:(.*)\\r`).exec(sdp)?.[1],
  );
  return { usernameFragment, password };
}

async function connectPlainViewer(
  plane: MediaPlane,
  ...[
    parameters = {},
    editAnswer = (sdp) => sdp,
    editCandidate = (candidate) => candidate,
    sendDtls = (datagram, send) => send(datagram),
    input = {},
    configuration = {},
  ]: ConnectParameters
): Promise<PlainViewer> {
  const open = createViewerPeerFactory({
    holdsPictures: false,
    mediaPlane: plane,
    logger: silentLogger,
    listenAddress: '127.0.0.1',
    clock: systemClock,
  });
  const client = new RTCPeerConnection({
    ...LOOPBACK_ICE,
    ...configuration,
    codecs: {
      video: [
        new RTCRtpCodecParameters({ mimeType: 'video/H264', clockRate: 90_000, rtcpFeedback: feedback }),
        new RTCRtpCodecParameters({ mimeType: 'video/VP8', clockRate: 90_000, rtcpFeedback: feedback }),
        new RTCRtpCodecParameters({ mimeType: 'video/rtx', clockRate: 90_000 }),
      ],
      audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 })],
    },
    headerExtensions: {
      video: EXTENSION_URIS.map((uri) => new RTCRtpHeaderExtensionParameters({ uri })),
      audio: EXTENSION_URIS.map((uri) => new RTCRtpHeaderExtensionParameters({ uri })),
    },
  });
  const rtp: RtpPacket[] = [];
  const rtcp: Buffer[] = [];
  let offerSdp = '';
  let onIceConnected = (): void => undefined;
  let left = false;
  let peer: ViewerPeer | undefined;

  const media = await new Promise<ConnectedMedia>((resolve, reject) => {
    const answer = async (sdp: string): Promise<void> => {
      await client.setRemoteDescription({ type: 'offer', sdp });
      for (const { connection } of client.iceTransports) {
        delete connection.stunServer;
      }
      tap(client.dtlsTransports[0], rtp, rtcp);
      // The client of werift would give up at the first datagram that comes twice.
      for (const dtls of client.dtlsTransports) new WeriftHandshake(dtls, systemClock, new HandshakeTurns());
      for (const { connection } of client.iceTransports) {
        const send = connection.send.bind(connection);
        // RFC 7983 section 7.
        const isDtls = ([first = 0]: Buffer): boolean => first >= 20 && first <= 63;
        connection.send = (data) => (isDtls(data) ? sendDtls(data, send) : send(data));
      }
      const answered = client.setLocalDescription(await client.createAnswer());
      const description = await answered;
      await peer?.acceptAnswer(editAnswer(description.toSdp().sdp));
    };
    peer = open(
      { videoCodecs: ['h264'], audio: true, iceServers: [], ...parameters },
      {
        ...input,
        onOffer: (sdp) => {
          if (offerSdp === '') {
            answer(sdp).catch(reject);
          }
          offerSdp = sdp;
        },
        onIceCandidate: (candidate) => {
          if (candidate !== null) {
            const edited = editCandidate(candidate.candidate ?? '');
            client.addIceCandidate({ candidate: edited, sdpMLineIndex: 0 }).catch(reject);
          }
        },
        onConnected: resolve,
        onIceStateChange: (state) => {
          if (state === 'connected') {
            onIceConnected();
          }
        },
        onLeft: () => {
          left = true;
          reject(new Error('the viewer left'));
        },
        onFailed: reject,
      },
    );
    peer.start().catch(reject);
  }).catch(async (error: unknown) => {
    await peer?.close();
    await client.close();
    throw error;
  });
  const connectedPeer = peer;
  if (connectedPeer === undefined) {
    throw new Error('The peer was not opened.');
  }
  await connectedOf(client);
  return {
    peer: connectedPeer,
    client,
    media,
    offerSdp,
    rtp,
    rtcp,
    left: () => left,
    sendRtcp: (compound) => {
      const dtls = client.dtlsTransports[0];
      if (dtls !== undefined) {
        void dtls.iceTransport.connection.send(dtls.srtcp.encrypt(compound));
      }
    },
    answerRestart: async (editRestart = (sdp) => sdp) => {
      const connected = new Promise<void>((resolve) => {
        onIceConnected = resolve;
      });
      const restartSdp = offerSdp;
      await client.setRemoteDescription({ type: 'offer', sdp: restartSdp });
      const description = await client.setLocalDescription(await client.createAnswer());
      await connectedPeer.acceptAnswer(await editRestart(description.toSdp().sdp));
      await client.iceTransports[0]?.start();
      await connected;
      return restartSdp;
    },
    close: async () => {
      await connectedPeer.close();
      await client.close();
    },
  };
}

async function connectedOf(client: RTCPeerConnection): Promise<void> {
  if (client.connectionState !== 'connected') {
    await client.connectionStateChange.watch((state) => state === 'connected');
  }
}

/** Takes raw RTCP where werift decrypts it, before its own parser sees it. */
function tap(dtls: RTCDtlsTransport | undefined, rtp: RtpPacket[], rtcp: Buffer[]): void {
  dtls?.onRtp.subscribe((packet) => {
    rtp.push(packet);
  });
  dtls?.onStateChange.subscribe((state) => {
    if (state === 'connected') {
      const { srtcp } = dtls;
      const decrypt = srtcp.decrypt;
      srtcp.decrypt = (bytes) => {
        const compound = decrypt(bytes);
        rtcp.push(Buffer.from(compound));
        return Buffer.alloc(0);
      };
    }
  });
}
