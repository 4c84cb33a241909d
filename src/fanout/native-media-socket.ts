import { closeSync } from 'node:fs';

import { asError, StreamKitError } from '../base/errors.js';
import type { Producer } from './media-plane.js';
import type { MediaSocket, MediaSocketFailure } from './media-plane.js';
import type { NativePlaneHost } from './native-plane-host.js';
import { NativeProducer } from './native-producer.js';

/** A media socket of the addon. */
export class NativeMediaSocket implements MediaSocket {
  readonly fd: number;
  readonly #host: NativePlaneHost;
  readonly #id: number;
  #isHandedOver = false;
  #closed = false;

  /** @throws StreamKitError `unavailable` if there are no descriptors. */
  constructor(host: NativePlaneHost, onFailed: (reason: MediaSocketFailure) => void) {
    this.#host = host;
    try {
      const { id, fd } = host.plane.openMediaSocket();
      this.#id = id;
      this.fd = fd;
    } catch (thrown) {
      const cause = asError(thrown);
      throw new StreamKitError('unavailable', 'No media socket could be opened', { cause });
    }
    host.mediaSocketListeners.set(this.#id, onFailed);
  }

  handedOver(): void {
    if (this.#isHandedOver) return;
    this.#isHandedOver = true;
    closeSync(this.fd);
  }

  bind(slot: number, producer: Producer): void {
    if (!(producer instanceof NativeProducer)) {
      throw new StreamKitError('internal', 'The producer is of another media plane');
    }
    if (this.#closed || producer.isClosed) return;
    this.#host.plane.bindMediaStream(this.#id, slot, producer.id);
    producer.feedBySocket();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.handedOver();
    this.#host.mediaSocketListeners.delete(this.#id);
    this.#host.plane.closeMediaSocket(this.#id);
  }
}
