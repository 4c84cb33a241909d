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
  /** Its process has ended. */
  readonly dead: boolean;
  /** As a shell has it: 128 and the number of the signal where one ended it. Null: it runs, or it is not known. */
  readonly status: number | null;
}

/** Option of a pane in which the one that runs the command notes how it ended. */
export const ENDED_OPTION = '@stream-kit-ended';

/** What tmux is asked to print of each pane. Nothing but the option could be chosen by a program, and then of itself alone. */
export const paneFormat = [
  '#{pane_id}',
  '#{session_id}',
  '#{pane_pid}',
  '#{pane_width}',
  '#{pane_height}',
  '#{?#{&&:#{window_active},#{pane_active}},1,0}',
  '#{?pane_dead,1,0}',
  `e#{${ENDED_OPTION}}`,
  's#{pane_dead_status}',
  'g#{pane_dead_signal}',
].join(' ');

/** What shells add to the number of a signal. */
const SIGNAL_STATUS = 128;
const PANE =
  /^(%\d{1,9}) (\$\d{1,9}) (\d{1,9}) (\d{1,5}) (\d{1,5}) ([01]) ([01]) e(\d{0,3}) s(\d{0,3}) g(\d{0,3})$/;

/** Lines that are none are left out. */
export function parsePanes(lines: readonly string[]): TmuxPane[] {
  return lines.flatMap((line) => {
    const [, id, session, pid, cols, rows, active, dead, ended, status, signal] = PANE.exec(line) ?? [];
    if (id === undefined || session === undefined) return [];
    const signalStatus = signal === undefined || signal === '' ? null : SIGNAL_STATUS + Number(signal);
    return {
      ...{ id, session, pid: Number(pid), cols: Number(cols), rows: Number(rows) },
      ...{ active: active === '1', dead: dead === '1' },
      status: optional(ended) ?? optional(status) ?? signalStatus,
    };
  });
}

/** How the program of a pane ended. */
export function exitOf({ status }: TmuxPane): TerminalExit {
  const number = (status ?? 0) - SIGNAL_STATUS;
  const name = Object.entries(constants.signals).find(([, known]) => known === number)?.[0];
  return { status, signal: name ?? null };
}

function optional(text: string | undefined): number | null {
  return text === undefined || text === '' ? null : Number(text);
}
