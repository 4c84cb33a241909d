import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import {
  RTCPeerConnection,
  RTCRtpCodecParameters,
  RTCRtpHeaderExtensionParameters,
  type RtpPacket,
  useNACK,
  usePLI,
} from 'werift';

import { LOOPBACK_ICE } from './loopback-ice.js';

/** One request that a WHIP server got. */
export interface WhipRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** What is answered instead; `undefined`: the offer is. */
export type WhipReply = (request: WhipRequest, response: ServerResponse) => boolean;

/** A WHIP endpoint (RFC 9725) with a real peer that keeps what arrives. */
export class WhipServer {
  readonly requests: WhipRequest[] = [];
  readonly peers: RTCPeerConnection[] = [];
  readonly rtp: RtpPacket[] = [];
  /** Answers some of the requests in another way. */
  reply: WhipReply = () => false;
  /** Of the resource, as `Location` has it. */
  location = (number: number): string => `resource/${number}`;
  /** Further headers of a 201. */
  headers: Record<string, string | string[]> = {};
  editAnswer: (sdp: string) => string = (sdp) => sdp;
  /** Layers are told apart by their packets, and the answer takes those that are offered. */
  takesSimulcast = false;
  readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(): Promise<WhipServer> {
    const made = new WhipServer();
    await new Promise<void>((resolve) => made.server.listen(0, '127.0.0.1', resolve));
    return made;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get peer(): RTCPeerConnection | undefined {
    return this.peers.at(-1);
  }

  of(method: string): WhipRequest[] {
    return this.requests.filter((request) => request.method === method);
  }

  async close(): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer.close()));
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of incoming) body += String(chunk);
    const { method = '', url = '', headers } = incoming;
    const request = { method, path: url, headers, body };
    this.requests.push(request);
    if (this.reply(request, response)) return;
    if (method !== 'POST') {
      response.writeHead(method === 'PATCH' ? 204 : 200).end();
      return;
    }
    const answer = await this.#answer(body);
    response
      .writeHead(201, {
        'Content-Type': 'application/sdp',
        Location: this.location(this.peers.length),
        ETag: '"one"',
        ...this.headers,
      })
      .end(this.editAnswer(answer));
  }

  async #answer(offer: string): Promise<string> {
    const feedback = [useNACK(), usePLI()];
    const layers = ['rtp-stream-id', 'repaired-rtp-stream-id'];
    const extensions = ['mid', ...(this.takesSimulcast ? layers : [])].map(
      (name) => new RTCRtpHeaderExtensionParameters({ uri: `urn:ietf:params:rtp-hdrext:sdes:${name}` }),
    );
    const peer = new RTCPeerConnection({
      ...LOOPBACK_ICE,
      codecs: {
        video: [
          new RTCRtpCodecParameters({ mimeType: 'video/H264', clockRate: 90_000, rtcpFeedback: feedback }),
          new RTCRtpCodecParameters({ mimeType: 'video/rtx', clockRate: 90_000 }),
        ],
        audio: [new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 })],
      },
      headerExtensions: { audio: extensions, video: extensions },
    });
    this.peers.push(peer);
    await peer.setRemoteDescription({ type: 'offer', sdp: offer });
    for (const { connection } of peer.iceTransports) delete connection.stunServer;
    peer.dtlsTransports[0]?.onRtp.subscribe((packet) => void this.rtp.push(packet));
    await peer.setLocalDescription(await peer.createAnswer());
    return peer.localDescription?.sdp ?? '';
  }
}
