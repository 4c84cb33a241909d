// The raw limit: child process that encrypts and sends as fast as C++ can, to sinks that the load generator drains.
// Forked with the ports and settings as JSON in its argument; prints one line of JSON for each setting.
import { loadBenchAddon } from './bench-addon.mjs';

const { ports, runs } = JSON.parse(process.argv[2]);
const addon = loadBenchAddon();
for (const {
  packetBytes = 1200,
  packetsPerBurst = 16,
  durationMs,
  destinations,
  encrypt = true,
  send = true,
} of runs) {
  const chosen = ports.slice(0, destinations);
  const result = addon.rawLimit(
    chosen,
    packetsPerBurst,
    packetBytes,
    durationMs,
    Number(encrypt),
    Number(send),
  );
  console.log(JSON.stringify({ destinations, encrypt, send, ...result }));
}
