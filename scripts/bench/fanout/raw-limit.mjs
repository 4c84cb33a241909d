// The raw limit: child process that encrypts and sends as fast as C++ can, to sinks that the load generator drains.
// Forked with the ports and settings as JSON in its argument; prints one line of JSON for each setting.
import { loadBenchAddon } from './bench-addon.mjs';

const PACKET_BYTES = 1200;
const ENCRYPT = 1;
const SEND = 1;

const { ports, runs } = JSON.parse(process.argv[2]);
const addon = loadBenchAddon();
for (const { durationMs, destinations, packetsPerCall, intervalMs } of runs) {
  const chosen = ports.slice(0, destinations);
  const result = addon.rawLimit(chosen, packetsPerCall, PACKET_BYTES, durationMs, ENCRYPT, SEND, intervalMs);
  console.log(JSON.stringify(result));
}
