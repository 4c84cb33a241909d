import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { root } from './product.js';

const PYTHON = '/usr/bin/python3';
const IMPORTS = "import gi; gi.require_version('GstWebRTC', '1.0'); gi.require_version('GstSdp', '1.0')";

/** Whether this machine has what {@link GStreamerPlayer} needs. */
export const hasGStreamer = spawnSync(PYTHON, ['-c', IMPORTS], { stdio: 'ignore' }).status === 0;

/** A WHEP player of GStreamer, in a process of its own. */
export class GStreamerPlayer {
  /** What `gstreamer-whep-player.py` has printed. */
  readonly lines: string[] = [];
  readonly #process: ChildProcess;

  /**
   * @param whepUrl - of the session.
   * @param bars - how many vertical bars of each picture are to be looked at.
   */
  constructor(whepUrl: string, codec: 'H264' | 'H265' | 'VP8', bars = 0) {
    const script = join(root, 'test', 'helpers', 'gstreamer-whep-player.py');
    const player = spawn(PYTHON, [script, whepUrl, codec, String(bars)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#process = player;
    createInterface({ input: player.stdout }).on('line', (line) => this.lines.push(line));
  }

  count(line: string): number {
    return this.lines.filter((each) => each === line).length;
  }

  /** Red, green and blue of the bars of the newest picture; empty before there is one. */
  bars(): number[][] {
    const [, ...colours] = this.lines.findLast((line) => line.startsWith('colours'))?.split(' ') ?? [];
    return colours.map((colour) => [...Buffer.from(colour, 'hex')]);
  }

  async close(): Promise<void> {
    const player = this.#process;
    if (player.exitCode !== null || player.signalCode !== null) return;
    const exited = once(player, 'exit');
    player.stdin?.end();
    await exited;
  }
}
