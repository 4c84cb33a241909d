import { networkInterfaces } from 'node:os';
import { isIPv6 } from 'node:net';

import {
  Candidate,
  type Message,
  RTCDataChannel,
  RTCDataChannelParameters,
  RTCDtlsFingerprint,
  RTCDtlsParameters,
  RTCDtlsTransport,
  RTCIceGatherer,
  RTCIceParameters,
  RTCIceTransport,
  RTCSctpTransport,
} from 'werift';

import type { TransportAttributes } from '../sdp/sdp-transport.js';
import { FIRST_MID, MAX_MESSAGE_BYTES, SCTP_PORT } from '../sdp/viewer-offer.js';
import type { IceCandidateInit } from '../viewer-peer.js';

/** More candidate pairs than this come from no honest viewer; each costs a check and memory. */
const MAX_CANDIDATE_PAIRS = 64;
/** Connectivity checks that are kept for before the answer. */
const MAX_EARLY_CHECKS = 256;
const LOOPBACK_ADDRESS = '127.0.0.1';
/** What werift numbers SRTP_AEAD_AES_128_GCM and SRTP_AES128_CM_HMAC_SHA1_80 by, the better one first (RFC 7714 section 14.2). */
const SRTP_PROFILES: ConstructorParameters<typeof RTCDtlsTransport>[3] = [7, 1];

/**
 * ICE, DTLS and SCTP of one viewer: the transports of werift, without its peer connection. That one has objects for each track and
 * reads and writes descriptions several times, which is most of what a join cost; our offer is written by `writeOffer`, and of
 * the answer only the transport is needed.
 */
export class WeriftConnection {
  readonly iceTransport: RTCIceTransport;
  readonly dtlsTransport: RTCDtlsTransport;
  #sctpTransport: RTCSctpTransport | undefined;

  /** @param listenAddress - undefined: every address of the machine. */
  constructor(listenAddress: string | undefined) {
    const address = listenAddress ?? soleAddress();
    const gatherer = new RTCIceGatherer({
      // werift always adds the addresses of the network interfaces unless it looks for neither family.
      ...(address === undefined
        ? {}
        : {
            useIpv4: false,
            useIpv6: false,
            additionalHostAddresses: [address],
            interfaceAddresses: isIPv6(address) ? { udp6: address } : { udp4: address },
          }),
      filterStunResponse: this.#admitsChecks(),
    });
    this.iceTransport = new RTCIceTransport(gatherer);
    this.dtlsTransport = new RTCDtlsTransport({}, this.iceTransport, undefined, SRTP_PROFILES);
  }

