import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/logger.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { MediaSocketFailure } from '../../src/fanout/media-plane.js';
import type { NativeMediaSlotStats } from '../../src/fanout/native-addon.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { NativePlaneHost } from '../../src/fanout/native-plane-host.js';
import { NativeProducer } from '../../src/fanout/native-producer.js';
import { frameOf, payloadsOf, pli, until } from './media-plane-contract.js';
import { type PlainViewer, PlainViewers } from './plain-viewer.js';

const addon = loadNativeAddon();
const WRITER = pathToFileURL(
  join(import.meta.dirname, '../../dist/render/packetize/media-frame-writer.js'),
).href;
/** Of the child: the media socket, after the three standard streams. */
const MEDIA_FD = 3;
const SLOT = 2;
/** Ends what hangs. */
const MAX_BUSY_MS = 20_000;

/** A process that writes what it is told to its media socket. */
const CHILD_SCRIPT = `
  import { Socket } from 'node:net';
  const { MediaFrameWriter } = await import(process.env.WRITER);
  const socket = new Socket({ fd: ${MEDIA_FD} });
  socket.on('error', () => undefined);
  socket.on('close', () => process.send('closed'));
  socket.resume();
  const writer = new MediaFrameWriter(socket);
  process.on('message', ({ frames, raw, flood }) => {
    for (const frame of frames ?? []) writer.write(frame);
    if (raw !== undefined) socket.write(raw);
    if (flood !== undefined) {
      const step = () => {
        for (let i = 0; i < 20; i += 1) writer.write(flood);
        if (!socket.destroyed) setImmediate(step);
      };
      step();
    }
  });
  process.on('disconnect', () => process.exit(0));
  process.send('ready');
`;

interface SessionProcess {
  readonly mediaSocket: number;
  readonly child: ChildProcess;
  readonly failures: MediaSocketFailure[];
  send(message: unknown): void;
  stats(): NativeMediaSlotStats;
}

