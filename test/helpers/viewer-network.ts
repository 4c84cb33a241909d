import type { Page } from 'puppeteer';

import { RebindingNat } from '../integration/rebinding-nat.js';

/** What is in a datagram, by its first byte (RFC 7983 section 7). */
export const isDtls = ([first = 0]: Buffer): boolean => first >= 20 && first <= 63;
export const isMedia = ([first = 0]: Buffer): boolean => first >= 128 && first <= 191;

/**
 * All that is between one page of the fixture `cut-network.html` and the media ports of the server, on the loopback
 * address: it can lose datagrams, and be cut.
 */
export class ViewerNetwork {
  #nats = new Map<number, Promise<RebindingNat>>();
  #passes: (datagram: Buffer) => boolean;

  /** @param passes - which datagrams come through, in both directions. */
  constructor(passes: (datagram: Buffer) => boolean = () => true) {
    this.#passes = passes;
  }

  /** From here on the page's candidates for the server's ports lead here. */
  async standBefore(page: Page): Promise<void> {
    await page.exposeFunction('mapPort', async (port: number) => (await this.#natTo(port)).port);
  }

  async pass(passes: (datagram: Buffer) => boolean): Promise<void> {
    this.#passes = passes;
    for (const nat of await Promise.all(this.#nats.values())) nat.passes = passes;
  }

  /** For good: what is connected anew goes another way. */
  async cut(): Promise<void> {
    const old = [...this.#nats.values()];
    this.#nats = new Map();
    for (const nat of await Promise.all(old)) nat.close();
  }

  #natTo(port: number): Promise<RebindingNat> {
    const known = this.#nats.get(port) ?? this.#open(port);
    this.#nats.set(port, known);
    return known;
  }

  async #open(port: number): Promise<RebindingNat> {
    const nat = await RebindingNat.open(port);
    nat.passes = this.#passes;
    return nat;
  }
}
