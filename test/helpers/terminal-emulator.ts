import { Terminal } from '@xterm/headless';
import type { IBufferCell } from '@xterm/headless';

/** What of xterm.js there is no public name for. */
interface TerminalCore {
  readonly coreService: {
    readonly isCursorHidden: boolean;
    readonly decPrivateModes: Record<string, unknown>;
  };
  readonly coreMouseService: { readonly activeEncoding: string; readonly activeProtocol: string };
  readonly _charsetService: { readonly charset: unknown; readonly glevel: number };
  readonly buffer: { readonly scrollTop: number; readonly scrollBottom: number };
  readonly buffers: { readonly normal: { readonly tabs: Readonly<Record<string, boolean>> } };
}

/** xterm.js without a display. */
export class TerminalEmulator {
  readonly #terminal: Terminal;

  constructor(cols: number, rows: number) {
    this.#terminal = new Terminal({ cols, rows, allowProposedApi: true, scrollback: 0, logLevel: 'off' });
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#terminal.write(bytes, resolve));
  }

  /** Every cell of the screen and every mode, to be compared with those of another one. */
  screen(): unknown {
    const { buffer, modes, rows } = this.#terminal;
    const core = (this.#terminal as unknown as { _core: TerminalCore })._core;
    return {
      kind: buffer.active.type,
      cursor: { x: buffer.active.cursorX, y: buffer.active.cursorY, hidden: core.coreService.isCursorHidden },
      lines: Array.from({ length: rows }, (_, row) => this.#line(row)),
      modes: { ...modes },
      private: { ...core.coreService.decPrivateModes },
      mouse: {
        encoding: core.coreMouseService.activeEncoding,
        protocol: core.coreMouseService.activeProtocol,
      },
      charset: core._charsetService.charset,
      region: [core.buffer.scrollTop, core.buffer.scrollBottom],
      tabs: Object.entries(core.buffers.normal.tabs).flatMap(([column, set]) =>
        set && column !== '0' ? column : [],
      ),
    };
  }

  #line(row: number): string[] {
    const { active } = this.#terminal.buffer;
    const line = active.getLine(active.baseY + row);
    return Array.from({ length: this.#terminal.cols }, (_, column) => describeCell(line?.getCell(column)));
  }
}

function describeCell(cell: IBufferCell | undefined): string {
  if (cell === undefined) return '';
  const attributes = [
    ...[cell.isBold(), cell.isDim(), cell.isItalic(), cell.isUnderline(), cell.isBlink()],
    ...[cell.isInverse(), cell.isInvisible(), cell.isStrikethrough(), cell.isOverline()],
  ].map((set) => (set === 0 ? '-' : 'x'));
  const colors = [cell.getFgColorMode(), cell.getFgColor(), cell.getBgColorMode(), cell.getBgColor()];
  // A cell that was never written to looks like a space.
  return `${cell.getChars() || ' '} ${attributes.join('')} ${colors.join(',')} ${cell.getWidth()}`;
}
