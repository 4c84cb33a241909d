import type { Frame } from 'node-av/lib';

import { asError } from '../../base/errors.js';
import type { VideoCodec } from './encoded-frame.js';
import type { EncoderReplacement } from './encode-thread.js';
import type { EncoderCandidate } from './encoder-candidate.js';
import type {
  PictureFormat,
  PictureTimes,
  VideoEncoder,
  VideoEncoderListener,
  VideoEncoderParameters,
} from './video-encoder.js';

export type OpenVideoEncoder = (
  candidate: EncoderCandidate,
  parameters: VideoEncoderParameters,
  listener: VideoEncoderListener,
) => VideoEncoder;

export interface FailoverListener extends VideoEncoderListener {
  /** The next picture fed comes out as a keyframe; where the encoder broke inside of `encode`, that picture does. */
  onReplaced(replacement: Omit<EncoderReplacement, 'rung'>): void;
}

/**
 * Encodes with the first candidate that opens, and with the next one as soon as it breaks. A candidate that failed is
 * not tried again: a driver that was reset may work the next time that somebody starts to encode.
 */
export class FailoverVideoEncoder implements VideoEncoder {
  readonly codec: VideoCodec;
  readonly #candidates: readonly EncoderCandidate[];
  /** Index of the one that is tried next. */
  #next = 0;
  readonly #openCandidate: OpenVideoEncoder;
  readonly #listener: FailoverListener;
  #parameters: VideoEncoderParameters;
  #current: VideoEncoder;
  #closed = false;

  /**
   * @param candidates - best first.
   * @throws Error with the last reason when none opens.
   */
  constructor(
    candidates: readonly EncoderCandidate[],
    openCandidate: OpenVideoEncoder,
    parameters: VideoEncoderParameters,
    listener: FailoverListener,
  ) {
    this.codec = parameters.codec;
    this.#candidates = candidates;
    this.#openCandidate = openCandidate;
    this.#parameters = parameters;
    this.#listener = listener;
    this.#current = this.#openNext(undefined);
  }

  get name(): string {
    return this.#current.name;
  }

  /** Index of the candidate that encodes. */
  get candidate(): number {
    return this.#next - 1;
  }

  encode(picture: Frame, times: PictureTimes, keyframe: boolean): void {
    this.#untilOneDoes((encoder) => encoder.encode(picture, times, keyframe));
  }

  setBitrate(bitrateBps: number): void {
    this.#parameters = { ...this.#parameters, bitrateBps };
    this.#untilOneDoes((encoder) => encoder.setBitrate(bitrateBps));
  }

  reconfigure(format: PictureFormat): void {
    this.#parameters = { ...this.#parameters, ...format };
    this.#untilOneDoes((encoder) => encoder.reconfigure(format));
  }

  close(): void {
    this.#closed = true;
    this.#current.close();
  }

  /** @throws Error when the last one is broken. */
  #untilOneDoes(work: (encoder: VideoEncoder) => void): void {
    while (!this.#closed) {
      const encoder = this.#current;
      try {
        work(encoder);
        return;
      } catch (error) {
        // One that reported its failure on the way has already been replaced.
        if (this.#current === encoder) this.#replace(asError(error));
      }
    }
  }

  #replace(error: Error): void {
    const failed = this.#current;
    failed.close();
    this.#current = this.#openNext({ name: failed.name, error });
  }

  #openNext(failed: { readonly name: string; readonly error: Error } | undefined): VideoEncoder {
    let last = failed;
    for (;;) {
      const candidate = this.#candidates[this.#next];
      if (!candidate) {
        throw new Error(`No encoder is left for ${this.codec}: ${last?.error.message ?? 'none was named'}`);
      }
      this.#next += 1;
      let encoder: VideoEncoder;
      try {
        encoder = this.#open(candidate);
      } catch (error) {
        last = { name: candidate.name, error: asError(error) };
        continue;
      }
      if (last) {
        const { name, error } = last;
        this.#listener.onReplaced({
          codec: this.codec,
          failed: name,
          next: encoder.name,
          reason: error.message,
          candidate: this.candidate,
        });
      }
      return encoder;
    }
  }

  #open(candidate: EncoderCandidate): VideoEncoder {
    // What an encoder still says after it was replaced is not heard.
    const isCurrent = (): boolean => opened === this.#current && !this.#closed;
    const opened: VideoEncoder = this.#openCandidate(candidate, this.#parameters, {
      onCompressed: (picture) => {
        if (isCurrent()) this.#listener.onCompressed(picture);
      },
      onDropped: () => {
        if (isCurrent()) this.#listener.onDropped();
      },
      onFailed: (error) => {
        if (isCurrent()) this.#onFailed(error);
      },
    });
    return opened;
  }

  #onFailed(error: Error): void {
    try {
      this.#replace(error);
    } catch (noneLeft) {
      this.#listener.onFailed(asError(noneLeft));
    }
  }
}