  /** Before the first offer. */
  openDataChannel(label: string): RTCDataChannel {
    this.#sctpTransport = new RTCSctpTransport(SCTP_PORT, MAX_MESSAGE_BYTES);
    this.#sctpTransport.setDtlsTransport(this.dtlsTransport);
    // The viewer may begin before DTLS has told us that it is up.
    this.#sctpTransport.setRemotePort(SCTP_PORT);
    return new RTCDataChannel(this.#sctpTransport, new RTCDataChannelParameters({ label }));
  }

  /** @param onCandidate - is told of each of our candidates, and of their end by null. */
  listenToCandidates(onCandidate: (candidate: IceCandidateInit | null) => void): void {
    this.iceTransport.onIceCandidate.subscribe((candidate) => {
      if (candidate === undefined) {
        onCandidate(null);
        return;
      }
      const { candidate: text, usernameFragment = null } = candidate.toJSON();
      onCandidate({ candidate: `candidate:${text}`, sdpMid: FIRST_MID, sdpMLineIndex: 0, usernameFragment });
    });
  }

  /** Our end for an offer; with `iceRestart` under new credentials, and as if there were no candidates. */
  async describe(iceRestart: boolean): Promise<TransportAttributes> {
    if (iceRestart) this.iceTransport.restart();
    const certificate = await RTCDtlsTransport.SetupCertificate();
    this.dtlsTransport.localCertificate = certificate;
    const { usernameFragment, password } = this.iceTransport.localParameters;
    // RFC 8445 section 6.1.1.
    this.iceTransport.connection.iceControlling = true;
    return {
      iceUfrag: usernameFragment,
      icePwd: password,
      setup: 'actpass',
      fingerprints: certificate.getFingerprints().map(({ algorithm, value }) => `${algorithm} ${value}`),
    };
  }

  /** Resolves when all candidates have been told, which may take seconds. */
  gather(): Promise<void> {
    return this.iceTransport.gather();
  }

  /** @param remote - the viewer's end. */
  accept({ iceUfrag, icePwd, setup, fingerprints }: TransportAttributes): void {
    const { iceTransport, dtlsTransport } = this;
    iceTransport.setRemoteParams(new RTCIceParameters({ usernameFragment: iceUfrag, password: icePwd }));
    const remoteRole = setup === 'active' ? 'client' : 'server';
    dtlsTransport.setRemoteParams(new RTCDtlsParameters(fingerprints.map(readFingerprint), remoteRole));
    dtlsTransport.role = remoteRole === 'client' ? 'server' : 'client';
  }

  /** @param candidate - of the viewer, as `readCandidate` gives it. */
  addCandidate(candidate: string): Promise<void> {
    const { connection } = this.iceTransport;
    return connection.addRemoteCandidate(Candidate.fromSdp(candidate.slice('candidate:'.length)));
  }

  /** ICE, then DTLS and SCTP if they are not up. Rejects if they cannot be. */
  async connect(): Promise<void> {
    await this.#startIce();
    if (this.#isSecure()) return;
    await this.dtlsTransport.start();
    // Whoever was told that it is may have closed it.
    if (!this.#isSecure()) return;
    await this.#sctpTransport?.start(SCTP_PORT);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.dtlsTransport.stop();
    await this.#sctpTransport?.stop();
  }

  #isSecure(): boolean {
    return this.dtlsTransport.state === 'connected';
  }

  /** A pair may be there before werift, which looks every 20 ms, says that it has one. */
  async #startIce(): Promise<void> {
    let unSubscribe = (): void => undefined;
    const connected = new Promise<void>((resolve) => {
      ({ unSubscribe } = this.iceTransport.onStateChange.subscribe((state) => {
        if (state === 'connected') resolve();
      }));
    });
    await Promise.race([this.iceTransport.start(), connected]).finally(unSubscribe);
  }

  /**
   * Which binding requests are answered. werift keeps a pair for every source of one before it has authenticated any: RFC 8445
   * section 7.3 leaves the bound to the agent.
   */
  #admitsChecks(): (request: Message, source: readonly [string, number]) => boolean {
    const usernames = new Set<string>();
    let earlyChecks = 0;
    let earlyChecksOf = '';
    return (request, [host, port]) => {
      const { localUsername, candidatePairs } = this.iceTransport.connection;
      usernames.add(localUsername);
      // RFC 8445 section 7.2.2: the username of a check is ours, a colon, and the sender's. Those of before a restart
      // are still good for consent checks on the old pair.
      const username: unknown = request.getAttributeValue('USERNAME');
      if (typeof username !== 'string' || !usernames.has(username.split(':')[0] ?? '')) return false;
      if (candidatePairs.length === 0) {
        // Each ICE restart begins without pairs, and the viewer's checks come before its answer as they did the first time.
        earlyChecks = localUsername === earlyChecksOf ? earlyChecks + 1 : 1;
        earlyChecksOf = localUsername;
        return earlyChecks <= MAX_EARLY_CHECKS;
      }
      const isKnown = candidatePairs.some(
        ({ remoteAddr }) => remoteAddr[0] === host && remoteAddr[1] === port,
      );
      return isKnown || candidatePairs.length < MAX_CANDIDATE_PAIRS;
    };
  }
}

function readFingerprint(fingerprint: string): RTCDtlsFingerprint {
  const [algorithm = '', value = ''] = fingerprint.split(' ');
  return new RTCDtlsFingerprint(algorithm, value);
}

/** Where the machine has no other. */
export function soleAddress(): string | undefined {
  return hasExternalAddress() ? undefined : LOOPBACK_ADDRESS;
}

function hasExternalAddress(): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((address) => !address.internal),
  );
}
