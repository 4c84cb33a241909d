import type { RTCDtlsTransport } from 'werift';

import type { LogContext } from '../base/logger.js';
import type { RtpPayloads } from '../render/packetize/rtp-payloads.js';

/** What flows back from the fan-out of one encoded source to whoever feeds it. */
export interface ProducerListener {
  /**
   * At least one consumer cannot go on without a keyframe: a newcomer, a PLI, a FIR, an overflow. Already
   * coalesced over all viewers: at most one call in {@link ProducerParameters.keyframeIntervalMinMs}.
   */
  onKeyframeWanted(): void;
  /** {@link Producer.needsFrames} has become true. */
  onFramesWanted?(): void;
}

/** Defaults of {@link ProducerParameters}, the same for every plane. */
export const DEFAULT_KEYFRAME_INTERVAL_MIN_MS = 300;
export const DEFAULT_HISTORY_MS = 1000;

export interface ProducerParameters {
  readonly kind: 'video' | 'audio';
  readonly clockRateHz: 90_000 | 48_000;
  /** Least time between two keyframe requests, ms. Default 300. */
  readonly keyframeIntervalMinMs?: number;
  /** How long sent payloads are kept for retransmission, ms. Default 1000. */
  readonly historyMs?: number;
  /**
   * A newcomer gets the frames since the last keyframe in a paced burst, where they are not too many, instead of a
   * keyframe that everybody pays for. Default false; a plane may do without.
   */
  readonly gopReplay?: boolean;
  /** What the source is encoded at, bits/s: how fast its consumers' packets are paced. Default by kind. */
  readonly targetBitrateBps?: number;
}

/** Ids of the header extensions (RFC 8285) that were negotiated; an absent one is not sent. */
export interface HeaderExtensionIds {
  readonly mid?: number;
  readonly transportWideCc?: number;
  readonly playoutDelay?: number;
  readonly absCaptureTime?: number;
  /** `rtp-stream-id` of RFC 8852, and `repaired-rtp-stream-id`, which retransmissions have in its place. */
  readonly rid?: number;
  readonly repairedRid?: number;
}

/** How one viewer wants one producer's packets: what its SDP answer said. */
export interface ConsumerParameters {
  readonly ssrc: number;
  readonly payloadType: number;
  /** RTX (RFC 4588); both or neither. Without them a NACK is answered by nothing. */
  readonly rtxSsrc?: number;
  readonly rtxPayloadType?: number;
  /**
   * RED (RFC 2198) of this sound: the native plane repeats earlier packets with each one while the viewer reports losses.
   * Absent: never.
   */
  readonly redPayloadType?: number;
  /**
   * The longest sound that one packet may carry, ms: `a=maxptime` (RFC 8866 section 6.5). A single frame goes even if it
   * is longer. Absent: no bound.
   */
  readonly packetTimeMaxMs?: number;
  /**
   * FlexFEC ("flexfec-03") of these pictures; both or neither. The native plane sends repair packets while the viewer reports
   * losses; without them it sends only retransmissions.
   */
  readonly fecSsrc?: number;
  readonly fecPayloadType?: number;
  readonly mid: string;
  /** Which layer of a simulcast it is (RFC 8853). Absent: it is alone. */
  readonly rid?: string;
  readonly cname: string;
  readonly headerExtensions: HeaderExtensionIds;
  /**
   * The playout delay's maximum, ms, a multiple of 10; its minimum is 0. With 0 the viewer shows each picture at once;
   * with more it may hold pictures back by up to that much to keep them with the sound. Default 0.
   */
  readonly playoutDelayMaxMs?: number;
  /**
   * A media server forwards it to others (RFC 7667 section 3.7): its keyframe requests are those of all of them. The native plane passes
   * one on every second, where those of a viewer may wait for up to 4 s. Default false.
   */
  readonly forwarded?: boolean;
}

export interface ConsumerStats {
  packetsSent: number;
  bytesSent: number;
  packetsRetransmitted: number;
  /** FlexFEC packets, of the native plane alone. */
  repairPacketsSent: number;
  /** Bytes of retransmissions and of FlexFEC packets. */
  repairBytesSent: number;
  /** Frames not sent to this viewer: before its first keyframe, or dropped on overflow. */
  framesDropped: number;
  nacksReceived: number;
  plisReceived: number;
  firsReceived: number;
  /** From the last receiver report: RFC 3550 section 6.4.1. */
  fractionLost: number;
  packetsLost: number;
  jitterMs: number;
  /** Round trip from LSR and DLSR; undefined before the first one. */
  rttMs: number | undefined;
}

