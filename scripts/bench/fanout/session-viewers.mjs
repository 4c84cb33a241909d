// Viewers of the load generator that join a session over HTTP, as any client of the protocol does.
import { join as joinPath } from 'node:path';

import { build } from 'esbuild';

import { LoadGenerator } from './load-generator.mjs';

// The client is built as one file, which does not tell its parts.
const { outputFiles } = await build({
  entryPoints: [joinPath(import.meta.dirname, '../../../src/client/connection/sse-reader.ts')],
  bundle: true,
  write: false,
  format: 'esm',
});
const { readEventStream } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
);

async function post(session, body) {
  const response = await fetch(`${session}/signal`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
}

/** Resolves when one viewer is connected; its event stream stays open until `signal` aborts. */
async function join(session, generator, signal) {
  const response = await fetch(`${session}/sse?videoCodec=h264`, { signal });
  if (!response.ok) throw new Error(await response.text());
  let viewerId;
  let viewer;
  await new Promise((resolve, reject) => {
    const onSignal = async ({ type, payload }) => {
      if (type === 'viewer') viewerId = payload.viewerId;
      if (type === 'ice_candidate' && payload !== null) generator.addCandidate(viewer, payload.candidate);
      if (type === 'closed') throw new Error(payload.reason);
      if (type !== 'sdp_offer') return;
      const answer = generator.answer(payload);
      viewer = answer.viewer;
      await post(session, { viewerId, type: 'sdp_answer', payload: answer.sdp });
      await generator.connected(viewer);
      resolve();
    };
    const onEvent = ({ type, data }) => {
      if (type === 'custom_signal') onSignal(JSON.parse(data)).catch(reject);
    };
    readEventStream(response.body, { onEvent }).catch((error) => {
      if (!signal.aborted) reject(error);
    });
  });
}

/** Joins `count` viewers, four at a time. */
export async function joinSession(session, count) {
  const generator = new LoadGenerator();
  const controller = new AbortController();
  const close = () => {
    controller.abort();
    generator.close();
  };
  let begun = 0;
  const worker = async () => {
    while (begun < count) {
      begun += 1;
      await join(session, generator, controller.signal);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(4, count) }, worker));
  } catch (error) {
    close();
    throw error;
  }
  return { totals: () => generator.totals(), restartCounts: () => generator.restartCounts(), close };
}
