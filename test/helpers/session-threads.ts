import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

import { WebSocket } from 'ws';

import { until } from './patience.js';

/** For the environment of a host: session processes take a free port when they are debugged. */
export const DEBUGGABLE = '--inspect-port=0';

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: any;
}

/**
 * Evaluates an expression in the first worker thread of a session process whose file has this name, as a debugger does, and does
 * not wait for what comes of it.
 */
export async function evaluateInThread(pid: number, file: string, expression: string): Promise<void> {
  process.kill(pid, 'SIGUSR1');
  const port = await until(() => {
    const found = listeningPort(pid);
    if (found === undefined) throw new Error('The session process is not debugged yet');
    return found;
  });
  const [target] = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as any[];
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  try {
    await once(socket, 'open');
    let isSent = false;
    const sent = new Promise<void>((resolve) => {
      socket.on('message', (bytes: Buffer) => {
        const { method, params } = JSON.parse(bytes.toString()) as Answer;
        // What it ends may be replaced before the debugger has left.
        if (isSent || method !== 'NodeWorker.attachedToWorker' || !params.workerInfo.url.includes(file))
          return;
        isSent = true;
        const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } });
        const sendMessage = { method: 'NodeWorker.sendMessageToWorker', id: 2 };
        socket.send(JSON.stringify({ ...sendMessage, params: { sessionId: params.sessionId, message } }));
      });
      socket.on('message', (bytes: Buffer) => {
        if ((JSON.parse(bytes.toString()) as Answer).id === 2) resolve();
      });
    });
    const params = { waitForDebuggerOnStart: false };
    socket.send(JSON.stringify({ id: 1, method: 'NodeWorker.enable', params }));
    await sent;
  } finally {
    socket.close();
    await once(socket, 'close');
  }
}

/** The port of 127.0.0.1 at which this process listens; a session process without a debugger listens at none. */
function listeningPort(pid: number): number | undefined {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      } catch {
        // It was closed meanwhile.
        return undefined;
      }
    }),
  );
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1)) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === '0A' && inodes.has(inode)) return Number.parseInt(local.split(':')[1] ?? '', 16);
  }
  return undefined;
}
