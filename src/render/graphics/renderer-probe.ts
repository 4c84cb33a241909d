import type { LaunchOptions } from 'puppeteer';

import { isSoftwareRenderer } from '../capture/software-renderer.js';
import { FLAG_SETS, type FlagSet, type FlagSetName, graphicsLaunch, withGraphics } from './flag-sets.js';
import type { GraphicsDevice } from './graphics-devices.js';
import { missingPackages } from './missing-packages.js';
import type { RendererFacts, TrialOutcome, TryRenderer } from './renderer-trial.js';
import type { RendererReport, Verdict, VerdictFile } from './verdict-file.js';

/** Upper limit of one trial, ms; one that works takes about three seconds on an idle machine. */
export const TRIAL_TIMEOUT_MS = 12_000;
/** Of the 30 pictures per second that are asked for: fewer are no better than SwiftShader. */
const LEAST_FRAMES_PER_SECOND = 20;
/** What was refused for another reason than that it hung is tried again after a day. */
const RETRY_AFTER_MS = 24 * 60 * 60 * 1000;
const MOST_INTERRUPTIONS = 2;

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
  /** Goes through all ways to draw, even after one that works, and tries again what was refused. What hung is not tried. */
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
  const isFresh = nowMs() - verdict.updatedMs < RETRY_AFTER_MS;
  const store = async (next: Verdict): Promise<void> => {
    verdict = next;
    await file.write(key, next).catch(parameters.onNotStored);
  };
  const reports: RendererReport[] = [];
  /** It changes while a trial runs. */
  const isGivenUp = (): boolean => signal.aborted;
  for (const flagSet of FLAG_SETS) {
    const { name } = flagSet;
    // Nothing depends on it: it is what is left where none works.
    if (name === 'swiftshader' && !thorough) break;
    const known = verdict.reports.find((report) => report.flagSet === name);
    const counts = known !== undefined && (known.hung || (!thorough && (known.works || isFresh)));
    let report = counts ? known : undefined;
    const interruptions = verdict.interrupted[name] ?? 0;
    if (report === undefined && interruptions >= MOST_INTERRUPTIONS) report = endedTheServer(name);
    if (report === undefined) {
      if (isGivenUp()) break;
      // If the driver takes the machine with it, the next start finds this.
      await store({ ...verdict, interrupted: { ...verdict.interrupted, [name]: interruptions + 1 } });
      report = await tryOne(flagSet, parameters);
      const given = verdict.interrupted;
      if (isGivenUp()) {
        await store({ ...verdict, interrupted: { ...given, [name]: interruptions } });
        break;
      }
      const others = verdict.reports.filter((other) => other.flagSet !== name);
      await store({
        updatedMs: nowMs(),
        reports: [...others, report],
        interrupted: { ...given, [name]: 0 },
      });
    }
    reports.push(report);
    if (report.works && !thorough) break;
  }
  return reports;
}

async function tryOne(flagSet: FlagSet, parameters: RendererProbeParameters): Promise<RendererReport> {
  const { launchOptions, device, devices, signal, keepsAlive, root } = parameters;
  const outcome = await parameters.tryRenderer({
    launchOptions: withGraphics(launchOptions, graphicsLaunch(flagSet, device)),
    timeoutMs: parameters.timeoutMs ?? TRIAL_TIMEOUT_MS,
    signal,
    keepsAlive,
  });
  const report = reportOf(flagSet.name, outcome, parameters);
  if (report.works || report.reason === undefined) return report;
  const missing = missingPackages(flagSet.name, device === undefined ? devices : [device], root);
  if (missing.length === 0) return report;
  return { ...report, reason: `${report.reason}; missing: ${missing.join(', ')}` };
}

function reportOf(
  flagSet: FlagSetName,
  outcome: TrialOutcome,
  { isSoftware = isSoftwareRenderer, timeoutMs = TRIAL_TIMEOUT_MS }: RendererProbeParameters,
): RendererReport {
  if (outcome.end === 'hung') {
    const reason = `no answer within ${timeoutMs / 1000} s, at ${outcome.stage}`;
    return { flagSet, works: false, hung: true, reason };
  }
  if (outcome.end === 'failed') {
    return { flagSet, works: false, hung: false, reason: `failed at ${outcome.stage}: ${outcome.reason}` };
  }
  const reason = refusal(outcome.facts, isSoftware);
  const isAsExpected = flagSet === 'swiftshader' && outcome.facts.renderer !== '';
  return {
    ...{ flagSet, works: reason === undefined, hung: false, ...outcome.facts },
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

function endedTheServer(flagSet: FlagSetName): RendererReport {
  const reason = 'the server or the machine ended twice while it was tried';
  return { flagSet, works: false, hung: true, reason };
}
