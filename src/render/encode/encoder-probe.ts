import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

import { asError } from '../../base/errors.js';
import type { VideoCodec } from './encoded-frame.js';
import type { EncoderCandidate } from './encoder-candidate.js';
import { encoderEnvironment } from './encoder-environment.js';

/** What came of trying one encoder. */
export interface EncoderReport {
  readonly name: string;
  readonly works: boolean;
  /** Why it does not work, in FFmpeg's own words where it said any; one line. */
  readonly reason?: string;
  /** There was no process to try it in: for want of descriptors or memory, which says nothing of the encoder. */
  readonly untried?: true;
  /** One picture at a time, 1280 x 720; where it was asked to be measured. */
  readonly framesPerSecond?: number;
}

export interface ProbedCandidate extends EncoderCandidate {
  readonly codec: VideoCodec;
}

export interface ProbeParameters {
  readonly candidates: readonly ProbedCandidate[];
  /** Upper limit for all of them together, ms. */
  readonly timeoutMs: number;
  /** How long each that works is measured, ms; 0: not at all. */
  readonly measureMs: number;
  /** Whether this process stays to see what comes of it. */
  readonly keepsAlive: boolean;
}

/** What the child writes, one JSON object a line. */
export type ProbeLine = { readonly trying: string } | EncoderReport;

/** What the child is started with, as JSON in its only argument. */
export interface ProbeOrder extends Pick<ProbeParameters, 'candidates' | 'measureMs'> {
  /** Whether the child ends with its input, and so with the process that started it. */
  readonly endWithInput: boolean;
}

interface ChildResult {
  readonly found: readonly EncoderReport[];
  /** Why the process reported no more. */
  readonly ending: string;
  /** Whether there was a process. */
  readonly started: boolean;
}

const CHILD = fileURLToPath(new URL('./encoder-probe-child.js', import.meta.url));

/**
 * Tries encoders by encoding some pictures with each, in a process of its own: a driver that crashes or hangs takes
 * that process with it and is reported; the candidates after it are tried in a new one.
 */
export class EncoderProbe {
  /** One report a candidate, in their order. Never rejects. */
  readonly reports: Promise<readonly EncoderReport[]>;
  #child: ChildProcess | undefined;
  #closed = false;
  readonly #keepsAlive: boolean;

  constructor(parameters: ProbeParameters) {
    this.#keepsAlive = parameters.keepsAlive;
    this.reports = this.#run(parameters);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Gives up what has not been tried. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#child?.kill('SIGKILL');
  }

  async #run({ candidates, timeoutMs, measureMs }: ProbeParameters): Promise<readonly EncoderReport[]> {
    const deadlineMs = performance.now() + timeoutMs;
    const reports: EncoderReport[] = [];
    while (reports.length < candidates.length) {
      const remainingMs = deadlineMs - performance.now();
      const rest = candidates.slice(reports.length);
      if (remainingMs <= 0 || this.#closed) {
        const reason = this.#closed ? 'the probe was given up' : 'there was no time to try it';
        reports.push(...rest.map(({ name }) => ({ name, works: false, reason })));
        break;
      }
      const { found, ending, started } = await this.#tryInChild(
        { candidates: rest, measureMs, endWithInput: true },
        remainingMs,
      );
      reports.push(...found);
      const [blamed] = rest.slice(found.length);
      if (blamed === undefined) continue;
      const untried = started ? {} : ({ untried: true } as const);
      reports.push({ name: blamed.name, works: false, reason: ending, ...untried });
    }
    return reports;
  }

  /** Never rejects. */
  #tryInChild(order: ProbeOrder, timeoutMs: number): Promise<ChildResult> {
    return new Promise<ChildResult>((resolve) => {
      const child: ChildProcess = spawn(process.execPath, [CHILD, JSON.stringify(order)], {
        env: encoderEnvironment(),
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      child.on('error', (error) => resolve(notStarted(error)));
      const { stdin, stdout } = child;
      // Without descriptors (EMFILE) there are no pipes, and the error event follows.
      if (!stdin || !stdout) return;
      this.#child = child;
      if (!this.#keepsAlive) unref(child);
      let output = '';
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        child.kill('SIGKILL');
      }, timeoutMs);
      if (!this.#keepsAlive) timer.unref();
      stdout.setEncoding('utf8');
      stdout.on('data', (text: string) => (output += text));
      stdin.on('error', () => undefined);
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        const ending = late
          ? 'it did not answer in time'
          : `trying it ended the process with ${signal ?? `code ${String(code)}`}`;
        resolve({ found: reportsIn(output), ending, started: true });
      });
      // Node throws for some errors of a start (ENOMEM), and reports others by an event.
    }).catch((thrown: unknown) => notStarted(asError(thrown)));
  }
}

/** As {@link EncoderProbe} with one candidate, while the caller waits: for the start of a server. */
export function probeEncoderSync(candidate: ProbedCandidate, timeoutMs: number): EncoderReport {
  const order: ProbeOrder = { candidates: [candidate], measureMs: 0, endWithInput: false };
  const { stdout, signal, status, error } = spawnSync(process.execPath, [CHILD, JSON.stringify(order)], {
    env: encoderEnvironment(),
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const [report] = reportsIn(stdout);
  if (report !== undefined) return report;
  const late = error !== undefined && 'code' in error && error.code === 'ETIMEDOUT';
  if (error !== undefined && !late) {
    return { name: candidate.name, works: false, reason: error.message, untried: true };
  }
  const reason = late
    ? 'it did not answer in time'
    : `trying it ended the process with ${signal ?? `code ${String(status)}`}`;
  return { name: candidate.name, works: false, reason };
}

function notStarted({ message }: Error): ChildResult {
  return { found: [], ending: message, started: false };
}

function unref(child: ChildProcess): void {
  child.unref();
  // Pipes to a child are sockets.
  for (const pipe of [child.stdin, child.stdout]) (pipe as Socket | null)?.unref();
}

/** Drivers print what they like to the same output: only lines of ours count. */
function reportsIn(output: string | null): EncoderReport[] {
  return (output ?? '').split('\n').flatMap((line) => {
    try {
      const parsed = JSON.parse(line) as ProbeLine | null;
      return typeof parsed === 'object' && parsed !== null && 'works' in parsed ? [parsed] : [];
    } catch {
      return [];
    }
  });
}
