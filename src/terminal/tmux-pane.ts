import { constants } from 'node:os';

import type { TerminalExit } from './terminal.js';

/** A pane as tmux describes it: ids and numbers alone. */
export interface TmuxPane {
  /** Such as `%0`. */
  readonly id: string;
  /** Such as `$0`. */
  readonly session: string;
  /** Of its program. */
  readonly pid: number;
  readonly cols: number;
  readonly rows: number;
  /** The one that a user of the session looks at. */
  readonly active: boolean;
  readonly dead: boolean;
  readonly status: number | null;
  readonly signal: number | null;
}

/** What tmux is asked to print of each pane. There is nothing in it that a program could have chosen. */
export const paneFormat = [
  '#{pane_id}',
  '#{session_id}',
  '#{pane_pid}',
  '#{pane_width}',
  '#{pane_height}',
  '#{?#{&&:#{window_active},#{pane_active}},1,0}',
  '#{?pane_dead,1,0}',
  's#{pane_dead_status}',
  'g#{pane_dead_signal}',
].join(' ');

const PANE = /^(%\d{1,9}) (\$\d{1,9}) (\d{1,9}) (\d{1,5}) (\d{1,5}) ([01]) ([01]) s(\d{0,3}) g(\d{0,3})$/;

/** Lines that are none are left out. */
export function parsePanes(lines: readonly string[]): TmuxPane[] {
  return lines.flatMap((line) => {
    const [, id, session, pid, cols, rows, active, dead, status, signal] = PANE.exec(line) ?? [];
    if (id === undefined || session === undefined) return [];
    return {
      ...{ id, session, pid: Number(pid), cols: Number(cols), rows: Number(rows) },
      ...{ active: active === '1', dead: dead === '1', status: optional(status), signal: optional(signal) },
    };
  });
}

/** How the program of a pane ended that is dead. */
export function exitOf({ status, signal }: TmuxPane): TerminalExit {
  if (signal === null) return { status, signal: null };
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  return { status: null, signal: name ?? `signal ${signal}` };
}

function optional(text: string | undefined): number | null {
  return text === undefined || text === '' ? null : Number(text);
}
