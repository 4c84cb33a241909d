import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';

/** Sockets of IPv4 (proc_pid_net(5)): addresses in hexadecimal, ports too, and the user that a socket belongs to. */
const SOCKET_TABLE = '/proc/net/tcp';

/**
 * Whether the other end of a loopback connection belongs to the user of this process. Only Linux can say so; elsewhere
 * every connection passes.
 *
 * @param socket - of a server on 127.0.0.1.
 */
export async function isOwnPeer({
  remotePort,
  localPort,
}: Pick<Socket, 'remotePort' | 'localPort'>): Promise<boolean> {
  const user = process.getuid?.();
  if (process.platform !== 'linux' || user === undefined) return true;
  if (remotePort === undefined || localPort === undefined) return false;
  return userOfPeer(await readFile(SOCKET_TABLE, 'latin1'), remotePort, localPort) === user;
}

/** The user of the socket on 127.0.0.1 with these ports; undefined where there is none, as when it has just been closed. */
export function userOfPeer(table: string, peerPort: number, ownPort: number): number | undefined {
  const ends = `${endOf(peerPort)} ${endOf(ownPort)} `;
  const at = table.indexOf(` ${ends}`);
  if (at === -1) return undefined;
  const [line = ''] = table.slice(at + 1).split('\n', 1);
  // local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid
  const user = line.split(/ +/)[6];
  return user === undefined || !/^\d+$/.test(user) ? undefined : Number(user);
}

/** 127.0.0.1 in the byte order of a little-endian machine, as all that Node runs on are. */
function endOf(port: number): string {
  return `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}
