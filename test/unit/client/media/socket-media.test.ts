import { once as onceEmitted } from 'node:events';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';

import { connectStream } from '../../../../src/client/connect-stream.js';
import type { StreamConnection } from '../../../../src/client/connection/stream-connection.js';
import {
  type Exchange,
  once,
  openStream,
  ScriptedServer,
  sendSignal,
} from '../../../helpers/scripted-server.js';

/** In a browser what is wrong with a connection is told, and never thrown. */
class BrowserSocket extends WebSocket {
  constructor(address: string) {
    super(address);
    this.on('error', () => undefined);
  }
}

class EmptyStream {
  getTracks(): unknown[] {
    return [];
  }
}

let server: ScriptedServer;
let url: string;
let sockets: WebSocketServer;
let connection: StreamConnection;

beforeEach(async () => {
  server = new ScriptedServer();
  url = await server.listen();
  sockets = new WebSocketServer({ server: server.http });
  vi.stubGlobal('WebSocket', BrowserSocket);
  vi.stubGlobal('MediaStream', EmptyStream);
  // Nothing comes that could be decoded.
  vi.stubGlobal('VideoDecoder', Object);
  vi.stubGlobal('AudioDecoder', Object);
  vi.stubGlobal('document', { baseURI: url, addEventListener: () => undefined });
  connection = connectStream({ url, streamId: 's1', transport: 'websocket' });
});

afterEach(async () => {
  connection.close();
  vi.unstubAllGlobals();
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
  await server.close();
});

/** The event stream that the client asks for next, as this viewer. */
async function welcome(viewerId: string): Promise<Exchange> {
  const events = await server.next();
  openStream(events);
  sendSignal(events, 'viewer', { viewerId, role: 'viewer', iceServers: [], publicId: '1' });
  return events;
}

/** The WebSocket that the client opens next, and what it asked for. */
async function nextSocket(): Promise<{ socket: WebSocket; path: string | undefined }> {
  const [socket, request] = (await onceEmitted(sockets, 'connection')) as [WebSocket, { url?: string }];
  return { socket, path: request.url };
}

it('names its viewer, each time it is opened', async () => {
  const first = nextSocket();
  await welcome('v/1');
  const { socket, path } = await first;
  expect(path).toBe('/stream/s1/stream?viewerId=v%2F1');
  const again = nextSocket();
  socket.terminate();
  expect((await again).path).toBe(path);
});

it('rests when its viewer is forgotten, and is opened anew for the next one', async () => {
  const first = nextSocket();
  const events = await welcome('v1');
  const { socket } = await first;
  let opened = 0;
  sockets.on('connection', () => (opened += 1));
  const trouble = once(connection, 'error');
  socket.close(1008, 'no_such_viewer');
  expect((await trouble).message).toContain('no_such_viewer');
  // Longer than the first wait after a connection that broke, 250 ms: that nothing happens has no event.
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(opened).toBe(0);
  const second = nextSocket();
  events.response.end();
  await welcome('v2');
  expect((await second).path).toBe('/stream/s1/stream?viewerId=v2');
});
