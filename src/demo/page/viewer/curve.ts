const SVG = 'http://www.w3.org/2000/svg';
/** One value per second, over a minute. */
const VALUES = 60;
const HEIGHT = 20;

/** A small line of the last minute of one figure, scaled to its largest value. */
export class Curve {
  readonly #area = document.createElementNS(SVG, 'path');
  readonly #line = document.createElementNS(SVG, 'path');
  #values: (number | undefined)[] = [];

  /** @param svg - empty; its size is the style sheet's. */
  constructor(svg: SVGSVGElement) {
    svg.setAttribute('viewBox', `0 0 ${VALUES - 1} ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    this.#area.classList.add('area');
    svg.replaceChildren(this.#area, this.#line);
  }

  /** @param value - of the second that has passed; undefined leaves a gap. */
  add(value: number | undefined): void {
    this.#values = [...this.#values, value].slice(-VALUES);
    this.#draw();
  }

  clear(): void {
    this.#values = [];
    this.#draw();
  }

  #draw(): void {
    const most = Math.max(1, ...this.#values.map((value) => value ?? 0));
    const from = VALUES - this.#values.length;
    const runs: string[][] = [[]];
    this.#values.forEach((value, index) => {
      if (value === undefined) runs.push([]);
      else runs.at(-1)?.push(`${from + index} ${(HEIGHT * (1 - value / most)).toFixed(1)}`);
    });
    const drawn = runs.filter((run) => run.length > 1);
    this.#line.setAttribute('d', drawn.map((run) => `M${run.join('L')}`).join(''));
    const areas = drawn.map(
      (run) => `M${xOf(run[0])} ${HEIGHT}L${run.join('L')}L${xOf(run.at(-1))} ${HEIGHT}Z`,
    );
    this.#area.setAttribute('d', areas.join(''));
  }
}

function xOf(point = ''): string {
  return point.split(' ')[0] ?? '';
}
