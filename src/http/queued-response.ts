import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';

/** Answers that wait for their turn, by connection: one listener each, however many a client asks for. */
const queued = new WeakMap<Socket, Set<ServerResponse>>();

/**
 * Lets an answer that takes its time hear when its connection is lost. A client may send its next request before it has
 * the answer to the one before (RFC 9112 section 9.3.2); Node keeps such an answer until the connection is free for it, and
 * tells it of the connection's end only from then on: an event stream behind another would stay open for ever. The same holds
 * for a stream of HTTP/2 that the client resets with NO_ERROR (RFC 9113 section 7) before it has taken what was written: Node
 * waits for that write.
 */
export function hearOfLostConnection(request: IncomingMessage, response: ServerResponse): void {
  if (request.httpVersionMajor >= 2) {
    request.once('aborted', () => void (response as unknown as Http2ServerResponse).stream.destroy());
    return;
  }
  // Stand-ins for requests have no connection.
  const socket = request.socket as Socket | undefined;
  if (response.socket !== null || socket?.destroyed !== false) return;
  const waiting = queued.get(socket) ?? waitingOn(socket);
  waiting.add(response);
  response.once('socket', () => void waiting.delete(response));
}

function waitingOn(socket: Socket): Set<ServerResponse> {
  const waiting = new Set<ServerResponse>();
  queued.set(socket, waiting);
  socket.once('close', () => {
    for (const response of waiting) {
      response.destroy();
      // As Node does for the answer whose turn it is.
      response.emit('close');
    }
    waiting.clear();
  });
  return waiting;
}
