/**
 * The surface of the native media plane's addon, as `native/addon.cc` registers it. Everything here is called on the
 * JavaScript thread that created the plane, costs microseconds and never blocks; what the plane does per packet
 * happens on threads of its own. Ids are small integers that are not used again; a call with one that is closed
 * is ignored (or throws where the doc says so), because closing races with what is under way.
 */

import type { DtlsEnd, MediaSocketFailure } from './media-plane.js';

/** An IPv4 or IPv6 address in text form, with its port. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** A socket to a TURN server, with its local address. */
export interface OpenedRelay extends SocketAddress {
  readonly socket: number;
}

export interface NativePlaneOptions {
  /** Use UDP_SEGMENT where the kernel has it. Default true; probed at start. */
  readonly gso?: boolean;
  /**
   * Threads that send, 1–64. With 1, the same thread receives and reads frames; otherwise there is one more for that. DTLS
   * has a thread of its own. Default 1.
   */
  readonly sendThreads?: number;
}

/** Why something came up: handed over in batches, in order. The queue is bounded: see `eventsDropped` in the stats. */
export type NativeEvent =
  /**
   * STUN for an endpoint: requests with a valid MESSAGE-INTEGRITY, and responses to what it sent. Checks for consent on the pair that was nominated last are answered by the plane itself and not told,
   * until the next change of credentials.
   */
  | {
      readonly type: 'packet';
      readonly endpoint: number;
      readonly socket: number;
      readonly from: SocketAddress;
      readonly data: Buffer;
    }
  /** The handshake of {@link NativePlane.startDtls} has succeeded. Told once, and never dropped. */
  | { readonly type: 'dtlsConnected'; readonly endpoint: number }
  /** One record of application data. */
  | { readonly type: 'dtlsData'; readonly endpoint: number; readonly data: Buffer }
  /** There is no DTLS connection, or no more. Told once, and never dropped. */
  | { readonly type: 'dtlsEnded'; readonly endpoint: number; readonly reason: DtlsEnd }
  /** See {@link NativePlane.keepConsent}. */
  | { readonly type: 'consentLost'; readonly consent: number }
  /** A TURN server answers a request of {@link NativePlane.sendToRelay}. */
  | { readonly type: 'relayAnswer'; readonly socket: number; readonly data: Buffer }
  /** A connection of {@link NativePlane.dialRelay} has ended, or there is none. Told at most once, and never dropped. */
  | { readonly type: 'relayEnded'; readonly socket: number; readonly reason: string }
  /** At least one consumer of the producer needs a keyframe; coalesced by `keyframeIntervalMinMs`. */
  | { readonly type: 'keyframe'; readonly producer: number }
  /** See {@link NativePlane.switchConsumer}: it has gone over. Never dropped. */
  | { readonly type: 'switched'; readonly consumer: number; readonly producer: number }
  /** What a viewer's link can carry has changed by 5 % or more, bit/s; the newest value, at most five times a second. */
  | { readonly type: 'estimate'; readonly transport: number; readonly bitrateBps: number }
  /** Nothing more is read from the media socket; told at most once per socket, and never dropped. */
  | { readonly type: 'mediaSocketFailed'; readonly id: number; readonly reason: MediaSocketFailure };

export interface NativeProducerParameters {
  readonly kind: 'video' | 'audio';
  readonly clockRateHz: number;
  readonly keyframeIntervalMinMs: number;
  readonly historyMs: number;
  /** Newcomers get the frames since the last keyframe in a paced burst instead of asking for a keyframe. */
  readonly gopReplay: boolean;
  /** With `gopReplay` a keyframe is asked for after 90 frames, or after 1.2 s at this rate, if there are consumers. */
  readonly targetBitrateBps: number;
}

