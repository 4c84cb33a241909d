// A bad network for the UDP flows of one viewer on this machine, in a process of its own so that its timers are not held
// up. Prints {"port"}; takes one JSON message per line on its input and answers each by one line; ends with its input:
//   {"to": {"host", "port"}}         where what comes from the viewer goes
//   {"down": profile, "up": profile} from now on; see PERFECT for what a profile has
//   {"stats": true}                  packets and bytes towards the viewer since the last call
// Order within a direction: loss, a rate with a drop-tail queue, delay, jitter (drawn anew every 30 ms, in order),
// reordering (that share of packets comes 15 ms later).
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const PERFECT = {
  loss: 0,
  /** Share of packets lost in bursts, and how many packets a burst has on average. */
  burstLoss: 0,
  burstPackets: 8,
  delayMs: 0,
  jitterMs: 0,
  /** 0: without a limit. */
  rateBps: 0,
  queueMs: 200,
  reorder: 0,
};
const JITTER_STEP_MS = 30;
const REORDER_MS = 15;
const IP_AND_UDP_BYTES = 28;

let seed = Number(process.argv[2] ?? 1);
/** Seeded, so that each contestant meets the same kind of luck. */
function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}

class Direction {
  profile = PERFECT;
  bytesIn = 0;
  packetsIn = 0;
  dropped = 0;
  #inBurst = false;
  #freeMs = 0;
  #lastMs = 0;
  #jitterMs = 0;
  #drawnMs = 0;

  #isLost() {
    const { loss, burstLoss, burstPackets } = this.profile;
    if (burstLoss > 0) {
      const begins = burstLoss / burstPackets / (1 - burstLoss);
      this.#inBurst = this.#inBurst ? random() >= 1 / burstPackets : random() < begins;
    }
    return (burstLoss > 0 && this.#inBurst) || (loss > 0 && random() < loss);
  }

  /** When a packet is to leave; null: never. */
  due(bytes, nowMs) {
    const { rateBps, queueMs, delayMs, jitterMs, reorder } = this.profile;
    this.bytesIn += bytes;
    this.packetsIn += 1;
    const waitsMs = Math.max(0, this.#freeMs - nowMs);
    if (this.#isLost() || (rateBps > 0 && waitsMs > queueMs)) {
      this.dropped += 1;
      return null;
    }
    let atMs = nowMs;
    if (rateBps > 0) {
      this.#freeMs = nowMs + waitsMs + ((bytes + IP_AND_UDP_BYTES) * 8000) / rateBps;
      atMs = this.#freeMs;
    }
    if (jitterMs > 0 && nowMs >= this.#drawnMs) {
      this.#jitterMs = (random() * 2 - 1) * jitterMs;
      this.#drawnMs = nowMs + JITTER_STEP_MS;
    }
    const dueMs = Math.max(nowMs, atMs + delayMs + (jitterMs > 0 ? this.#jitterMs : 0));
    if (reorder > 0 && random() < reorder) return dueMs + REORDER_MS;
    this.#lastMs = Math.max(this.#lastMs, dueMs);
    return this.#lastMs;
  }
}

const down = new Direction();
const up = new Direction();
let target = null;
/** The server sees one socket per address of the viewer, as behind a NAT. */
const flows = new Map();

/** By when they are due; of the same time, in the order of arrival. Timers of Node.js alone would mix packets up. */
const waiting = [];
let timer;

function sendWhatIsDue() {
  clearTimeout(timer);
  const limitMs = performance.now() + 0.5;
  while (waiting.length > 0 && waiting[0].dueMs <= limitMs) waiting.shift().send();
  if (waiting.length > 0) timer = setTimeout(sendWhatIsDue, waiting[0].dueMs - performance.now());
}

function carry(direction, packet, send) {
  const dueMs = direction.due(packet.length, performance.now());
  if (dueMs === null) return;
  const before = waiting.findLastIndex((other) => other.dueMs <= dueMs);
  waiting.splice(before + 1, 0, { dueMs, send: () => send(packet) });
  sendWhatIsDue();
}

const listener = createSocket('udp4');
listener.on('message', (packet, { address, port }) => {
  if (target === null) return;
  const key = `${address}:${port}`;
  let flow = flows.get(key);
  if (flow === undefined) {
    flow = createSocket('udp4');
    flow.on('message', (answer) =>
      carry(down, answer, (bytes) => listener.send(bytes, port, address, () => {})),
    );
    flows.set(key, flow);
  }
  carry(up, packet, (bytes) => flow.send(bytes, target.port, target.host, () => {}));
});
listener.bind(0, '127.0.0.1');
await once(listener, 'listening');
console.log(JSON.stringify({ port: listener.address().port }));

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.to) target = message.to;
  if (message.down) down.profile = { ...PERFECT, ...message.down };
  if (message.up) up.profile = { ...PERFECT, ...message.up };
  const { bytesIn, packetsIn, dropped } = down;
  if (message.stats) Object.assign(down, { bytesIn: 0, packetsIn: 0, dropped: 0 });
  console.log(JSON.stringify({ bytesIn, packetsIn, dropped }));
}
process.exit(0);
