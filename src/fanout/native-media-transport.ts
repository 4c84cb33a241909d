import type { RTCDtlsTransport } from 'werift';

import { StreamKitError } from '../base/errors.js';
import type { Consumer, ConsumerParameters, MediaTransport, Producer } from './media-plane.js';
import type { NativeSrtpParameters } from './native-addon.js';
import { NativeConsumer } from './native-consumer.js';
import type { NativeIceEndpoint } from './native-ice-endpoint.js';
import type { NativePlaneHost } from './native-plane-host.js';
import { NativeProducer } from './native-producer.js';

/** What is used of werift's private parts (werift 0.24.4). */
interface DtlsInternals {
  readonly srtp?: {
    readonly config?: { readonly profile: number; readonly keys?: Omit<NativeSrtpParameters, 'profile'> };
  };
  sendRtp(payload: Buffer, header: unknown): Promise<number>;
  sendRtcp(packets: readonly unknown[]): Promise<void>;
}

/** SRTP protection profiles that the plane knows: RFC 5764 section 4.1.2 and RFC 7714 section 14.2. */
const PROFILES: ReadonlySet<number> = new Set([1, 7]);

/** One viewer's SRTP and SRTCP on the native plane. */
export class NativeMediaTransport implements MediaTransport {
  private readonly id: number;
  private readonly consumers = new Set<NativeConsumer>();
  private droppedAtClose = 0;
  private closed = false;

  /** @throws StreamKitError `internal` where the DTLS transport is not connected, or not as it is known here */
  constructor(
    private readonly host: NativePlaneHost,
    dtlsTransport: RTCDtlsTransport,
    endpoint: NativeIceEndpoint,
    private readonly onClosed: (transport: NativeMediaTransport) => void,
  ) {
    this.id = host.plane.createTransport(endpoint.id, takeOverSrtp(dtlsTransport));
  }

  get rtcpDropped(): number {
    return this.closed ? this.droppedAtClose : this.host.plane.rtcpDropped(this.id);
  }

  consume(producer: Producer, parameters: ConsumerParameters): Consumer {
    if (!(producer instanceof NativeProducer) || producer.isClosed || this.closed) {
      throw new StreamKitError('internal', 'A consumer needs an open producer and transport of one plane.');
    }
    const consumer = new NativeConsumer(this.host, this.id, producer, parameters, (closed) => {
      this.consumers.delete(closed);
    });
    this.consumers.add(consumer);
    return consumer;
  }

  close(): void {
    if (this.closed) {
      return;
    }
    this.droppedAtClose = this.rtcpDropped;
    this.closed = true;
    for (const consumer of [...this.consumers]) {
      consumer.close();
    }
    this.host.plane.closeTransport(this.id);
    this.onClosed(this);
  }
}

/**
 * The keys of a connected DTLS transport, which from here on sends no RTP and no RTCP of its own: a second sender under
 * the same keys would use the nonces of the first again (RFC 7714 section 8.1 and 9.1).
 */
function takeOverSrtp(dtlsTransport: RTCDtlsTransport): NativeSrtpParameters {
  const dtls = dtlsTransport as unknown as DtlsInternals;
  const { profile, keys } = dtls.srtp?.config ?? {};
  if (profile === undefined || !PROFILES.has(profile) || keys === undefined) {
    throw new StreamKitError('internal', 'The DTLS transport has no SRTP session.');
  }
  if (typeof dtls.sendRtp !== 'function' || typeof dtls.sendRtcp !== 'function') {
    throw new StreamKitError('internal', 'The DTLS transport is not as it is known.');
  }
  dtls.sendRtp = () => Promise.resolve(0);
  dtls.sendRtcp = () => Promise.resolve();
  const { localMasterKey, localMasterSalt, remoteMasterKey, remoteMasterSalt } = keys;
  return { profile: profile as 1 | 7, localMasterKey, localMasterSalt, remoteMasterKey, remoteMasterSalt };
}
