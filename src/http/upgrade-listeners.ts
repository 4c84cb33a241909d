import type { IncomingMessage, Server } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Duplex } from 'node:stream';

import { StreamKitError } from '../base/errors.js';
import { refuseUpgrade } from './refuse-upgrade.js';

/** Where upgrades to WebSocket can come in. */
export type UpgradableServer = Server | SecureServer;

/** @returns false for an upgrade that it does not take. */
export type TakeUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

/** What routers take of the upgrades of one server, in the order in which they were attached. */
interface Listeners {
  readonly takers: Set<TakeUpgrade>;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** One listener for all routers of a server: only together do they know that none of them takes an upgrade. */
const byServer = new WeakMap<UpgradableServer, Listeners>();

/** @returns what ends it; idempotent. */
export function listenForUpgrades(server: UpgradableServer, take: TakeUpgrade): () => void {
  const listeners = byServer.get(server) ?? open(server);
  listeners.takers.add(take);
  return () => {
    listeners.takers.delete(take);
    if (listeners.takers.size > 0 || byServer.get(server) !== listeners) return;
    byServer.delete(server);
    server.off('upgrade', listeners.onUpgrade);
  };
}

function open(server: UpgradableServer): Listeners {
  const takers = new Set<TakeUpgrade>();
  const onUpgrade: Listeners['onUpgrade'] = (request, socket, head) => {
    for (const take of takers) if (take(request, socket, head)) return;
    // Node leaves the upgrade to whoever else listens. One that nobody takes would stay open.
    if (server.listenerCount('upgrade') === 1) {
      refuseUpgrade(socket, new StreamKitError('not_found', 'There is nothing at this path'));
    }
  };
  const listeners = { takers, onUpgrade };
  byServer.set(server, listeners);
  server.on('upgrade', onUpgrade);
  return listeners;
}
