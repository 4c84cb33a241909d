/** Bounds of the NAL units of one access unit; the arrays are scratch space that is reused. */
export class AnnexBScanner {
  /** NAL unit `i` is `bytes[starts[i] .. ends[i]]`, without its start code. */
  starts = new Uint32Array(16);
  ends = new Uint32Array(16);

  /**
   * Finds the NAL units between start codes of three or four bytes (ITU-T H.264 annex B).
   *
   * @returns how many there are. Bytes before the first start code belong to none.
   */
  scan(bytes: Buffer): number {
    let count = 0;
    let startCode = bytes.indexOf(START_CODE);
    while (startCode >= 0) {
      const start = startCode + START_CODE.length;
      startCode = bytes.indexOf(START_CODE, start);
      let end = startCode >= 0 ? startCode : bytes.length;
      // A NAL unit never ends in a zero byte: what is there is trailing_zero_8bits, or the leading zero of a
      // four-byte start code.
      while (end > start && bytes[end - 1] === 0) {
        end -= 1;
      }
      if (end > start) {
        if (count === this.starts.length) {
          this.#grow();
        }
        this.starts[count] = start;
        this.ends[count] = end;
        count += 1;
      }
    }
    return count;
  }

  #grow(): void {
    const starts = new Uint32Array(this.starts.length * 2);
    const ends = new Uint32Array(this.ends.length * 2);
    starts.set(this.starts);
    ends.set(this.ends);
    this.starts = starts;
    this.ends = ends;
  }
}

const START_CODE = Buffer.from([0, 0, 1]);
