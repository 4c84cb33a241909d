/** A ping is sent at most this often while another is under way, ms. */
const PING_INTERVAL_MS = 20;
/** Most pings under way; a connection that answers none is measured no further. */
const MAX_PINGS = 256;
/** How far back delivery rates and round trips are looked at, ms. */
const RATE_WINDOW_MS = 1000;
const ROUND_TRIP_WINDOW_MS = 10_000;
/** A rate over a shorter time is one of a buffer, ms. */
const LEAST_SAMPLE_MS = 5;
/** What may be under way besides one round trip's worth, ms of the rate: it waits in buffers that nobody can take it back from. */
const QUEUE_MS = 150;
/** Least and first bytes that may be under way. */
const LEAST_WINDOW_BYTES = 24 * 1024;
const FIRST_WINDOW_BYTES = 256 * 1024;
/** After this long without a queue, ms, the estimate rises by {@link RISE}. */
const RISE_INTERVAL_MS = 2000;
const RISE = 1.25;
/** Share of the delivery rate that is taken for the estimate while there is a queue. */
const QUEUED_SHARE = 0.9;

interface Ping {
  readonly sentAtMs: number;
  /** Of all bytes up to it. */
  readonly bytes: number;
  readonly deliveredBytes: number;
  readonly deliveredAtMs: number;
}

interface Sample {
  readonly atMs: number;
  readonly value: number;
}

/**
 * What a WebSocket delivers, by the pongs that answer pings between its messages (RFC 6455 section 5.5.3). The buffers
 * of the operating system hold seconds of a slow link; only what the client has answered has arrived.
 */
export class DeliveryMeter {
  #sentBytes = 0;
  #deliveredBytes = 0;
  #deliveredAtMs = 0;
  #pings: Ping[] = [];
  #pingedBytes = 0;
  #pingedAtMs = -Infinity;
  #rates: Sample[] = [];
  #roundTrips: Sample[] = [];
  #estimateBps: number | undefined;
  #queuedAtMs = 0;
  #risenAtMs = 0;

  /** Sent and not known to have arrived, bytes. */
  get inFlightBytes(): number {
    return this.#sentBytes - this.#deliveredBytes;
  }

  /** Most bytes that should be under way. */
  get windowBytes(): number {
    const bytesPerMs = this.#rateBytesPerMs;
    if (bytesPerMs === 0 || this.#estimateBps === undefined) return FIRST_WINDOW_BYTES;
    return Math.max(LEAST_WINDOW_BYTES, bytesPerMs * (this.#leastRoundTripMs + QUEUE_MS));
  }

  /** Bits/s that the connection carries; undefined while it carries all that there is. */
  get estimateBps(): number | undefined {
    return this.#estimateBps;
  }

  sent(bytes: number, nowMs: number): void {
    // Nothing was under way: the time before says nothing of the connection.
    if (this.inFlightBytes === 0) this.#deliveredAtMs = nowMs;
    this.#sentBytes += bytes;
  }

  /** A ping is to be sent now; `onPong` is for its answer. */
  takePing(nowMs: number): boolean {
    const isDue = this.#pings.length === 0 || nowMs - this.#pingedAtMs >= PING_INTERVAL_MS;
    if (!isDue || this.#sentBytes === this.#pingedBytes || this.#pings.length >= MAX_PINGS) return false;
    this.#pingedAtMs = nowMs;
    this.#pingedBytes = this.#sentBytes;
    this.#pings.push({
      sentAtMs: nowMs,
      bytes: this.#sentBytes,
      deliveredBytes: this.#deliveredBytes,
      deliveredAtMs: this.#deliveredAtMs,
    });
    return true;
  }

  /** The oldest ping was answered. */
  onPong(nowMs: number): void {
    const ping = this.#pings.shift();
    if (ping === undefined) return;
    this.#deliveredBytes = ping.bytes;
    const elapsedMs = nowMs - ping.deliveredAtMs;
    if (elapsedMs >= LEAST_SAMPLE_MS) {
      const rate = { atMs: nowMs, value: (ping.bytes - ping.deliveredBytes) / elapsedMs };
      this.#rates = [...within(this.#rates, nowMs - RATE_WINDOW_MS), rate];
    }
    const roundTripMs = nowMs - ping.sentAtMs;
    const roundTrips = within(this.#roundTrips, nowMs - ROUND_TRIP_WINDOW_MS);
    // Only the least is asked for: what is longer than a newer one never is.
    this.#roundTrips = [
      ...roundTrips.filter(({ value }) => value < roundTripMs),
      { atMs: nowMs, value: roundTripMs },
    ];
    this.#deliveredAtMs = nowMs;
    if (roundTripMs > this.#leastRoundTripMs + QUEUE_MS) this.onQueue(nowMs);
    else this.#riseAfterProof(nowMs);
  }

  /** More is waiting than the connection takes. */
  onQueue(nowMs: number): void {
    this.#queuedAtMs = nowMs;
    this.#risenAtMs = nowMs;
    const rateBps = this.#rateBytesPerMs * 8000;
    if (rateBps > 0) this.#estimateBps = Math.min(this.#estimateBps ?? Infinity, rateBps * QUEUED_SHARE);
  }

  #riseAfterProof(nowMs: number): void {
    if (this.#estimateBps === undefined) return;
    if (nowMs - Math.max(this.#queuedAtMs, this.#risenAtMs) < RISE_INTERVAL_MS) return;
    this.#risenAtMs = nowMs;
    this.#estimateBps *= RISE;
  }

  get #rateBytesPerMs(): number {
    return this.#rates.reduce((most, { value }) => Math.max(most, value), 0);
  }

  get #leastRoundTripMs(): number {
    return this.#roundTrips.reduce((least, { value }) => Math.min(least, value), Infinity);
  }
}

function within(samples: readonly Sample[], fromMs: number): Sample[] {
  return samples.filter(({ atMs }) => atMs >= fromMs);
}