/** One viewer's share of one producer. */
export interface Consumer {
  readonly stats: Readonly<ConsumerStats>;
  /** Sends nothing while paused; after resume a video consumer waits for a keyframe. */
  pause(): void;
  resume(): void;
  /**
   * Goes on with another producer of the same plane, kind and clock at that one's next keyframe, which is asked for: with
   * the same SSRC, the next sequence number and a later RTP time. Until then the present producer goes on; with none of its
   * frames sent yet, or without pictures, the change is immediate. The present producer calls off what was asked before.
   *
   * @param onSwitched - it has gone over; at most once, not before this call has returned, and never if it was called off
   * @throws StreamKitError `internal` if the producer is closed or not of this plane
   */
  switchTo(producer: Producer, onSwitched?: () => void): void;
  /** Idempotent. */
  close(): void;
}

/** One encoded source and its consumers. */
export interface Producer {
  readonly kind: 'video' | 'audio';
  readonly consumerCount: number;
  /** False: all frames come by a media socket, and `send` has nothing to do. */
  readonly needsFrames: boolean;
  /** Fans one frame out to every consumer. */
  send(payloads: RtpPayloads): void;
  /** The source is encoded at another rate, bits/s: its consumers are paced by that, those to come too. */
  setTargetBitrate(bitrateBps: number): void;
  /** Closes its consumers, except those that go over to another producer: they do so now. Idempotent. */
  close(): void;
}

/** One viewer's SRTP and SRTCP. RTCP is demultiplexed to its consumers by SSRC. */
export interface MediaTransport {
  consume(producer: Producer, parameters: ConsumerParameters): Consumer;
  /** RTCP that could not be parsed or belonged to nobody: counted and dropped. */
  readonly rtcpDropped: number;
  /**
   * What the viewer's link can carry, bits/s of whole datagrams, sound and retransmissions included. Undefined before
   * the viewer's first feedback; the werift plane estimates nothing.
   */
  readonly estimatedBitrateBps?: number | undefined;
  /** Called when the estimate has changed by 5 % or more, at most five times a second; it must not throw. */
  onEstimate?: ((bitrateBps: number) => void) | undefined;
  /** Sends BYE, closes its consumers. Does not close the DTLS transport, which is the peer's. Idempotent. */
  close(): void;
}

/** One local address of a plane's UDP port, as one viewer uses it. */
export interface IceSocket {
  readonly address: string;
  readonly port: number;
  /** Sends STUN. */
  send(data: Uint8Array, address: string, port: number): void;
  /**
   * Asks the viewer at that address from now on whether it still wants media (RFC 7675), in place of what the endpoint
   * asked before, until {@link IceEndpoint.endConsent}.
   *
   * @param request - a binding request without integrity and fingerprint, for the credentials of now
   * @param onLost - it has not answered for 30 s, and is not asked any more
   */
  keepConsent(request: Uint8Array, address: string, port: number, onLost: () => void): void;
  /** STUN with valid integrity; at most one listener, which must not throw. */
  onPacket: (data: Buffer, address: string, port: number) => void;
  /** Hears nothing more. The socket itself stays open for other viewers. Idempotent. */
  close(): void;
}

/**
 * One viewer's socket for one allocation at a TURN server (RFC 8656). Peers that have a channel are reached by it as by any
 * other {@link IceSocket}; what is sent to others is dropped.
 */
export interface RelaySocket extends IceSocket {
  /** Sends a STUN request to the server. */
  sendToServer(request: Uint8Array): void;
  /** What the server answers; at most one listener, which must not throw. */
  onAnswer: (message: Buffer) => void;
  /**
   * Over TCP and TLS: the server cannot be reached, its certificate is refused, or the connection has ended. At most one listener,
   * which must not throw.
   */
  onEnded: (reason: string) => void;
  /** Datagrams for and of that peer go by this channel from now on. @param channel - 0x4000 to 0x4fff */
  bindChannel(channel: number, address: string, port: number): void;
  unbindChannel(channel: number): void;
}

/**
 * Why a DTLS connection ended. `closed`: by the viewer, once connected. `fingerprint`: its certificate is another than that
 * of its description. `noSrtp`: it shares no SRTP profile with us. `capacity`: too many handshakes are under way.
 */
export type DtlsEnd = 'closed' | 'fingerprint' | 'handshake' | 'timeout' | 'noSrtp' | 'capacity';

/** What becomes of the DTLS connection of one endpoint. */
export interface DtlsListener {
  onConnected(): void;
  /** One record of application data. */
  onData(data: Buffer): void;
  /** Nothing comes after it. */
  onEnded(reason: DtlsEnd): void;
}

