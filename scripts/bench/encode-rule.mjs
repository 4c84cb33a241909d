// What follows from the figures of the encoders: a table to compare them by, and which of them should be a default.

/** One that sends more than this share of its target is compared at more bits than the others have. */
const FAIR_SHARE = 1.1;
/** Of the time between two pictures at 30 frames/s: with more, the page and a second rung have no room on two cores. */
const CPU_BUDGET_MS = 17;
/** SSIM that a viewer sees, and what is no difference. */
const BETTER = 0.005;
const ALIKE = 0.001;
/** CPU time as a share of the reference's that is no more, and that is less. */
const NO_MORE_CPU = 1.25;
const LESS_CPU = 0.8;

/**
 * @typedef {object} Measured
 * @property {string} encoder - FFmpeg's name.
 * @property {string} setting
 * @property {boolean} own - it is what the product uses.
 * @property {string} size
 * @property {string} content
 * @property {number} targetKbps
 * @property {number} kbps
 * @property {number} cpuMs - per picture.
 * @property {number} ssim
 */

/** @param {Pick<Measured, 'encoder' | 'setting' | 'own'>} measured */
export function settingName({ encoder, setting, own }) {
  return `${encoder} ${setting}${own ? ' *' : ''}`;
}

/** One line per encoder, setting and size; CPU time per picture, SSIM and bit rate by content. @param {Measured[]} measured */
export function comparison(measured) {
  const lines = new Map();
  for (const one of measured) {
    const { size, content, targetKbps, kbps, cpuMs, ssim } = one;
    const name = settingName(one);
    const key = `${size} ${name}`;
    const line = lines.get(key) ?? { size, encoder: name };
    const more = kbps > targetKbps * FAIR_SHARE ? ' !' : '';
    line[content] = `${cpuMs.toFixed(1)} ms ${ssim.toFixed(4)} ${(kbps / 1000).toFixed(1)}M${more}`;
    lines.set(key, line);
  }
  return [...lines.values()];
}

/**
 * Who beats the reference. It takes no more CPU time and is visibly better, or takes less and is not worse; and it keeps to its bit rate.
 *
 * @param {Measured[]} measured
 * @returns {{ rows: object[], terms: string, rule: string }}
 */
export function encoderRule(measured, reference = 'libx264') {
  const own = measured.filter((one) => one.own);
  const cells = groupBy(own, cellOf);
  const rows = [];
  const beats = new Map();
  const loses = new Set();
  for (const inCell of cells.values()) {
    const base = inCell.find(({ encoder }) => encoder === reference);
    if (base === undefined) continue;
    const others = inCell.filter((one) => one !== base);
    const better = others.filter((one) => isBetter(one, base));
    for (const { encoder } of better) beats.set(encoder, (beats.get(encoder) ?? 0) + 1);
    for (const one of others) if (isWorse(one, base)) loses.add(one.encoder);
    const affordable = inCell.filter((one) => one.cpuMs <= CPU_BUDGET_MS && isFair(one));
    rows.push({
      size: base.size,
      content: base.content,
      'least CPU': least(inCell, ({ cpuMs }) => cpuMs)?.encoder ?? '-',
      [`best within ${CPU_BUDGET_MS} ms`]: least(affordable, ({ ssim }) => -ssim)?.encoder ?? '-',
      [`beats ${reference}`]: better.map(({ encoder }) => encoder).join(', ') || '-',
    });
  }
  const winners = [...beats.keys()].filter((encoder) => !loses.has(encoder));
  const terms =
    `It beats ${reference} if it takes at most ${NO_MORE_CPU} times its CPU time for an SSIM that is ${BETTER} higher, or at most ` +
    `${LESS_CPU} times for one that is not lower, and keeps to its bit rate.`;
  return {
    rows,
    terms,
    rule:
      winners.length === 0
        ? `No encoder beats ${reference} anywhere without losing elsewhere: it stays the default.`
        : `${winners.join(', ')}: better than ${reference} somewhere and worse nowhere, so to be the default.`,
  };
}

const cellOf = ({ size, content }) => `${size} ${content}`;

function groupBy(values, keyOf) {
  const groups = new Map();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}

const isFair = ({ kbps, targetKbps }) => kbps <= targetKbps * FAIR_SHARE;

function isBetter(one, base) {
  if (!isFair(one)) return false;
  if (one.ssim >= base.ssim + BETTER && one.cpuMs <= base.cpuMs * NO_MORE_CPU) return true;
  return one.ssim >= base.ssim - ALIKE && one.cpuMs <= base.cpuMs * LESS_CPU;
}

function isWorse(one, base) {
  return !isFair(one) || one.ssim < base.ssim - ALIKE || one.cpuMs > base.cpuMs * NO_MORE_CPU;
}

function least(values, by) {
  return values.toSorted((one, other) => by(one) - by(other))[0];
}
