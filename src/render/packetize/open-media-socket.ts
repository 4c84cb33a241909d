import { Socket } from 'node:net';

/**
 * Opens the sending end of a media socket. An error means that the plane has closed its end, and with it this process
 * is about to be ended: what is written then is dropped.
 */
export function openMediaSocket(fd: number): Socket {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on('error', () => socket.destroy());
  return socket;
}
