import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** For the option `ffmpegPath`. */
export const FFMPEG = '/usr/bin/ffmpeg';

/** What a process of a page session does. */
export type ProcessRole =
  | 'session process'
  | 'browser'
  | 'capture renderer'
  | 'other renderer'
  | 'GPU process'
  | 'network service'
  | 'audio service'
  | 'storage service'
  | 'zygote'
  | 'FFmpeg child'
  | 'other';

export interface SessionProcessEntry {
  readonly pid: number;
  readonly role: ProcessRole;
}

/** Of a process that is gone: empty. */
export function commandLine(pid: number | string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

/** Everything that descends from the session processes of this host, oldest first; zombies left out. */
export function processesOfSessions(host = process.pid): SessionProcessEntry[] {
  const children = new Map<number, { pid: number; state: string; startTicks: number }[]>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const parent = Number(fields[1]);
      const child = { pid: Number(entry), state: fields[0] ?? '', startTicks: Number(fields[19]) };
      children.set(parent, [...(children.get(parent) ?? []), child]);
    } catch {
      // It ended meanwhile.
    }
  }
  const found: { pid: number; startTicks: number; line: string }[] = [];
  const walk = (parent: number, inside: boolean): void => {
    for (const { pid, state, startTicks } of children.get(parent) ?? []) {
      const line = commandLine(pid);
      const isSession = line.includes('/render/session-process');
      if ((inside || isSession) && state !== 'Z') found.push({ pid, startTicks, line });
      walk(pid, inside || isSession);
    }
  };
  walk(host, false);
  found.sort((one, other) => one.startTicks - other.startTicks || one.pid - other.pid);
  return found.map(({ pid, line }) => ({ pid, role: roleOf(line, pid) }));
}

/** Whether it writes the files in which pictures are shared. */
function sharesPictures(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) =>
      readlinkSync(`/proc/${pid}/fd/${fd}`).includes('/File System/'),
    );
  } catch {
    // It ended meanwhile.
    return false;
  }
}

function roleOf(line: string, pid: number): ProcessRole {
  if (line.includes('/render/session-process')) return 'session process';
  const type = /--type=([a-z-]+)/.exec(line)?.[1];
  switch (type) {
    case undefined:
      if (line.startsWith(`${FFMPEG}\0`)) return 'FFmpeg child';
      return line.includes('--user-data-dir=') ? 'browser' : 'other';
    case 'renderer':
      return sharesPictures(pid) ? 'capture renderer' : 'other renderer';
    case 'gpu-process':
      return 'GPU process';
    case 'zygote':
      return 'zygote';
    case 'utility':
      if (line.includes('NetworkService')) return 'network service';
      if (line.includes('AudioService')) return 'audio service';
      return line.includes('StorageService') ? 'storage service' : 'other';
    default:
      return 'other';
  }
}
