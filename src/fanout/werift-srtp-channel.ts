import type { RTCDtlsTransport, RtpHeader } from 'werift';

import { StreamKitError } from '../base/errors.js';

/** What the media plane uses of werift's private parts, and nowhere else but in this file (werift 0.24.4). */
interface CandidatePairInternals {
  readonly remoteAddr: unknown;
  readonly protocol: {
    sendData(bytes: Buffer, address: unknown): Promise<void>;
    readonly transport?: { readonly socket?: { getSendQueueSize?(): number } };
  };
}

interface IceConnectionInternals {
  readonly nominated?: CandidatePairInternals | undefined;
  readonly state: string;
  canSendApplicationData(): boolean;
  send(bytes: Buffer): Promise<void>;
}

interface SrtcpInternals {
  decrypt: (bytes: Buffer) => Buffer;
  encrypt(bytes: Buffer): Buffer;
}

interface SrtpInternals {
  encrypt(payload: Buffer, header: RtpHeader): Buffer;
}

/** werift's ciphers read these four members of a header and no other. */
class SerializedRtpHeader {
  readonly #bytes: Buffer;
  constructor(
    bytes: Buffer,
    readonly ssrc: number,
    readonly sequenceNumber: number,
  ) {
    this.#bytes = bytes;
  }

  get serializeSize(): number {
    return this.#bytes.length;
  }

  serialize(): Buffer {
    return this.#bytes;
  }
}

/** RTCP that means nothing to werift's own handlers. */
const NO_RTCP = Buffer.alloc(0);

/** How long the pair of before an ICE restart still carries media: the consent of RFC 7675 lasts 30 s. */
const OLD_PAIR_LIFETIME_MS = 30_000;

/**
 * Encrypts and sends RTP and RTCP through a connected DTLS transport of werift, past its sender: that one
 * mis-states the NTP time in its sender reports and over-reads compound RTCP.
 */
export class WeriftSrtpChannel {
  readonly #connection: IceConnectionInternals;
  readonly #srtp: SrtpInternals;
  readonly #srtcp: SrtcpInternals;
  readonly #decryptRtcp: (bytes: Buffer) => Buffer;
  #lastPair: CandidatePairInternals | undefined;
  #lastPairUsedAtMs = 0;
  #bytesInFlight = 0;
  #closed = false;
  #errors = 0;

  readonly #nowMs: () => number;
  /**
   * @param onRtcp - decrypted compounds; must not throw
   * @throws StreamKitError `internal` where the transport is not connected, or werift is not as it is known here
   */
  constructor(dtlsTransport: RTCDtlsTransport, nowMs: () => number, onRtcp: (compound: Buffer) => void) {
    this.#nowMs = nowMs;
    const { srtp, srtcp } = dtlsTransport as { srtp?: SrtpInternals; srtcp?: SrtcpInternals };
    const connection = dtlsTransport.iceTransport.connection as unknown as IceConnectionInternals;
    if (
      srtp === undefined ||
      srtcp === undefined ||
      !Object.hasOwn(srtcp, 'decrypt') ||
      typeof connection.canSendApplicationData !== 'function'
    ) {
      throw new StreamKitError('internal', 'The DTLS transport has no SRTP session');
    }
    this.#connection = connection;
    this.#srtp = srtp;
    this.#srtcp = srtcp;
    this.#decryptRtcp = srtcp.decrypt;
    srtcp.decrypt = (bytes) => {
      // A compound that fails authentication throws here, as werift expects; it never reaches us.
      onRtcp(this.#decryptRtcp(bytes));
      return NO_RTCP;
    };
  }

  /** Bytes handed to the socket and not yet taken by the kernel. */
  get backlogBytes(): number {
    const socket = this.#connection.nominated?.protocol.transport?.socket;
    return this.#bytesInFlight + (socket?.getSendQueueSize?.() ?? 0);
  }

  /** Packets that could not be sent. */
  get sendErrors(): number {
    return this.#errors;
  }

  sendRtp(header: Buffer, ssrc: number, sequenceNumber: number, payload: Buffer): void {
    if (this.#closed) {
      return;
    }
    const serialized = new SerializedRtpHeader(header, ssrc, sequenceNumber);
    this.#send(this.#srtp.encrypt(payload, serialized as unknown as RtpHeader));
  }

  sendRtcp(compound: Buffer): void {
    if (!this.#closed) {
      this.#send(this.#srtcp.encrypt(compound));
    }
  }

  /** Gives RTCP back to werift and sends nothing more. Idempotent. */
  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#srtcp.decrypt = this.#decryptRtcp;
    }
  }

  #send(packet: Buffer): void {
    const sending = this.#start(packet);
    if (sending === undefined) {
      this.#errors += 1;
      return;
    }
    this.#bytesInFlight += packet.length;
    const sent = (): void => {
      this.#bytesInFlight -= packet.length;
    };
    sending.then(sent, () => {
      sent();
      this.#errors += 1;
    });
  }

  #start(packet: Buffer): Promise<void> | undefined {
    const { nominated } = this.#connection;
    if (nominated !== undefined && this.#connection.canSendApplicationData()) {
      this.#lastPair = nominated;
      this.#lastPairUsedAtMs = this.#nowMs();
      return this.#connection.send(packet);
    }
    // An ICE restart has forgotten the old pair before there is a new one; media goes on over it until then.
    const restarting = this.#connection.state !== 'failed' && this.#connection.state !== 'closed';
    if (
      restarting &&
      this.#lastPair !== undefined &&
      this.#nowMs() - this.#lastPairUsedAtMs < OLD_PAIR_LIFETIME_MS
    ) {
      return this.#lastPair.protocol.sendData(packet, this.#lastPair.remoteAddr);
    }
    return undefined;
  }
}