/** PEM. */
export interface DtlsCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface DtlsParameters {
  readonly role: 'server' | 'client';
  readonly certificate: DtlsCertificate;
  readonly fingerprints: string;
}

/** How a TURN server is spoken to. */
export type RelayTransport = 'udp' | 'tcp' | 'tls';

/** One viewer's end of the plane's UDP port: packets are its own by the ICE credentials of RFC 8445 section 7.3. */
export interface IceEndpoint {
  /** After an ICE restart the credentials of before go on to be valid until the next call. */
  setLocalCredentials(usernameFragment: string, password: string): void;
  setRemoteCredentials(usernameFragment: string, password: string): void;
  /** @throws StreamKitError `unavailable` where the address cannot be bound */
  openSocket(address: string): IceSocket;
  /** The TCP port of that address, to which viewers connect; undefined if there is none or it cannot be opened. */
  openTcpSocket(address: string): IceSocket | undefined;
  /**
   * A socket for an allocation at that TURN server; undefined if there is none: the platform has none, the viewer has several, or
   * there are too many in all.
   *
   * @param address - local, of the server's family; that of all: `0.0.0.0` or `::`. Over TCP and TLS the system chooses
   * @param serverName - its domain name or address, for which its certificate must be, over TLS
   */
  openRelaySocket(
    transport: RelayTransport,
    address: string,
    server: readonly [address: string, port: number],
    serverName: string,
  ): RelaySocket | undefined;
  endConsent(): void;
  /**
   * Begins the DTLS handshake, once; the keys of the connection are those of the endpoint's transport.
   *
   * @param certificate - ours, PEM: the one of the description
   * @param fingerprints - the viewer's, as in SDP: one per line
   * @throws StreamKitError `unprocessable` if the fingerprints cannot be used
   */
  startDtls(parameters: DtlsParameters, listener: DtlsListener): void;
  /** Sends one record of application data; ignored without a connection. */
  sendDtls(data: Uint8Array): void;
  /** Closes its sockets, its DTLS connection and its transport. Idempotent. */
  close(): void;
}

/**
 * Why a media socket is no longer read: a frame broke the format or its limits, the other process sent more than it may,
 * or it closed its end.
 */
export type MediaSocketFailure = 'malformed' | 'oversized' | 'flooded' | 'closed';

/** A stream socket over which another process sends encoded frames to the media plane's thread. */
export interface MediaSocket {
  /** The other process's end, for `stdio` of `child_process.spawn`. */
  readonly fd: number;
  /** The other process has its end: ours of it is closed, so that the end of that process is seen. Idempotent. */
  handedOver(): void;
  /**
   * Frames of this slot go to this producer of the same plane, from the next keyframe on.
   *
   * @param slot - 0 to 31.
   */
  bind(slot: number, producer: Producer): void;
  /** Idempotent. */
  close(): void;
}

/** Counts of a whole plane, which other routers of the process may share. */
export interface MediaPlaneStats {
  /** System calls that carried packets. */
  readonly sendCalls: number;
  readonly sendErrors: number;
  /** Datagrams that came in, and those of them that were dropped, by reason. */
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
  /** Events that JavaScript was too slow for. */
  readonly eventsDropped: number;
  /** CPU time of the plane's threads, µs. */
  readonly cpuUs: number;
}

/** Everything that costs per packet per viewer. */
export interface MediaPlane {
  readonly name: 'werift' | 'native';
  readonly closed: boolean;
  /** What it counts of itself; only a plane with a UDP port of its own has it. */
  readonly stats?: Readonly<MediaPlaneStats>;
  createProducer(parameters: ProducerParameters, listener: ProducerListener): Producer;
  /**
   * Only a plane with a thread of its own has it: another process sends frames straight to that thread.
   *
   * @param onFailed - one sentence; nothing more is read then. At most once, and not after `close()`.
   * @throws StreamKitError `unavailable` if there are no descriptors.
   */
  openMediaSocket?(onFailed: (reason: MediaSocketFailure) => void): MediaSocket;
  /** Only a plane with a UDP port of its own has it; with another, viewers' sockets are werift's. */
  openIceEndpoint?(): IceEndpoint;
  /**
   * @param dtlsTransport - connected.
   * @param endpoint - where the nominated pair lies on its socket and DTLS is the endpoint's; without it packets go the way that ICE goes,
   *   through a relay for one.
   * @param logContext - names the viewer in the log.
   */
  createTransport(
    dtlsTransport: RTCDtlsTransport,
    endpoint?: IceEndpoint,
    logContext?: LogContext,
  ): MediaTransport;
  /** Closes every transport and producer. Idempotent. */
  close(): Promise<void>;
}