/** See ConsumerParameters in media-plane.ts; 0 for an id or a bound means absent. */
export interface NativeConsumerParameters {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly rtxSsrc: number;
  readonly rtxPayloadType: number;
  readonly redPayloadType: number;
  readonly packetTimeMaxMs: number;
  readonly fecSsrc: number;
  readonly fecPayloadType: number;
  readonly mid: string;
  readonly cname: string;
  readonly midId: number;
  readonly transportWideCcId: number;
  readonly playoutDelayId: number;
  readonly absCaptureTimeId: number;
  /** Empty: it is no layer of a simulcast. */
  readonly rid: string;
  readonly ridId: number;
  readonly repairedRidId: number;
  readonly playoutDelayMaxMs: number;
  /** What the pacer takes as the rate of this consumer, bit/s. */
  readonly targetBitrateBps: number;
  readonly forwarded: boolean;
}

export interface NativeConsumerStats {
  readonly packetsSent: number;
  readonly bytesSent: number;
  readonly packetsRetransmitted: number;
  readonly repairPacketsSent: number;
  readonly repairBytesSent: number;
  readonly framesDropped: number;
  readonly nacksReceived: number;
  readonly plisReceived: number;
  readonly firsReceived: number;
  readonly fractionLost: number;
  readonly packetsLost: number;
  readonly jitterMs: number;
  /** Negative before the first one. */
  readonly rttMs: number;
}

export interface NativeTransportStats {
  /** What the viewer's link can carry, bit/s; 0 before it is known. */
  readonly estimatedBitrateBps: number;
  /** What waits in the queues on the way, ms. */
  readonly queueMs: number;
  /** Share of packets lost lately, 0 to 1. */
  readonly lossShare: number;
  /** Padding by which the link was probed, bytes. */
  readonly paddingBytes: number;
}

export interface NativePlaneStats {
  readonly packetsSent: number;
  readonly bytesSent: number;
  /** System calls that carried them. */
  readonly sendCalls: number;
  readonly sendErrors: number;
  readonly gso: boolean;
  /** Datagrams that came in; and those dropped, by reason. */
  readonly received: number;
  readonly droppedUnknownSource: number;
  readonly droppedStunIntegrity: number;
  readonly droppedMalformed: number;
  readonly droppedSrtcpAuthentication: number;
  /** Datagrams and data of DTLS beyond what may wait, or for nobody. */
  readonly droppedDtls: number;
  /** RTCP for which the thread of its viewer had no time. */
  readonly droppedRtcp: number;
  /** TCP connections of viewers that are open. */
  readonly tcpConnections: number;
  /** TCP connections that were closed because nobody proved to be a viewer, or because there were too many. */
  readonly tcpRefused: number;
  readonly eventsDropped: number;
  /** CPU time of the plane's threads, µs. */
  readonly cpuUs: number;
}

/** Slots of a media socket: 0 to 31. */
export const MEDIA_SOCKET_SLOTS = 32;

/** Frames of one slot of a media socket since it was opened. */
export interface NativeMediaSlotStats {
  /** Handed to a producer. */
  readonly frames: number;
  /** Payload bytes of these frames. */
  readonly bytes: number;
  readonly keyframes: number;
  /** Read but not handed on: the slot had no producer, or had a new one and no keyframe had come since. */
  readonly dropped: number;
  /** When the last frame was read, dropped or not, CLOCK_MONOTONIC µs; 0 before the first one. */
  readonly lastFrameUs: number;
}

export interface NativePlane {
  /**
   * Opens the socket of a local address, or gives the one that is open already.
   * @throws Error with `code` (EADDRINUSE …) where it cannot be bound.
   */
  bind(address: string, port: number): { readonly socket: number; readonly port: number };

  /**
   * The same for TCP, over which each packet follows its length in two bytes (RFC 4571). The first packet of a connection must
   * be a check with the credentials of an endpoint, within 5 s. Linux alone.
   * @throws Error with `code` (EADDRINUSE, ENOTSUP …) if it cannot be opened.
   */
  listenTcp(address: string, port: number): { readonly socket: number; readonly port: number };

