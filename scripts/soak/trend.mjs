// How a measured quantity develops.

/** Theil and Sen's estimator: the median of the slopes between all pairs, which single outliers do not move. */
export function slopePerHour(points) {
  const slopes = points.flatMap((a, index) =>
    points.slice(index + 1).map((b) => (b.value - a.value) / (b.atMs - a.atMs)),
  );
  return slopes.length === 0 ? 0 : median(slopes) * 3_600_000;
}

/** From the least of the first third to that of the last: work that waits adds for a while, what is kept for good. */
export function growth(points) {
  const third = Math.max(1, Math.floor(points.length / 3));
  const least = (some) => Math.min(...some.map(({ value }) => value));
  return least(points.slice(-third)) - least(points.slice(0, third));
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
