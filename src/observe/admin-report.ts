import type { Clock } from '../base/clock.js';
import type { AdminReport, AdminSession } from '../protocol/admin.js';
import type { Caller } from '../session/caller.js';
import type { StreamSession } from '../session/stream-session.js';

/** What the report is made of. */
export interface AdminReportParameters {
  readonly registry: {
    readonly room: number;
    readonly draining: boolean;
    all(): readonly StreamSession[];
    creatorOf(streamId: string): Caller | undefined;
  };
  readonly mayRestart: boolean;
  /** How much memory each of these processes takes with all that it has started, bytes, by pid. */
  readonly readMemory: (pids: readonly number[]) => Promise<ReadonlyMap<number, number>>;
  readonly clock: Clock;
}

/** Several that ask at a time get the same report, which is at most so old, ms: to read the process table costs. */
const KEPT_MS = 1000;
const MOST_VIEWERS = 100;

/** Makes the function that reports the sessions of one server to its operators. */
export function createAdminReport(parameters: AdminReportParameters): () => Promise<AdminReport> {
  const { clock } = parameters;
  let last: { readonly atUs: number; readonly report: Promise<AdminReport> } | undefined;
  return () => {
    const atUs = clock.nowUs();
    if (last === undefined || atUs - last.atUs >= KEPT_MS * 1000) {
      last = { atUs, report: makeReport(parameters, atUs / 1000) };
    }
    return last.report;
  };
}

async function makeReport(
  { registry, mayRestart, readMemory }: AdminReportParameters,
  atMs: number,
): Promise<AdminReport> {
  const sessions = registry.all();
  const living = sessions.filter(({ endReason }) => endReason === undefined);
  const pids = living.flatMap(({ meter }) => meter?.pid ?? []);
  const [memory] = await Promise.all([
    readMemory(pids).catch(() => new Map<number, number>()),
    // One look at the process table serves all sessions.
    living.find(({ meter }) => meter?.pid !== undefined)?.meter?.sample(),
  ]);
  return {
    atMs,
    room: registry.room,
    draining: registry.draining,
    mayRestart,
    sessions: sessions.map((session) => {
      const bytes = memory.get(session.meter?.pid ?? 0);
      return adminSession(session, registry.creatorOf(session.streamId), bytes);
    }),
  };
}

function adminSession(
  session: StreamSession,
  creator: Caller | undefined,
  memoryBytes: number | undefined,
): AdminSession {
  const { streamId, status, targetUrl, metadata, instanceInfo, error } = session.state;
  const { video, controllerId, responsive, restarts, fault } = metadata;
  const viewers = session.viewers.list();
  return {
    ...{ streamId, status, targetUrl, controllerId, responsive, restarts, fault, video },
    kind: session.hasMedia ? 'page' : 'terminal',
    createdAt: instanceInfo?.startTime ?? null,
    owner: creator === undefined ? null : { callerId: creator.id ?? null, role: creator.role },
    viewers: viewers
      .slice(0, MOST_VIEWERS)
      .map(({ publicId, role, callerId, media }) => ({ publicId, role, callerId, media })),
    viewerCount: viewers.length,
    usage: session.usage ?? null,
    memoryBytes: memoryBytes ?? null,
    error: error ?? null,
  };
}
