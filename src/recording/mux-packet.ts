/** One encoded picture or sound packet on its way to a muxer. */
export interface MuxPacket {
  readonly kind: 'video' | 'audio';
  readonly bytes: Uint8Array;
  /** Of a picture; true for sound. */
  readonly keyframe: boolean;
  /** Monotonic µs at which it is to be presented: the time of capture, for sound less what the codec delays it. */
  readonly timeUs: number;
}

/** A packet in its place: in the order of the file, and with its length known. */
export interface PlacedPacket extends MuxPacket {
  readonly durationUs: number;
}
