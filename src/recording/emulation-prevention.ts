const EMULATION_PREVENTION = Buffer.from([0, 0, 3]);

/** A 3 after two zeros is none of the payload's bytes (ITU-T H.264 and H.265, section 7.4.1 and 7.4.2). */
export function withoutEmulationPrevention(nal: Buffer): Buffer {
  const parts: Buffer[] = [];
  let start = 0;
  for (;;) {
    const at = nal.indexOf(EMULATION_PREVENTION, start);
    if (at < 0) break;
    parts.push(nal.subarray(start, at + 2));
    start = at + 3;
  }
  parts.push(nal.subarray(start));
  return Buffer.concat(parts);
}
