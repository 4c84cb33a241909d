import type { LaunchOptions } from 'puppeteer';

import { isSoftwareRenderer } from '../capture/software-renderer.js';
import { bootId } from './boot-id.js';
import { FLAG_SETS, type FlagSet, type FlagSetName, graphicsLaunch, withGraphics } from './flag-sets.js';
import type { GraphicsDevice } from './graphics-devices.js';
import { missingPackages } from './missing-packages.js';
import type { RendererFacts, TrialOutcome, TryRenderer } from './renderer-trial.js';
import type { Interruptions, RendererReport, Verdict, VerdictFile } from './verdict-file.js';

/** Upper limit of one trial, ms; one that works takes about three seconds on an idle machine. */
export const TRIAL_TIMEOUT_MS = 12_000;
/** Of the 30 pictures per second that are asked for: fewer are no better than SwiftShader. */
const LEAST_FRAMES_PER_SECOND = 20;
/** What was refused is tried again after a day. */
const RETRY_AFTER_MS = 24 * 60 * 60 * 1000;
/** What has hung so often is not tried again. */
const MOST_HANGS = 2;
/** So often a way may take the machine down before it is left alone for a day. */
const MOST_INTERRUPTIONS = 2;
/** Until the browser is up, a machine that is busy is more likely than a driver that hangs. */
const STAGES_OF_START: ReadonlySet<string> = new Set(['start', 'the launch']);

export interface RendererProbeParameters {
  /** As sessions launch their browser, without flags for graphics. */
  readonly launchOptions: LaunchOptions;
  readonly devices: readonly GraphicsDevice[];
  /** To draw on; undefined: whichever the driver takes. */
  readonly device: GraphicsDevice | undefined;
  /** Of the browser and the driver: what is known of it is not found out again. */
  readonly key: string;
  readonly file: VerdictFile;
  readonly tryRenderer: TryRenderer;
  /** Goes through all ways to draw, even after one that works, and tries again what was refused without a hang. */
  readonly thorough: boolean;
  readonly keepsAlive: boolean;
  readonly signal: AbortSignal;
  /** Now, ms since the epoch. */
  readonly nowMs: () => number;
  /** The file could not be written: the next start finds out again. */
  readonly onNotStored: (error: unknown) => void;
  readonly isSoftware?: (renderer: string) => boolean;
  readonly timeoutMs?: number;
  readonly root?: string;
}

/**
 * Finds out which ways to draw work, best first, each in a browser of its own. Never rejects.
 *
 * @returns a report for each that was tried or is known, in the order of {@link FLAG_SETS}; those after the first that works
 * are missing unless it is thorough.
 */
export async function probeRenderers(
  parameters: RendererProbeParameters,
): Promise<readonly RendererReport[]> {
  const { key, file, signal, nowMs, thorough } = parameters;
  let verdict: Verdict = (await file.read(key)) ?? { updatedMs: nowMs(), reports: [], interrupted: {} };
  const boot = bootId(parameters.root);
  const isFresh = (atMs: number): boolean => nowMs() - atMs < RETRY_AFTER_MS;
  const store = async (next: Verdict): Promise<void> => {
    verdict = next;
    await file.write(key, next).catch(parameters.onNotStored);
  };
  const interrupt = (name: FlagSetName, interruptions: Interruptions | undefined): Promise<void> => {
    const { [name]: _before, ...others } = verdict.interrupted;
    const interrupted = interruptions === undefined ? others : { ...others, [name]: interruptions };
    return store({ ...verdict, interrupted });
  };
  const reports: RendererReport[] = [];
  /** It changes while a trial runs. */
  const isGivenUp = (): boolean => signal.aborted;
  for (const flagSet of FLAG_SETS) {
    const { name } = flagSet;
    // Nothing depends on it: it is what is left where none works.
    if (name === 'swiftshader' && !thorough) break;
    const known = verdict.reports.find((report) => report.flagSet === name);
    const counts =
      known !== undefined &&
      (known.hung
        ? known.timesHung >= MOST_HANGS || isFresh(known.atMs)
        : !thorough && (known.works || isFresh(known.atMs)));
    let report = counts ? known : undefined;
    const before = verdict.interrupted[name];
    const count = before === undefined || !isFresh(before.atMs) ? 0 : interruptionsUntil(boot, before);
    if (report === undefined && before !== undefined && count >= MOST_INTERRUPTIONS) {
      report = tookTheMachine(name, before.atMs);
      // What has been counted is not counted again, and expires.
      if (before.bootId !== null) await interrupt(name, { ...before, bootId: null, count });
    }
    if (report === undefined) {
      if (isGivenUp()) break;
      // If the driver takes the machine with it, the next start finds this.
      await interrupt(name, { bootId: boot ?? null, count, atMs: nowMs() });
      report = await tryOne(flagSet, known?.timesHung ?? 0, parameters);
      if (isGivenUp() || report.untried === true) {
        await interrupt(name, count === 0 ? undefined : { bootId: null, count, atMs: nowMs() });
        if (isGivenUp()) break;
      } else {
        const { [name]: _ended, ...interrupted } = verdict.interrupted;
        const others = verdict.reports.filter((other) => other.flagSet !== name);
        await store({ updatedMs: nowMs(), reports: [...others, report], interrupted });
      }
    }
    reports.push(report);
    if (report.works && !thorough) break;
  }
  return reports;
}

