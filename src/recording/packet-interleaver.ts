import type { MuxPacket, PlacedPacket } from './mux-packet.js';

/** Length of an Opus packet, µs. */
export const AUDIO_PACKET_US = 20_000;

/**
 * How long a packet waits for those of the other track that belong before it, µs. Sound comes about 60 ms later than
 * its picture; what comes later than this is dropped.
 */
export const HOLD_US = 500_000;

/** 20 ms of stereo in which nothing is heard: CELT, full band, the silence flag set (RFC 6716 section 4.3). */
const SILENCE = Uint8Array.of(0xfc, 0xff, 0xfe);

/**
 * Puts pictures and sound into the order of their times, which WebM demands across tracks, and gives each picture the
 * time to the next one as its length. Where the page makes no sound there is silence: a player that is given a track
 * with holes stops at them. Begins with the first keyframe. Bounded by {@link HOLD_US}: what is older leaves.
 */
export class PacketInterleaver {
  readonly #hasAudio: boolean;
  readonly #video: MuxPacket[] = [];
  readonly #audio: MuxPacket[] = [];
  #begun = false;
  #newestVideoUs = -Infinity;
  #videoEndUs = -Infinity;
  #newestAudioUs = -Infinity;
  #audioEndUs = Infinity;
  #lastTakenUs = -Infinity;
  #dropped = 0;

  constructor(hasAudio: boolean) {
    this.#hasAudio = hasAudio;
  }

  /** Packets that came too late, or out of order. */
  get dropped(): number {
    return this.#dropped;
  }

  push(packet: MuxPacket): void {
    if (packet.kind === 'video') this.#pushVideo(packet);
    else this.#pushAudio(packet);
  }

  /** What is complete, oldest first. @param nowUs - monotonic. */
  take(nowUs: number): PlacedPacket[] {
    return this.#take(nowUs - HOLD_US, nowUs - HOLD_US / 2);
  }

  /** All that is left; the last picture lasts until `nowUs`. */
  takeAll(nowUs: number): PlacedPacket[] {
    return this.#take(Infinity, nowUs);
  }

  #pushVideo(packet: MuxPacket): void {
    if (!this.#begun) {
      if (!packet.keyframe) return;
      this.#begun = true;
      // Sound from before the first picture.
      this.#lastTakenUs = this.#audioEndUs = packet.timeUs;
      while ((this.#audio[0]?.timeUs ?? Infinity) < packet.timeUs) this.#audio.shift();
    }
    if (packet.timeUs <= this.#newestVideoUs || packet.timeUs < this.#lastTakenUs) {
      this.#dropped++;
      return;
    }
    // One whose predecessor was given a longer time, because it was so late.
    const timeUs = Math.max(packet.timeUs, this.#videoEndUs);
    this.#newestVideoUs = timeUs;
    this.#video.push({ ...packet, timeUs });
  }

  #pushAudio(packet: MuxPacket): void {
    // A step back of the sound's own clock must not put two packets into one place.
    if (packet.timeUs < this.#newestAudioUs + AUDIO_PACKET_US / 2 || packet.timeUs < this.#lastTakenUs) {
      if (this.#begun) this.#dropped++;
      return;
    }
    this.#newestAudioUs = packet.timeUs;
    this.#audio.push(packet);
    // Before the first picture only the newest may belong to the file.
    if (!this.#begun && this.#audio.length > HOLD_US / AUDIO_PACKET_US) this.#audio.shift();
  }

  /** @param lastEndUs - until when a picture lasts whose next is not known. */
  #take(overdueUs: number, lastEndUs: number): PlacedPacket[] {
    const taken: PlacedPacket[] = [];
    if (!this.#begun) return taken;
    for (;;) {
      const [video, nextVideo] = this.#video;
      const [audio] = this.#audio;
      const first = pickFirst(video, audio);
      if (first === undefined) return taken;
      const otherIsAhead =
        first === video
          ? !this.#hasAudio || this.#newestAudioUs >= first.timeUs
          : this.#newestVideoUs >= first.timeUs;
      const lengthIsKnown = first !== video || nextVideo !== undefined;
      if (!(otherIsAhead && lengthIsKnown) && first.timeUs > overdueUs) return taken;
      if (this.#hasAudio) taken.push(...this.#silenceUpTo(first.timeUs));
      this.#lastTakenUs = first.timeUs;
      if (first === video) {
        this.#video.shift();
        this.#videoEndUs = nextVideo?.timeUs ?? Math.max(lastEndUs, first.timeUs + 1000);
        taken.push({ ...first, durationUs: this.#videoEndUs - first.timeUs });
      } else {
        this.#audio.shift();
        this.#audioEndUs = first.timeUs + AUDIO_PACKET_US;
        taken.push({ ...first, durationUs: AUDIO_PACKET_US });
      }
    }
  }

  /** What belongs before a packet of `timeUs` where there is no sound; a file begins with the picture of its time. */
  #silenceUpTo(timeUs: number): PlacedPacket[] {
    const silence: PlacedPacket[] = [];
    const nextSoundUs = this.#audio[0]?.timeUs ?? timeUs;
    while (this.#audioEndUs < timeUs && this.#audioEndUs + AUDIO_PACKET_US <= nextSoundUs) {
      const placedUs = Math.max(this.#audioEndUs, this.#lastTakenUs);
      silence.push({
        kind: 'audio',
        bytes: SILENCE,
        keyframe: true,
        timeUs: placedUs,
        durationUs: AUDIO_PACKET_US,
      });
      this.#audioEndUs = placedUs + AUDIO_PACKET_US;
      // Sound that comes after all must not lie upon it.
      this.#newestAudioUs = Math.max(this.#newestAudioUs, placedUs);
    }
    return silence;
  }
}

/** The older of the two; the picture where they are of one time. */
function pickFirst(video: MuxPacket | undefined, audio: MuxPacket | undefined): MuxPacket | undefined {
  if (video === undefined || audio === undefined) return video ?? audio;
  return video.timeUs <= audio.timeUs ? video : audio;
}
