export interface HlsSegment {
  readonly bytes: Uint8Array;
  readonly durationMs: number;
  /** When it begins, ms since the epoch. */
  readonly startTimeMs: number;
}

interface HeldSegment extends HlsSegment {
  readonly sequence: number;
  readonly init: HlsInit;
  /** Changes of the init up to this segment, its own included. */
  readonly discontinuities: number;
}

interface HlsInit {
  /** Sequence number of its first segment. */
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/**
 * Most bytes that segments may take, those included that have left the playlist; beyond it the oldest go. Reached only
 * far above the bit rates that are meant for HLS.
 */
const MAX_BYTES = 128 * 1024 * 1024;

/**
 * The newest segments of a live stream, and their playlist (RFC 8216). A segment can be had for as long again as the
 * playlist is, after it has left it (section 6.2.2).
 */
export class HlsWindow {
  readonly #segmentMs: number;
  readonly #length: number;
  readonly #held: HeldSegment[] = [];
  #init: HlsInit | undefined;
  #nextSequence: number;
  #bytes = 0;

  /**
   * @param segmentMs - how long segments are meant to be.
   * @param length - segments in the playlist.
   * @param firstSequence - beyond all that were in an earlier window under the same address.
   */
  constructor(segmentMs: number, length: number, firstSequence = 0) {
    this.#segmentMs = segmentMs;
    this.#length = length;
    this.#nextSequence = firstSequence;
  }

  get nextSequence(): number {
    return this.#nextSequence;
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** What the segments from now on need before them. */
  beginInit(bytes: Uint8Array): void {
    this.#init = { sequence: this.#nextSequence, bytes };
  }

  add(segment: HlsSegment): void {
    if (this.#init === undefined) return;
    const last = this.#held.at(-1);
    const changed = last !== undefined && last.init !== this.#init;
    this.#held.push({
      ...segment,
      sequence: this.#nextSequence++,
      init: this.#init,
      discontinuities: (last?.discontinuities ?? 0) + (changed ? 1 : 0),
    });
    this.#bytes += segment.bytes.byteLength;
    while (this.#held.length > 2 * this.#length || (this.#bytes > MAX_BYTES && this.#held.length > 1)) {
      this.#bytes -= this.#held.shift()?.bytes.byteLength ?? 0;
    }
  }

  /** @returns undefined for what is no name of a file that is there. */
  file(name: string): Uint8Array | undefined {
    const match = /^(segment|init)-(\d{1,15})\.(?:m4s|mp4)$/.exec(name);
    const sequence = Number(match?.[2]);
    if (match?.[1] === 'segment') return this.#held.find((segment) => segment.sequence === sequence)?.bytes;
    return this.#held.find(({ init }) => init.sequence === sequence)?.init.bytes;
  }

  /** The playlist as it is now; its addresses are relative to its own. */
  playlist(): string {
    const listed = this.#listed();
    // A keyframe that comes late makes a longer segment; no rounded length may be above this (section 4.3.3.1).
    const longestMs = Math.max(this.#segmentMs + 1000, ...listed.map(({ durationMs }) => durationMs));
    const lines = [
      '#EXTM3U',
      '#EXT-X-VERSION:7',
      '#EXT-X-INDEPENDENT-SEGMENTS',
      `#EXT-X-TARGETDURATION:${Math.ceil(longestMs / 1000)}`,
      `#EXT-X-MEDIA-SEQUENCE:${listed[0]?.sequence ?? this.#nextSequence}`,
      `#EXT-X-DISCONTINUITY-SEQUENCE:${listed[0]?.discontinuities ?? 0}`,
    ];
    let init: HlsInit | undefined;
    for (const segment of listed) {
      if (segment.init !== init) {
        if (init !== undefined) lines.push('#EXT-X-DISCONTINUITY');
        lines.push(`#EXT-X-MAP:URI="init-${segment.init.sequence}.mp4"`);
        lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(segment.startTimeMs).toISOString()}`);
        init = segment.init;
      }
      lines.push(`#EXTINF:${(segment.durationMs / 1000).toFixed(3)},`, `segment-${segment.sequence}.m4s`);
    }
    return `${lines.join('\n')}\n`;
  }

  #listed(): HeldSegment[] {
    return this.#held.slice(-this.#length);
  }
}