  /**
   * Opens a UDP socket for one allocation at a TURN server, on a port that the system chooses. What goes to a peer by this
   * socket goes to the server by the peer's channel, and is dropped if it has none; what the server sends for peers counts
   * as theirs, and datagrams from any other source are dropped. Closed with the endpoint. Linux alone.
   * @param address - a local one, or that of all
   * @throws Error with `code` (EMFILE, ENOTSUP …) if it cannot be opened, or the endpoint is closed: ERR_ENDPOINT_LIMIT if
   * the endpoint has 4 already, ERR_PLANE_LIMIT if the plane has 4096.
   */
  openRelay(endpoint: number, address: string, server: SocketAddress): OpenedRelay;
  /**
   * The same over TCP, from the address that leads to the server (RFC 8656 section 12.5). It begins to connect; `relayEnded`
   * tells if it cannot, or is closed by the server.
   * @param serverName - the domain name (in ASCII, without a dot at its end) or address for which the server must have a
   * certificate: TLS 1.2 or 1.3 is spoken with it, from the first request on, as `stun.turn` (RFC 7443). null: TCP alone.
   * @returns if nobody listens there, the local address may be that of all, and the port 0
   * @throws Error with `code`, as `openRelay`, if it cannot even begin; ERR_INVALID_STATE for TLS before
   * {@link NativePlane.trustCertificates}, ERR_CRYPTO_OPERATION_FAILED for a name that no certificate can have, such as an empty one.
   */
  dialRelay(endpoint: number, server: SocketAddress, serverName: string | null): OpenedRelay;
  /**
   * The certificates of authorities that are trusted when a TURN server is spoken to over TLS, from now on. Takes some ms for
   * all those of Node.
   * @param pem - one after another; those that cannot be read are passed over
   * @param withSystem - trusts those of OpenSSL's default file and folder too
   * @throws Error if none can be read and those of the system are not trusted.
   */
  trustCertificates(pem: string, withSystem: boolean): void;
  /** Sends a STUN request to the server; the answer comes as `relayAnswer`. */
  sendToRelay(socket: number, request: Uint8Array): void;
  /**
   * Datagrams for and of the peer go by that channel from now on; at most 32 per socket, more are passed over.
   * @throws Error if the channel is not between 0x4000 and 0x4fff.
   */
  bindChannel(socket: number, channel: number, peer: SocketAddress): void;
  unbindChannel(socket: number, channel: number): void;
  /** Media that went there waits until the viewer has another pair. */
  closeRelay(socket: number): void;

  /** One viewer's ICE endpoint. `ufrag` and `password` are ours: requests are demultiplexed and checked by them. */
  createEndpoint(ufrag: string, password: string): number;
  /** New credentials after an ICE restart; the old ones go on to be valid until the next call. */
  setLocalCredentials(endpoint: number, ufrag: string, password: string): void;
  /** The viewer's, to check the integrity of its responses. */
  setRemoteCredentials(endpoint: number, ufrag: string, password: string): void;
  /**
   * Sends STUN. A success response that is authentic to a binding request that carried USE-CANDIDATE selects
   * its pair (socket, address) for the media.
   */
  sendPacket(endpoint: number, socket: number, to: SocketAddress, data: Uint8Array): void;
  /**
   * Asks the viewer from now on whether it still wants what goes there (RFC 7675), in place of what was asked before.
   * Without an answer for 30 s a `consentLost` event comes, once, and no further request goes out. The answers are told
   * to nobody.
   * @param request - a binding request without integrity and fingerprint, for the credentials of now.
   * @returns what the event is about.
   * @throws Error with `code` EINVAL where it is none.
   */
  keepConsent(endpoint: number, socket: number, to: SocketAddress, request: Uint8Array): number;
  endConsent(endpoint: number): void;
  /**
   * The certificate that DTLS shows to all viewers from now on, with its key, both PEM.
   * @throws Error if they cannot be used.
   */
  setCertificate(certificatePem: string, keyPem: string): void;
  /**
   * Begins the DTLS 1.2 handshake of an endpoint, once. DTLS counts only from addresses that ICE has proven; what came
   * before waits for this. The viewer must have the key of a certificate with one of these fingerprints.
   * @param fingerprints - as in SDP (RFC 8122): hash function, space and bytes in hex between colons; one per line.
   * @throws Error if they are malformed, or none is of SHA-256, SHA-384 or SHA-512.
   */
  startDtls(endpoint: number, role: 'server' | 'client', fingerprints: string): void;
  /** Sends one record of application data, 16 KiB at most; ignored without a connection. */
  sendDtls(endpoint: number, data: Uint8Array): void;
  /** Forgets its addresses and closes its DTLS connection and its transport. */
  closeEndpoint(endpoint: number): void;

