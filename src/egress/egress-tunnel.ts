import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface TunnelRules {
  /** Only TLS may go through it. */
  readonly tlsOnly: boolean;
  /** A tunnel through which nothing goes for so long is cut, ms. */
  readonly idleMs: number;
  /** When one side has ended and has been told all, the other has so long to end as well, ms. */
  readonly lingerMs: number;
}

/** Content type of a TLS record that carries a handshake, as the first one does (RFC 8446 section 5.1). */
const TLS_HANDSHAKE = 22;

/**
 * Carries bytes between a client and what it was connected to, until either goes away.
 *
 * @param head - what the client has already sent.
 */
export function carryTunnel(client: Duplex, upstream: Socket, head: Buffer, rules: TunnelRules): void {
  const cut = (): void => {
    client.destroy();
    upstream.destroy();
  };
  // What goes one way or the other is read from it or written to it.
  upstream.setTimeout(rules.idleMs, cut);
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.once('close', () => {
      // Where all was said on both ways, what is still to be delivered is.
      if (!from.readableEnded || !from.writableFinished) to.destroy();
    });
    from.once('finish', () => {
      const timer = setTimeout(cut, rules.lingerMs);
      from.once('close', () => clearTimeout(timer));
    });
  }
  const carry = (first: Buffer): void => {
    if (rules.tlsOnly && first[0] !== TLS_HANDSHAKE) {
      cut();
      return;
    }
    upstream.write(first);
    client.pipe(upstream);
    upstream.pipe(client);
  };
  if (head.length > 0 || !rules.tlsOnly) carry(head);
  else {
    client.once('end', cut);
    client.once('data', (chunk: Buffer) => {
      client.off('end', cut);
      carry(chunk);
    });
  }
}
