import type { VideoCodec } from '../../protocol/video-codecs.js';
import { h264CodecOf, KIND_KEYFRAME, type StreamChunk } from './stream-chunk.js';

/** What WebCodecs calls a codec, by a keyframe of it. */
const DECODER_NAMES: Readonly<Record<VideoCodec, (keyframe: Uint8Array) => string>> = {
  h264: h264CodecOf,
  vp8: () => 'vp8',
  // Profile 0, level 5.1, 8 bits: a picture of VP9 does not tell its level, and no decoder is refused for one that is too high.
  vp9: () => 'vp09.00.51.08',
  av1: () => 'av01.0.13M.08',
  // Main, level 5.1.
  h265: () => 'hev1.1.6.L153.B0',
};

/**
 * Pictures that wait for the decoder at most; beyond it they are dropped up to a keyframe. About what comes at once when
 * a WebSocket that was cut has been opened anew.
 */
const MAX_WAITING_PICTURES = 30;
/** A keyframe that has not come by now is asked for, ms. */
const KEYFRAME_PATIENCE_MS = 1500;
/** Sound that waits for the decoder at most, packets of 20 ms; beyond it it is dropped. */
const MAX_WAITING_SOUND = 25;
/** Sound that comes this much later than the soonest did is dropped, so that it does not fall behind the picture, µs. */
const MAX_SOUND_LAG_US = 250_000;
/** What the soonest is taken to be later by with each packet, so that clocks may drift. 0.5 ‰ of 20 ms. */
const SOUND_DRIFT_US = 10;

export interface DecoderListener<Output> {
  onOutput(output: Output): void;
  /** What came cannot be decoded; told once until something can be. */
  onError(error: Error): void;
}

/** Decodes pictures. Whatever is missing or broken, it goes on at the next keyframe. */
export class PictureDecoder {
  readonly #listener: DecoderListener<VideoFrame> & { onKeyframeWanted(): void };
  #decoder: VideoDecoder | undefined;
  #codec = '';
  #failing = false;
  /** Since when a keyframe is waited for, ms; undefined while none is. */
  #waitingSinceMs: number | undefined = performance.now();
  decoded = 0;
  dropped = 0;

  /** `onKeyframeWanted`: nothing can be shown before a keyframe, and none has come for long. */
  constructor(listener: DecoderListener<VideoFrame> & { onKeyframeWanted(): void }) {
    this.#listener = listener;
  }

  /** Chunks before the next one are missing. */
  skip(): void {
    this.#waitingSinceMs ??= performance.now();
  }

  decode({ kind, timestampUs, data }: StreamChunk, codec: VideoCodec): void {
    if (kind === KIND_KEYFRAME) {
      this.#waitingSinceMs = undefined;
      this.#configure(DECODER_NAMES[codec](data));
    } else if ((this.#decoder?.decodeQueueSize ?? 0) >= MAX_WAITING_PICTURES) this.skip();
    if (this.#waitingSinceMs !== undefined || this.#decoder === undefined) {
      this.dropped++;
      this.#askForKeyframe();
      return;
    }
    const type = kind === KIND_KEYFRAME ? 'key' : 'delta';
    try {
      this.#decoder.decode(new EncodedVideoChunk({ type, timestamp: timestampUs, data }));
    } catch (thrown) {
      this.#fail(thrown as Error);
    }
  }

  close(): void {
    closeDecoder(this.#decoder);
    this.#decoder = undefined;
  }

  #askForKeyframe(): void {
    const now = performance.now();
    if (now - (this.#waitingSinceMs ?? now) < KEYFRAME_PATIENCE_MS) return;
    this.#waitingSinceMs = now;
    this.#listener.onKeyframeWanted();
  }

  #configure(codec: string): void {
    // A keyframe of a decoder that is far behind: what waits before it is not shown any more.
    const isBehind = (this.#decoder?.decodeQueueSize ?? 0) >= MAX_WAITING_PICTURES;
    if (this.#decoder !== undefined && codec === this.#codec && !isBehind) return;
    this.close();
    const decoder: VideoDecoder = new VideoDecoder({
      output: (frame) => {
        if (this.#decoder !== decoder) {
          frame.close();
          return;
        }
        this.#failing = false;
        this.decoded++;
        this.#listener.onOutput(frame);
      },
      error: (error) => {
        if (this.#decoder === decoder) this.#fail(error);
      },
    });
    this.#codec = codec;
    this.#decoder = decoder;
    try {
      decoder.configure({ codec, optimizeForLatency: true });
    } catch (thrown) {
      this.#fail(thrown as Error);
    }
  }

  #fail(error: Error): void {
    this.close();
    this.skip();
    if (!this.#failing) this.#listener.onError(error);
    this.#failing = true;
  }
}

/** Decodes Opus. */
export class SoundDecoder {
  readonly #listener: DecoderListener<AudioData>;
  #decoder: AudioDecoder | undefined;
  #failing = false;
  /** Least difference between this clock and the server's, µs. */
  #soonestUs = Infinity;

  constructor(listener: DecoderListener<AudioData>) {
    this.#listener = listener;
  }

  decode({ timestampUs, data }: StreamChunk): void {
    const differenceUs = performance.now() * 1000 - timestampUs;
    this.#soonestUs = Math.min(this.#soonestUs + SOUND_DRIFT_US, differenceUs);
    if (differenceUs - this.#soonestUs > MAX_SOUND_LAG_US) return;
    try {
      this.#decoder ??= this.#open();
      if (this.#decoder.decodeQueueSize >= MAX_WAITING_SOUND) return;
      this.#decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp: timestampUs, data }));
    } catch (thrown) {
      this.#fail(thrown as Error);
    }
  }

  close(): void {
    closeDecoder(this.#decoder);
    this.#decoder = undefined;
  }

  #open(): AudioDecoder {
    const decoder: AudioDecoder = new AudioDecoder({
      output: (sound) => {
        if (this.#decoder !== decoder) {
          sound.close();
          return;
        }
        this.#failing = false;
        this.#listener.onOutput(sound);
      },
      error: (error) => {
        if (this.#decoder === decoder) this.#fail(error);
      },
    });
    decoder.configure({ codec: 'opus', sampleRate: 48_000, numberOfChannels: 2 });
    return decoder;
  }

  #fail(error: Error): void {
    this.close();
    if (!this.#failing) this.#listener.onError(error);
    this.#failing = true;
  }
}

function closeDecoder(decoder: VideoDecoder | AudioDecoder | undefined): void {
  // One that failed has closed itself.
  if (decoder !== undefined && decoder.state !== 'closed') decoder.close();
}
