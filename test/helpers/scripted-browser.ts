import { PassThrough, Writable } from 'node:stream';

import { CdpConnection } from '../../src/render/capture/cdp-connection.js';
import { settle } from './virtual-clock.js';

export interface ScriptedCommand {
  readonly id: number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly sessionId?: string;
}

/** The other end of a {@link CdpConnection}: answers as it is told, and keeps every command that came. */
export class ScriptedBrowser {
  readonly connection: CdpConnection;
  readonly commands: ScriptedCommand[] = [];
  /** What ended the browser for our own side: events that were too long. */
  readonly oversized: string[] = [];
  readonly #answers = new PassThrough();
  #browserSessions = 0;

  constructor() {
    let text = '';
    // As in a pipe, what is written in one task is read after it.
    const commands = new Writable({
      writev: (chunks, done) => {
        setImmediate(() => {
          const messages = (
            text + Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)).toString()
          ).split('\0');
          text = messages.pop() ?? '';
          for (const message of messages) this.#accept(JSON.parse(message) as ScriptedCommand);
          done();
        });
      },
    });
    this.connection = new CdpConnection(commands, this.#answers, {
      onOversized: (method) => void this.oversized.push(method),
      onClosed: () => undefined,
    });
  }

  /** Sends an answer or an event. */
  async say(message: object): Promise<void> {
    this.#answers.write(`${JSON.stringify(message)}\0`);
    await settle();
  }

  /** The browser goes. */
  end(): void {
    this.#answers.destroy();
  }

  /** Commands of this name. */
  named(method: string): ScriptedCommand[] {
    return this.commands.filter((command) => command.method === method);
  }

  #accept(command: ScriptedCommand): void {
    this.commands.push(command);
    if (command.method !== 'Target.attachToBrowserTarget') return;
    this.#browserSessions += 1;
    const sessionId = `ROOT-${this.#browserSessions}`;
    const targetInfo = { targetId: sessionId, type: 'browser', url: '' };
    const params = { sessionId, targetInfo, waitingForDebugger: false };
    void this.say({ method: 'Target.attachedToTarget', params });
    void this.say({ id: command.id, result: { sessionId } });
  }
}
