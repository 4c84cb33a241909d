const WINDOW = 8;
const SAMPLES = WINDOW * WINDOW;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

/** Structural similarity of luma (Wang et al. 2004), the mean over windows of 8 x 8 that do not overlap; 1 for equal pictures. */
export function structuralSimilarity(a: Uint8Array, b: Uint8Array, width: number, height: number): number {
  let sum = 0;
  let windows = 0;
  for (let y = 0; y + WINDOW <= height; y += WINDOW) {
    for (let x = 0; x + WINDOW <= width; x += WINDOW) {
      sum += windowSimilarity(a, b, y * width + x, width);
      windows += 1;
    }
  }
  return sum / windows;
}

function windowSimilarity(a: Uint8Array, b: Uint8Array, from: number, stride: number): number {
  let [sumA, sumB, sumAA, sumBB, sumAB] = [0, 0, 0, 0, 0];
  for (let row = 0; row < WINDOW; row++) {
    for (let at = from + row * stride; at < from + row * stride + WINDOW; at++) {
      const [valueA = 0, valueB = 0] = [a[at], b[at]];
      sumA += valueA;
      sumB += valueB;
      sumAA += valueA * valueA;
      sumBB += valueB * valueB;
      sumAB += valueA * valueB;
    }
  }
  const [meanA, meanB] = [sumA / SAMPLES, sumB / SAMPLES];
  const varianceA = sumAA / SAMPLES - meanA * meanA;
  const varianceB = sumBB / SAMPLES - meanB * meanB;
  const covariance = sumAB / SAMPLES - meanA * meanB;
  return (
    ((2 * meanA * meanB + C1) * (2 * covariance + C2)) /
    ((meanA * meanA + meanB * meanB + C1) * (varianceA + varianceB + C2))
  );
}
