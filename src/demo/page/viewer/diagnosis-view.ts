import {
  diagnose,
  stageLatency,
  type ClientReport,
  type Finding,
  type LatencyStageName,
  type ServerDiagnostics,
  type StageLatency,
  type StreamConnection,
} from '@open-game-system/stream-kit-server/client';

import { Curve } from './curve.js';

const INTERVAL_MS = 1000;
const NOTHING = '–';

interface StageParts {
  readonly bar: HTMLElement;
  readonly value: HTMLElement;
}

interface DiagnosisElements {
  /** Has an element with `data-stage` for each stage's share, and one for each stage's figure. */
  readonly latency: HTMLElement;
  readonly total: HTMLElement;
  readonly curve: SVGSVGElement;
  readonly findings: HTMLElement;
}

/** Where the time of a picture goes, and in words what is wrong; asked of both ends once a second. */
export class DiagnosisView {
  readonly #elements: DiagnosisElements;
  readonly #stages = new Map<string, StageParts>();
  readonly #curve: Curve;
  #timer: ReturnType<typeof setInterval> | undefined;
  #shownFindings = '';

  constructor(elements: DiagnosisElements) {
    this.#elements = elements;
    this.#curve = new Curve(elements.curve);
    for (const bar of elements.latency.querySelectorAll<HTMLElement>('.bar [data-stage]')) {
      const { stage = '' } = bar.dataset;
      const value = elements.latency.querySelector<HTMLElement>(`dd[data-stage="${stage}"]`);
      if (value) this.#stages.set(stage, { bar, value });
    }
    this.#showLatency(undefined);
  }

  follow(connection: StreamConnection): void {
    this.stop();
    let isAsking = false;
    const timer = setInterval(() => {
      // A server that is slow to answer is not asked twice.
      if (isAsking) return;
      isAsking = true;
      void Promise.all([connection.report(), connection.serverDiagnostics().catch(() => undefined)])
        .then(([report, server]) => {
          if (this.#timer === timer) this.#show(report, server);
        })
        .finally(() => (isAsking = false));
    }, INTERVAL_MS);
    this.#timer = timer;
  }

  /** Stops asking. What was found stays to be read, figures that are no more do not. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#curve.clear();
    this.#showLatency(undefined);
  }

  /** The last look at a connection that has ended. */
  async conclude(connection: StreamConnection): Promise<void> {
    this.stop();
    this.#showFindings(diagnose(await connection.report()));
  }

  #show(report: ClientReport, server: ServerDiagnostics | undefined): void {
    const latency = stageLatency(report, server);
    this.#showLatency(latency);
    this.#curve.add(latency.totalMs);
    this.#showFindings(diagnose(report, server));
  }

  #showLatency(latency: StageLatency | undefined): void {
    const { total } = this.#elements;
    const known = latency?.totalMs;
    total.textContent = known === undefined ? '' : `≈ ${known.toFixed(0)} ms`;
    total.title =
      latency?.totalFrom === 'playout'
        ? 'From capture to screen, estimated from the sender reports of picture and sound'
        : 'Sum of the stages; the network is half a round trip';
    for (const [name, { bar, value }] of this.#stages) {
      const stage = latency?.stages.find((one) => one.stage === (name as LatencyStageName));
      const ms = stage?.ms;
      bar.style.flexGrow = String(ms ?? 0);
      value.textContent = ms === undefined ? NOTHING : `${stage?.estimated ? '≈ ' : ''}${milliseconds(ms)}`;
    }
  }

  #showFindings(findings: readonly Finding[]): void {
    // Figures change each second; rows that are read must not.
    const shown = findings.map(({ code, severity }) => `${code} ${severity}`).join();
    const rows = this.#elements.findings;
    if (shown !== this.#shownFindings || rows.childElementCount === 0) {
      rows.replaceChildren(...(findings.length === 0 ? [well()] : findings.map(row)));
      this.#shownFindings = shown;
    }
    for (const { code, message, figures } of findings) {
      const element = rows.querySelector(`[data-code="${code}"]`);
      const [summary, list] = element?.children ?? [];
      if (summary && summary.textContent !== message) summary.textContent = message;
      if (list) list.textContent = figureText(figures);
    }
  }
}

function row({ code, severity, message }: Finding): HTMLElement {
  const details = document.createElement('details');
  details.dataset.code = code;
  details.dataset.tone = severity;
  const summary = document.createElement('summary');
  summary.textContent = message;
  const figures = document.createElement('p');
  details.append(summary, figures);
  return details;
}

function well(): HTMLElement {
  const text = document.createElement('p');
  text.className = 'well';
  text.textContent = 'Everything is as it should be.';
  return text;
}

function figureText(figures: Finding['figures']): string {
  const parts = Object.entries(figures).map(([name, value]) => `${name} ${value === '' ? NOTHING : value}`);
  return parts.length === 0 ? 'No figures.' : parts.join(' · ');
}

function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(0)} ms`;
}
