import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

import { asError } from '../../base/errors.js';
import type { BrowserLaunchOptions } from '../capture/browser-environment.js';

/** What a browser showed of itself with some flags. */
export interface RendererFacts {
  /** As WebGL calls it without a mask; empty: it has no WebGL. */
  readonly renderer: string;
  readonly webgl2: boolean;
  readonly webgpu: boolean;
  /** Pictures that came by tab capture of a page that draws with WebGL, where 30 were asked for. */
  readonly framesPerSecond: number;
}

/** How a trial ended. */
export type TrialOutcome =
  | { readonly end: 'done'; readonly facts: RendererFacts }
  /** The browser or its driver did not answer in time. */
  | { readonly end: 'hung'; readonly stage: string }
  | { readonly end: 'failed'; readonly stage: string; readonly reason: string }
  /** There was no process to try it in: for want of descriptors or memory, which says nothing of the driver. */
  | { readonly end: 'untried'; readonly reason: string };

/** What the child is to try: JSON in the first line of its input. Arguments can be read by every user of the machine. */
export interface TrialOrder {
  readonly launchOptions: BrowserLaunchOptions;
}

/** What the child writes, one JSON object per line. */
export type TrialLine = { readonly stage: string } | { readonly failed: string } | RendererFacts;

export interface TrialParameters extends TrialOrder {
  readonly timeoutMs: number;
  /** Gives it up; it then counts as failed. */
  readonly signal: AbortSignal;
  /** Whether this process stays to see what comes of it. */
  readonly keepsAlive: boolean;
}

/** Tries one way to draw. Never rejects. */
export type TryRenderer = (parameters: TrialParameters) => Promise<TrialOutcome>;

const CHILD = fileURLToPath(new URL('./renderer-trial-child.js', import.meta.url));
/** What the child needs to end its browser, before it is ended itself, ms. */
const CLEAR_UP_MS = 6_000;
/** Of what it prints, characters: its own lines are few. */
const MAX_OUTPUT = 64 * 1024;

/**
 * Tries one way to draw in a browser of its own, which a process of its own drives: a driver that crashes or hangs takes
 * nothing else with it.
 */
export const tryRenderer: TryRenderer = (parameters) => tryIn(CHILD, parameters);

/** @param program - of the child: a script of Node.js. Never rejects. */
export function tryIn(
  program: string,
  { launchOptions, timeoutMs, signal, keepsAlive }: TrialParameters,
): Promise<TrialOutcome> {
  return new Promise<TrialOutcome>((resolve) => {
    const order: TrialOrder = { launchOptions };
    const child: ChildProcess = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'ignore'] });
    child.on('error', ({ message }) => resolve({ end: 'untried', reason: message }));
    const { stdin, stdout } = child;
    // Without descriptors (EMFILE) there are no pipes, and the error event follows.
    if (!stdin || !stdout) return;
    stdin.on('error', () => undefined);
    // The input stays open: the child gives up when it ends.
    stdin.write(`${JSON.stringify(order)}\n`);
    let output = '';
    let late = false;
    let killTimer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      // It clears up when its input ends.
      stdin.end();
      killTimer ??= setTimeout(() => child.kill('SIGKILL'), CLEAR_UP_MS);
      if (!keepsAlive) killTimer.unref();
    };
    const timer = setTimeout(() => {
      late = true;
      stop();
    }, timeoutMs);
    if (!keepsAlive) {
      child.unref();
      timer.unref();
      // Pipes to a child are sockets. It clears up by itself when this process ends, and its input with it.
      for (const pipe of [stdin, stdout]) (pipe as unknown as Socket).unref();
    }
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    stdout.setEncoding('utf8');
    stdout.on('data', (text: string) => (output = (output + text).slice(-MAX_OUTPUT)));
    child.on('close', (code, killedBy) => {
      clearTimeout(timer);
      clearTimeout(killTimer);
      signal.removeEventListener('abort', stop);
      const lines = trialLines(output);
      const facts = lines.find((line) => 'renderer' in line);
      const stage = lines.flatMap((line) => ('stage' in line ? line.stage : [])).at(-1) ?? 'start';
      const said = lines.flatMap((line) => ('failed' in line ? line.failed : [])).at(-1);
      if (facts !== undefined) resolve({ end: 'done', facts });
      else if (late) resolve({ end: 'hung', stage });
      else {
        const reason = signal.aborted
          ? 'the trial was given up'
          : (said ?? `the trial ended with ${killedBy ?? `code ${String(code)}`}`);
        resolve({ end: 'failed', stage, reason });
      }
    });
    // Node throws for some errors of a start, and reports others by an event.
  }).catch((thrown: unknown) => ({ end: 'untried', reason: asError(thrown).message }));
}

/** A browser's helpers may print to the same output: only lines of ours count. */
function trialLines(output: string): TrialLine[] {
  return output.split('\n').flatMap((line) => {
    try {
      const parsed = JSON.parse(line) as TrialLine | null;
      const isOurs = typeof parsed === 'object' && parsed !== null;
      return isOurs && ['stage', 'failed', 'renderer'].some((key) => key in parsed) ? [parsed] : [];
    } catch {
      return [];
    }
  });
}
