import type { Page } from 'puppeteer';

import { RebindingNat } from '../integration/rebinding-nat.js';

/** What is in a datagram, by its first byte (RFC 7983 section 7). */
export const isDtls = ([first = 0]: Buffer): boolean => first >= 20 && first <= 63;
export const isMedia = ([first = 0]: Buffer): boolean => first >= 128 && first <= 191;

/**
 * In a page: the server's candidates lead to what stands between, and the browser's own are kept from the server, which
 * learns of it by what comes through alone.
 */
const MAP_CANDIDATES = `{
  const mapped = async (line) => {
    const fields = line.split(' ');
    fields[5] = await window.mapPort(Number(fields[5]));
    return fields.join(' ');
  };
  const { addIceCandidate, setRemoteDescription } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.addIceCandidate = async function (init) {
    return addIceCandidate.call(this, init?.candidate ? { ...init, candidate: await mapped(init.candidate) } : init);
  };
  RTCPeerConnection.prototype.setRemoteDescription = async function ({ type, sdp }) {
    const lines = sdp.split('\\r\\n').map((line) => (line.startsWith('a=candidate:') ? mapped(line) : line));
    return setRemoteDescription.call(this, { type, sdp: (await Promise.all(lines)).join('\\r\\n') });
  };
  const { fetch: send } = window;
  window.fetch = async (url, init) => {
    const isCandidate = init?.method === 'POST' && JSON.parse(init.body).type === 'ice_candidate';
    return isCandidate ? new Response(null, { status: 204 }) : send(url, init);
  };
}`;

/**
 * All that is between one page of the fixture `cut-network.html` and the media ports of the server, on the loopback
 * address: it can lose datagrams, and be cut.
 */
export class ViewerNetwork {
  #nats = new Map<number, Promise<RebindingNat>>();
  #passes: (datagram: Buffer) => boolean;
  #bitrateBps = Infinity;
  #jitterMs = 0;

  /** @param passes - which datagrams come through, in both directions. */
  constructor(passes: (datagram: Buffer) => boolean = () => true) {
    this.#passes = passes;
  }

  /** What its links to the pages carry, bits/s. */
  async limit(bitrateBps: number): Promise<void> {
    this.#bitrateBps = bitrateBps;
    for (const nat of await Promise.all(this.#nats.values())) nat.toClient.bitrateBps = bitrateBps;
  }

  /** By how much the delay to the pages swings, ms. */
  async shake(jitterMs: number): Promise<void> {
    this.#jitterMs = jitterMs;
    for (const nat of await Promise.all(this.#nats.values())) nat.toClient.jitterMs = jitterMs;
  }

  /** From here on the page's candidates for the server's ports lead here. */
  async standBefore(page: Page): Promise<void> {
    await page.exposeFunction('mapPort', async (port: number) => (await this.#natTo(port)).port);
  }

  /** The same for the fixture `viewer.html`, before it is loaded. */
  async standBeforeViewer(page: Page): Promise<void> {
    await this.standBefore(page);
    await page.evaluateOnNewDocument(MAP_CANDIDATES);
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
    nat.toClient.bitrateBps = this.#bitrateBps;
    nat.toClient.jitterMs = this.#jitterMs;
    return nat;
  }
}
