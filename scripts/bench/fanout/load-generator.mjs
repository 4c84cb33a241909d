// Viewers that do ICE and DTLS for themselves and drain their sockets on a thread of native/bench.
import { sleep } from '../rig.mjs';
import { loadBenchAddon } from './bench-addon.mjs';
import { readDescription, writeAnswer, writeOffer } from './description.mjs';

const POLL_MS = 5;
const CONNECT_TIMEOUT_MS = 4_000;
/** The kernel hands bursts over whole. */
const RECEIVE_OFFLOAD = 1;
const RECEIVE_BUFFER_BYTES = 2 ** 20;
/** One packet in so many is decrypted. */
const SAMPLE_EVERY = 64;
const FEEDBACK_MS = 50;
const CONNECTED = 1;
const CONNECTING = 0;

/**
 * Sockets are visited every 1 ms, or less often where there are many: a visit that finds nothing costs a system call.
 * Their buffers hold 100 ms of the heaviest stream.
 */
const sweepUsFor = (viewers) => Math.min(20_000, Math.max(1_000, viewers * 40));

export class LoadGenerator {
  #addon = loadBenchAddon();
  #handle;
  #fingerprint;
  #address;
  #viewers = new Set();
  #waiting = new Map();

  /** @param options - address: of this machine, to bind to. */
  constructor({ address = '127.0.0.1' } = {}) {
    const { handle, fingerprint } = this.#addon.createGenerator(
      address,
      RECEIVE_OFFLOAD,
      RECEIVE_BUFFER_BYTES,
      SAMPLE_EVERY,
      FEEDBACK_MS,
      sweepUsFor(0),
    );
    this.#handle = handle;
    this.#fingerprint = fingerprint;
    this.#address = address;
  }

  get size() {
    return this.#viewers.size;
  }

  /** @returns the viewer's index and its answer. */
  answer(offerSdp) {
    const offer = readDescription(offerSdp);
    const { index, transport } = this.#add();
    this.#setRemote(index, offer);
    return { viewer: index, sdp: writeAnswer(offer, transport) };
  }

  /** @returns the viewer's index and its offer, which is to be answered by {@link accept}. */
  offer() {
    const { index, transport } = this.#add();
    return { viewer: index, sdp: writeOffer(transport) };
  }

  accept(viewer, answerSdp) {
    this.#setRemote(viewer, readDescription(answerSdp));
  }

  #add() {
    const { index, ...own } = this.#addon.addViewer(this.#handle);
    this.#viewers.add(index);
    this.#addon.setSweepInterval(this.#handle, sweepUsFor(this.size));
    return { index, transport: { ...own, address: this.#address, fingerprint: this.#fingerprint } };
  }

  #setRemote(viewer, { ufrag, password, fingerprint, video, audio, candidates }) {
    this.#addon.setRemote(
      this.#handle,
      viewer,
      ufrag,
      password,
      fingerprint,
      video.ssrcs[0] ?? 0,
      video.ssrcs[1] ?? 0,
      audio?.ssrcs[0] ?? 0,
      video.transportWideCcId,
    );
    for (const candidate of candidates) this.addCandidate(viewer, candidate);
  }

  /** @param candidate - with or without its "candidate:" in front; all but IPv4 over UDP is left aside. */
  addCandidate(viewer, candidate) {
    const [, component, transport, , address, port] = candidate.split(' ');
    if (component !== '1' || transport.toLowerCase() !== 'udp' || !/^[\d.]+$/.test(address)) return;
    this.#addon.addCandidate(this.#handle, viewer, address, Number(port));
  }

  /** Resolves once the viewer's handshake is over; rejects where it fails or takes too long. */
  connected(viewer) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(viewer, { resolve, reject, deadline: performance.now() + CONNECT_TIMEOUT_MS });
      if (this.#waiting.size === 1) void this.#awaitConnections();
    });
  }

  /** Asks for all at once: the thread that drains stands still meanwhile. */
  async #awaitConnections() {
    while (this.#waiting.size > 0) {
      await sleep(POLL_MS);
      const states = this.#addon.states(this.#handle);
      for (const [viewer, { resolve, reject, deadline }] of this.#waiting) {
        const state = states[viewer];
        if (state === CONNECTING && performance.now() < deadline) continue;
        this.#waiting.delete(viewer);
        if (state === CONNECTED) resolve();
        else if (state === CONNECTING) reject(new Error('A viewer did not connect in time.'));
        else reject(new Error('The handshake of a viewer failed.'));
      }
    }
  }

  times(viewer) {
    return this.#addon.times(this.#handle, viewer);
  }

  /** Sums over the connected viewers since the last {@link restartCounts}. */
  totals() {
    return this.#addon.totals(this.#handle);
  }

  restartCounts() {
    this.#addon.restartCounts(this.#handle);
  }

  setSweepInterval(us) {
    this.#addon.setSweepInterval(this.#handle, us);
  }

  remove(viewer) {
    this.#viewers.delete(viewer);
    this.#addon.removeViewer(this.#handle, viewer);
  }

  /** A socket that only counts; @returns its port. */
  addSink() {
    return this.#addon.addSink(this.#handle);
  }

  removeSinks() {
    this.#addon.removeSinks(this.#handle);
  }

  close() {
    this.#addon.closeGenerator(this.#handle);
  }
}