/** A trial whose end is not known was interrupted by the machine only if the kernel is another one since. */
function interruptionsUntil(boot: string | undefined, before: Interruptions): number {
  const wentDown = boot !== undefined && before.bootId !== null && before.bootId !== boot;
  return before.count + (wentDown ? 1 : 0);
}

/** @param timesHung - before. */
async function tryOne(
  flagSet: FlagSet,
  timesHung: number,
  parameters: RendererProbeParameters,
): Promise<RendererReport> {
  const { launchOptions, device, devices, signal, keepsAlive, root } = parameters;
  const outcome = await parameters.tryRenderer({
    launchOptions: withGraphics(launchOptions, graphicsLaunch(flagSet, device)),
    timeoutMs: parameters.timeoutMs ?? TRIAL_TIMEOUT_MS,
    signal,
    keepsAlive,
  });
  const report = reportOf(flagSet.name, outcome, timesHung, parameters);
  if (report.works || report.untried === true || report.reason === undefined) return report;
  const missing = missingPackages(flagSet.name, device === undefined ? devices : [device], root);
  if (missing.length === 0) return report;
  return { ...report, reason: `${report.reason}; missing: ${missing.join(', ')}` };
}

function reportOf(
  flagSet: FlagSetName,
  outcome: TrialOutcome,
  timesHung: number,
  { isSoftware = isSoftwareRenderer, timeoutMs = TRIAL_TIMEOUT_MS, nowMs }: RendererProbeParameters,
): RendererReport {
  const refused = { flagSet, works: false, hung: false, timesHung, atMs: nowMs() };
  if (outcome.end === 'hung') {
    const reason = `no answer within ${timeoutMs / 1000} s, at ${outcome.stage}`;
    if (STAGES_OF_START.has(outcome.stage)) return { ...refused, reason };
    return { ...refused, hung: true, timesHung: timesHung + 1, reason };
  }
  if (outcome.end === 'untried') {
    return { ...refused, untried: true, reason: `no process to try it in: ${outcome.reason}` };
  }
  if (outcome.end === 'failed') {
    return { ...refused, reason: `failed at ${outcome.stage}: ${outcome.reason}` };
  }
  const reason = refusal(outcome.facts, isSoftware);
  const isAsExpected = flagSet === 'swiftshader' && outcome.facts.renderer !== '';
  return {
    ...{ ...refused, ...outcome.facts },
    ...(reason === undefined ? { works: true, timesHung: 0 } : {}),
    ...(reason === undefined || isAsExpected ? {} : { reason }),
  };
}

function refusal(
  { renderer, webgl2, framesPerSecond }: RendererFacts,
  isSoftware: (renderer: string) => boolean,
): string | undefined {
  if (renderer === '') return 'no WebGL';
  if (isSoftware(renderer)) return 'draws on the CPU';
  if (!webgl2) return 'no WebGL 2';
  if (framesPerSecond < LEAST_FRAMES_PER_SECOND) return `captures only ${framesPerSecond} of 30 frames/s`;
  return undefined;
}

function tookTheMachine(flagSet: FlagSetName, atMs: number): RendererReport {
  const reason = 'the machine went down twice while it was tried';
  return { flagSet, works: false, hung: false, timesHung: 0, atMs, reason };
}
