/** Names of the layers, the best first, as SFUs know them: those of fewer layers are the last ones. */
const RIDS = ['f', 'h', 'q'] as const;
/** A smaller layer is not worth its encoding, lines. */
const LEAST_HEIGHT = 160;

/**
 * Names of the layers in which pictures of this height are offered, the best first.
 *
 * @param most - encodings that there may be.
 * @returns undefined: there is only one.
 */
export function layersFor(height: number, most: number): readonly [string, string, ...string[]] | undefined {
  const worth = RIDS.filter((_, index) => index === 0 || height * scaleOfLayer(index) >= LEAST_HEIGHT).length;
  const count = Math.min(worth, most);
  const [first, second, ...others] = RIDS.slice(RIDS.length - count);
  return first === undefined || second === undefined ? undefined : [first, second, ...others];
}

/** Share of the sides of the whole picture that a layer has. @param index - 0 is the best one. */
export function scaleOfLayer(index: number): number {
  return 1 / 2 ** index;
}