  createProducer(parameters: NativeProducerParameters): number;
  /**
   * Fans one frame out.
   * @param offsets - where each RTP payload begins in `data`, and the end: count + 1 values.
   * @param captureTimeUs - CLOCK_MONOTONIC.
   */
  sendFrame(
    producer: number,
    data: Uint8Array,
    offsets: Uint32Array,
    rtpTimestamp: number,
    captureTimeUs: number,
    keyframe: boolean,
  ): void;
  /** The source is encoded at another rate from now on; see {@link NativeProducerParameters}. */
  setProducerBitrate(producer: number, bitrateBps: number): void;
  closeProducer(producer: number): void;

  /**
   * SRTP and SRTCP of an endpoint, by the keys of its DTLS connection, once per connection. Without one nothing is sent.
   * @throws Error if the endpoint is closed.
   */
  createTransport(endpoint: number): number;
  /** Sends BYE of its consumers, then closes them. */
  closeTransport(transport: number): void;
  rtcpDropped(transport: number): number;
  /** Undefined once the transport is closed. */
  transportStats(transport: number): NativeTransportStats | undefined;

  /** @throws Error where the producer or transport is closed, or an SSRC is used already on the transport. */
  consume(transport: number, producer: number, parameters: NativeConsumerParameters): number;
  pauseConsumer(consumer: number): void;
  resumeConsumer(consumer: number): void;
  /** See `Consumer.switchTo`. The consumer is of the former producer until the event has come. */
  switchConsumer(consumer: number, producer: number): void;
  setTargetBitrate(consumer: number, bitrateBps: number): void;
  closeConsumer(consumer: number): void;
  consumerStats(consumer: number): NativeConsumerStats | undefined;

  /**
   * Opens a stream socket over which another process sends encoded frames, in the format of
   * `src/render/packetize/media-frame-writer.ts`. The plane's thread reads it; no frame passes through JavaScript.
   * @returns `fd`: the other process's end, for `stdio` of `child_process.spawn`. The caller closes it after spawning;
   * otherwise the end of that process is never seen.
   * @throws Error with `code` (EMFILE …) if there are no descriptors.
   */
  openMediaSocket(): { readonly id: number; readonly fd: number };
  /**
   * Frames of this slot go to this producer, from the next keyframe on. Frames of slots without a producer are dropped.
   * If the first frame is not a keyframe, the producer's `keyframe` event asks for one.
   * @throws Error if the slot is not between 0 and 31.
   */
  bindMediaStream(mediaSocket: number, slot: number, producer: number): void;
  unbindMediaStream(mediaSocket: number, slot: number): void;
  /** By slot; {@link MEDIA_SOCKET_SLOTS} of them. Undefined once the socket is closed; a failed one keeps its figures. */
  mediaSocketStats(mediaSocket: number): readonly NativeMediaSlotStats[] | undefined;
  /** Idempotent. No `mediaSocketFailed` comes for what happens after it. */
  closeMediaSocket(mediaSocket: number): void;

  /** All zero once the plane is closed. */
  stats(): NativePlaneStats;
  /**
   * Does what was called before, stops the thread and closes the sockets. Idempotent. No event comes after it. A plane
   * that is not closed does not keep the process alive, and ends with its environment.
   */
  close(): void;
}

export interface NativeAddon {
  /** Raised with each change of this surface; the loader refuses another. */
  readonly surfaceVersion: number;
  createPlane(options: NativePlaneOptions, onEvents: (events: readonly NativeEvent[]) => void): NativePlane;
}