describe.skipIf(addon === undefined)('the media socket', () => {
  let host: NativePlaneHost;
  let plane: NativeMediaPlane;
  let viewers: PlainViewers;
  let keyframesWanted: number;
  let processes: SessionProcess[];

  beforeEach(() => {
    if (addon === undefined) throw new Error('The addon is not built.');
    // The plane shares it, as routers with the same port do.
    host = NativePlaneHost.acquire(addon, 0, silentLogger);
    plane = new NativeMediaPlane({ addon, udpPort: 0, clock: systemClock, logger: silentLogger });
    viewers = new PlainViewers(plane);
    keyframesWanted = 0;
    processes = [];
  });

  afterEach(async () => {
    await Promise.all(processes.map(end));
    await viewers.close();
    await plane.close();
    host.release();
  });

  async function end({ child, mediaSocket }: SessionProcess): Promise<void> {
    host.plane.closeMediaSocket(mediaSocket);
    host.mediaSocketListeners.delete(mediaSocket);
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
  }

  async function start(): Promise<SessionProcess> {
    const { id, fd } = host.plane.openMediaSocket();
    const failures: MediaSocketFailure[] = [];
    host.mediaSocketListeners.set(id, (reason) => failures.push(reason));
    const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD_SCRIPT], {
      stdio: ['ignore', 'inherit', 'inherit', fd, 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, WRITER },
    });
    closeSync(fd);
    const session: SessionProcess = {
      mediaSocket: id,
      child,
      failures,
      send: (message) => child.send(message as object),
      stats: () => {
        const stats = host.plane.mediaSocketStats(id)?.[SLOT];
        if (stats === undefined) throw new Error('The media socket is closed.');
        return stats;
      },
    };
    processes.push(session);
    expect(await once(child, 'message')).toEqual(['ready', undefined]);
    return session;
  }

  function produce(): NativeProducer {
    const producer = plane.createProducer(
      { kind: 'video', clockRateHz: 90_000, keyframeIntervalMinMs: 50 },
      { onKeyframeWanted: () => (keyframesWanted += 1) },
    );
    if (!(producer instanceof NativeProducer)) throw new Error('Not a native producer.');
    return producer;
  }

  async function watch(producer: NativeProducer): Promise<PlainViewer> {
    const viewer = await viewers.connect();
    viewer.media.transport.consume(producer, viewer.media.video);
    return viewer;
  }

  const frame = (keyframe: boolean, sizes: readonly number[] = [1000, 700]) => ({
    ...frameOf(keyframe, sizes),
    slot: SLOT,
  });

  it('carries the frames of another process to a viewer, byte by byte as they were written', async () => {
    const producer = produce();
    const viewer = await watch(producer);
    const session = await start();
    host.plane.bindMediaStream(session.mediaSocket, SLOT, producer.id);
    const frames = [frame(true, [1144, 1144, 300]), frame(false, [40]), frame(false, [900, 900])];
    session.send({ frames });
    await until(() => expect(viewer.rtp).toHaveLength(6));
    expect(viewer.rtp.map(({ payload }) => payload.toString('hex'))).toEqual(frames.flatMap(payloadsOf));
    expect(viewer.rtp.map(({ header }) => header.timestamp)).toEqual(
      frames.flatMap((each) => payloadsOf(each).map(() => each.rtpTimestamp)),
    );
    expect(session.stats()).toMatchObject({ frames: 3, keyframes: 1, bytes: 4428, dropped: 0 });
    expect(session.stats().lastFrameUs).toBeGreaterThan(frames[0]?.captureTimeUs ?? Infinity);
    const wanted = keyframesWanted;
    viewer.sendRtcp(pli(viewer.media.video.ssrc));
    await until(() => expect(keyframesWanted).toBe(wanted + 1));
  });

  it('needs no turn of the event loop of the process that has the plane', async () => {
    const producer = produce();
    const viewer = await watch(producer);
    const session = await start();
    host.plane.bindMediaStream(session.mediaSocket, SLOT, producer.id);
    session.send({ frames: Array.from({ length: 50 }, (_, i) => frame(i === 0)) });
    // Messages to a child leave with the event loop; the child is busy from here on, and this thread as well.
    await new Promise((resolve) => setImmediate(resolve));
    const endMs = performance.now() + MAX_BUSY_MS;
    // Reports are packets too, and a socket counts what it has read after the packets of it have left.
    const isDone = (): boolean => plane.stats.packetsSent >= 100 && session.stats().frames >= 50;
    while (!isDone() && performance.now() < endMs);
    expect(session.stats()).toMatchObject({ frames: 50, keyframes: 1, dropped: 0 });
    expect(viewer.rtp).toHaveLength(0);
    await until(() => expect(viewer.rtp).toHaveLength(100));
  });

  it('drops frames that nobody has bound, and begins with a keyframe, which it asks for', async () => {
    const producer = produce();
    const session = await start();
    session.send({ frames: [frame(true)] });
    await until(() => expect(session.stats().dropped).toBe(1));
    host.plane.bindMediaStream(session.mediaSocket, SLOT, producer.id);
    session.send({ frames: [frame(false)] });
    await until(() => expect(session.stats().dropped).toBe(2));
    await until(() => expect(keyframesWanted).toBe(1));
    session.send({ frames: [frame(true), frame(false)] });
    await until(() => expect(session.stats().frames).toBe(2));
    host.plane.unbindMediaStream(session.mediaSocket, SLOT);
    session.send({ frames: [frame(true)] });
    await until(() => expect(session.stats().dropped).toBe(3));
    expect(() => {
      host.plane.bindMediaStream(session.mediaSocket, 32, producer.id);
    }).toThrow('Expected a slot between 0 and 31 but received 32');
  });

  it.each([
    ['malformed', { raw: Buffer.alloc(32) }],
    ['oversized', { raw: Buffer.concat([Buffer.from([1, 0, 64, 0, 1]), Buffer.alloc(27)]) }],
    ['flooded', { flood: { ...frameOf(true, [1]), slot: SLOT } }],
  ])('fails as %s alone, once, and the process is told', async (reason, message) => {
    const producer = produce();
    const viewer = await watch(producer);
    const [bad, good] = [await start(), await start()];
    host.plane.bindMediaStream(good.mediaSocket, SLOT, producer.id);
    const told = once(bad.child, 'message');
    bad.send(message);
    expect(await told).toEqual(['closed', undefined]);
    await until(() => expect(bad.failures).toEqual([reason]));
    const sent = frame(true);
    good.send({ frames: [sent] });
    await until(() => expect(viewer.rtp).toHaveLength(2));
    expect(viewer.rtp.map(({ payload }) => payload.toString('hex'))).toEqual(payloadsOf(sent));
    expect(good.failures).toEqual([]);
    expect(bad.failures).toEqual([reason]);
  });

  it('says that the other process has ended, also in the middle of a frame', async () => {
    const producer = produce();
    const session = await start();
    host.plane.bindMediaStream(session.mediaSocket, SLOT, producer.id);
    session.send({ frames: [frame(true)], raw: Buffer.alloc(31) });
    await until(() => expect(session.stats().frames).toBe(1));
    session.child.kill('SIGKILL');
    await until(() => expect(session.failures).toEqual(['closed']));
    expect(session.stats().frames).toBe(1);
  });

  it('leaves no descriptor, and says nothing once it is closed', async () => {
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    const opened = Array.from({ length: 20 }, () => host.plane.openMediaSocket());
    const failures: MediaSocketFailure[] = [];
    for (const { id, fd } of opened) {
      host.mediaSocketListeners.set(id, (reason) => failures.push(reason));
      host.plane.closeMediaSocket(id);
      host.plane.closeMediaSocket(id);
      expect(host.plane.mediaSocketStats(id)).toBeUndefined();
      closeSync(fd);
    }
    await until(() => expect(descriptors()).toBe(before));
    expect(failures).toEqual([]);
    for (const { id } of opened) host.mediaSocketListeners.delete(id);
  });
});
