// The site of the page-load table, over HTTP and over TLS, in a thread of its own. Says its ports; `cut` closes what is
// idle, so that the next load connects anew.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { parentPort, workerData } from 'node:worker_threads';

const { key, cert, smallResources, smallBytes, largeBytes } = workerData;
const small = Buffer.alloc(smallBytes, 'x');
const large = Buffer.alloc(largeBytes, 'x');
// Tells the time from the beginning of the navigation until everything has arrived.
const page = `<!doctype html><title>page</title><script>
const paths = [...Array.from({ length: ${smallResources} }, (_, index) => 'small-' + index), 'large'];
window.loaded = Promise.all(paths.map(async (path) => (await fetch('/' + path)).arrayBuffer()))
  .then(() => performance.now());
</script>`;

function answer({ url }, response) {
  response.setHeader('cache-control', 'no-store');
  if (url === '/') response.setHeader('content-type', 'text/html').end(page);
  else response.setHeader('content-type', 'application/octet-stream').end(url === '/large' ? large : small);
}

const servers = [createServer(answer), createTlsServer({ key, cert }, answer)];
for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
parentPort.on('message', () => {
  for (const server of servers) server.closeIdleConnections();
  parentPort.postMessage('cut');
});
parentPort.postMessage(servers.map((server) => server.address().port));
