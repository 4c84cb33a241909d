/** One size of the pictures in a simulcast. */
interface SimulcastLayer {
  /** As browsers and SFUs name a full, half and quarter one. */
  readonly rid: string;
  /** Share of the sides of the whole picture. */
  readonly scale: number;
}

/** The best first. */
const LAYERS: readonly SimulcastLayer[] = [
  { rid: 'f', scale: 1 },
  { rid: 'h', scale: 1 / 2 },
  { rid: 'q', scale: 1 / 4 },
];
/** A smaller layer is not worth its encoding, lines. */
const LEAST_HEIGHT = 160;

/**
 * Names of the layers in which pictures of this height are offered, the best first.
 *
 * @param most - encodings that there may be.
 * @returns undefined: there is only one.
 */
export function layersFor(height: number, most: number): readonly [string, string, ...string[]] | undefined {
  const rids = LAYERS.filter(({ scale }) => scale === 1 || height * scale >= LEAST_HEIGHT).map(
    ({ rid }) => rid,
  );
  const [first, second, ...others] = rids.slice(0, most);
  return first === undefined || second === undefined ? undefined : [first, second, ...others];
}

/** Share of the sides of the whole picture that a layer has. */
export function scaleOfLayer(rid: string | undefined): number {
  return LAYERS.find((layer) => layer.rid === rid)?.scale ?? 1;
}
