import type { EncodedAudio } from '../encode/encoded-frame.js';
import { checkMaxPayloadBytes, PayloadWriter } from './payload-writer.js';
import { DEFAULT_MAX_PAYLOAD_BYTES, type RtpPayloads } from './rtp-payloads.js';

/** RTP clock of Opus (RFC 7587 section 4.1). */
const TICKS_PER_US = 48_000 / 1_000_000;
const TIMESTAMP_MODULUS = 2 ** 32;

/**
 * One Opus packet is one RTP payload (RFC 7587 section 4.2): there is no fragmentation. A packet larger than a
 * payload, which takes a bitrate far beyond what this server sets, gives no payload, and so does an empty one.
 */
export class OpusPayloader {
  readonly #maxPayloadBytes: number;
  readonly #toleratedUs: number;

  /**
   * @param toleratedMs - sound is stamped as if it had been captured later by this much. A receiver then takes it for in
   *   step with its picture while it is late by about that, and holds no picture back for it.
   * @throws StreamKitError `bad_option`
   */
  constructor(toleratedMs = 0, maxPayloadBytes: number = DEFAULT_MAX_PAYLOAD_BYTES) {
    this.#toleratedUs = toleratedMs * 1000;
    this.#maxPayloadBytes = checkMaxPayloadBytes(maxPayloadBytes);
  }

  /** The result shares no memory with the frame. `keyframe` is true: every packet can be decoded from. */
  payload(frame: EncodedAudio): RtpPayloads {
    const { bytes } = frame;
    const fits = bytes.length > 0 && bytes.length <= this.#maxPayloadBytes;
    const writer = new PayloadWriter(fits ? bytes.length : 0, 1);
    if (fits) {
      writer.writeBytes(bytes, 0, bytes.length);
      writer.endPayload();
    }
    return writer.finish({
      keyframe: true,
      rtpTimestamp: (frame.rtpTimestamp + Math.round(this.#toleratedUs * TICKS_PER_US)) % TIMESTAMP_MODULUS,
      captureTimeUs: frame.captureTimeUs + this.#toleratedUs,
    });
  }
}
