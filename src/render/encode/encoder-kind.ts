import type { EncoderCandidate } from './encoder-candidate.js';

/** Of hardware: `nvenc`, `vaapi` or `qsv`. Undefined: it encodes in software. */
export function kindOf({ name }: EncoderCandidate): string | undefined {
  return /_(nvenc|vaapi|qsv)$/.exec(name)?.[1];
}
