import type { EncodedAudio, EncodedFrame } from '../render/encode/encoded-frame.js';
import { type RenderStream, videoStream } from '../protocol/video-stream.js';
import type { PacketSink } from '../recording/packet-source.js';

interface Tap {
  readonly streams: readonly RenderStream[];
  readonly sink: PacketSink;
}

/** Who gets whole encoded frames in this process: a stream is tapped while somebody wants it. */
export class FrameTaps {
  readonly #setTapped: (stream: RenderStream, tapped: boolean) => void;
  readonly #taps = new Set<Tap>();
  readonly #holders = new Map<RenderStream, number>();

  /** @param setTapped - called only when it changes. */
  constructor(setTapped: (stream: RenderStream, tapped: boolean) => void) {
    this.#setTapped = setTapped;
  }

  get hasSinks(): boolean {
    return this.#taps.size > 0;
  }

  /** The stream stays tapped from now on. */
  hold(stream: RenderStream): void {
    const holders = this.#holders.get(stream) ?? 0;
    this.#holders.set(stream, holders + 1);
    if (holders === 0) this.#setTapped(stream, true);
  }

  /** @returns what ends it; false if it had ended. */
  add(streams: readonly RenderStream[], sink: PacketSink): () => boolean {
    const tap: Tap = { streams, sink };
    this.#taps.add(tap);
    for (const stream of streams) this.hold(stream);
    return () => {
      if (!this.#taps.delete(tap)) return false;
      for (const stream of streams) this.#release(stream);
      return true;
    };
  }

  onEncodedFrame(frame: EncodedFrame): void {
    const stream = videoStream(frame.codec, frame.rung);
    for (const { streams, sink } of this.#taps) if (streams.includes(stream)) sink.onEncodedFrame(frame);
  }

  onEncodedAudio(packet: EncodedAudio): void {
    for (const { streams, sink } of this.#taps) if (streams.includes('opus')) sink.onEncodedAudio(packet);
  }

  /** Nothing more comes. Resolves when every sink is done. */
  async end(): Promise<void> {
    const sinks = [...this.#taps].map(({ sink }) => sink);
    await Promise.all(sinks.map((sink) => sink.onSourceEnded()));
  }

  #release(stream: RenderStream): void {
    const holders = (this.#holders.get(stream) ?? 1) - 1;
    this.#holders.set(stream, holders);
    if (holders === 0) this.#setTapped(stream, false);
  }
}
