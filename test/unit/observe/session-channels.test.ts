import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import { afterEach, describe, expect, it } from 'vitest';

import type { DiagnosticsChannelName, DiagnosticsChannels } from '../../../src/observe/session-channels.js';
import { publishSessionEvent } from '../../../src/observe/session-channels.js';
import { EventStreamClient, ask, postJson, serveRouter } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

const undo: (() => void)[] = [];

afterEach(() => {
  for (const step of undo.splice(0)) step();
});

function on<Name extends DiagnosticsChannelName>(
  name: Name,
  handle: (event: DiagnosticsChannels[Name]) => void,
): void {
  const listener = (event: unknown): void => handle(event as DiagnosticsChannels[Name]);
  subscribe(name, listener);
  undo.push(() => unsubscribe(name, listener));
}

/** What would otherwise end the process. */
function uncaught(): Error[] {
  const caught: Error[] = [];
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => void caught.push(error));
  undo.push(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
  });
  return caught;
}

describe('diagnostics channels', () => {
  it('tell of a session and its viewer in order, without the secret of the viewer', async () => {
    const told: [string, object][] = [];
    const names = [
      ...(['session:create', 'session:status', 'session:end'] as const),
      ...(['viewer:join', 'viewer:connect', 'viewer:first-frame', 'viewer:leave'] as const),
      ...(['keyframe:request', 'frame'] as const),
    ];
    for (const name of names) on(`stream-kit:${name}`, (event) => void told.push([name, event]));
    const server = await serveRouter();
    const { parts, url } = server;
    const { json } = await postJson(url, { targetUrl: 'https://game.example.org/' });
    const { streamId } = json as { streamId: string };
    parts.launches[0]?.succeed();
    await settle();
    const stream = await EventStreamClient.open(`${url}/${streamId}/sse`);
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    await parts.clock.advance(250);
    parts.peers[0]?.connect('vp8');
    const times = { captureTimeUs: 2, readTimeUs: 3, encodedTimeUs: 4, repeated: false };
    const bytes = new Uint8Array(5);
    const frame = { ...times, codec: 'vp8', keyframe: true, rtpTimestamp: 1 } as const;
    parts.videoListener?.onEncodedFrame({ ...frame, bytes, rung: 0 as const });
    await ask(`${url}/${streamId}`, { method: 'DELETE' });
    await server.close();

    const [viewer, codec] = [1, 'vp8'];
    const media = { bytesSent: 0, viewerMinutes: 250 / 60_000, framesEncoded: 1 };
    const usage = { durationMs: 250, cpuSeconds: 0, gpuSeconds: null, ...media };
    expect(told).toEqual([
      ['session:create', { streamId }],
      ['session:status', { streamId, status: 'connecting', previous: 'initializing', ageMs: 0 }],
      ['viewer:join', { streamId, viewer }],
      ['viewer:connect', { streamId, viewer, codec, connectMs: 250 }],
      ['session:status', { streamId, status: 'streaming', previous: 'connecting', ageMs: 250 }],
      ['frame', { streamId, ...frame, bytes: 5, sentTimeUs: 1_250_000 }],
      ['viewer:first-frame', { streamId, viewer, codec, firstFrameMs: 250 }],
      ['session:status', { streamId, status: 'terminated', previous: 'streaming', ageMs: 250 }],
      ['viewer:leave', { streamId, viewer, reason: 'deleted', ageMs: 250 }],
      ['session:end', { streamId, reason: 'deleted', ageMs: 250, usage }],
    ]);
    expect(JSON.stringify(told)).not.toContain(viewerId);
    expect(told.every(([, event]) => Object.isFrozen(event))).toBe(true);
  });

  it('whose subscriber throws do no harm: the others and the session hear of nothing', async () => {
    const caught = uncaught();
    const heard: string[] = [];
    on('stream-kit:session:create', () => {
      throw new Error('the subscriber itself');
    });
    on('stream-kit:session:create', ({ streamId }) => void heard.push(streamId));
    const server = await serveRouter();
    const { status, json } = await postJson(server.url, { targetUrl: 'https://game.example.org/' });
    await server.close();
    expect([status, heard]).toEqual([201, [json.streamId]]);
    // Node's own rule for every channel.
    expect(caught.map(({ message }) => message)).toEqual(['the subscriber itself']);
  });

  it('copy nothing while nobody listens', () => {
    const event = {
      get streamId(): string {
        throw new Error('It was read');
      },
    };
    expect(() => publishSessionEvent('session:create', event)).not.toThrow();
    on('stream-kit:session:create', () => undefined);
    expect(() => publishSessionEvent('session:create', event)).toThrow('It was read');
  });
});
