import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { StreamKitError } from '../../src/base/errors.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import { DEFAULT_TARGET_POLICY } from '../../src/options/target-policy-options.js';
import { restoreProfile } from '../../src/render/capture/stored-profile.js';
import type { RemoteRendersOptions, RemoteRenders } from '../../src/render/remote-renders.js';
import type { RenderListener } from '../../src/render/render.js';
import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/logger.js';
import { openMediaPlane, openRemoteRenders } from '../helpers/built-renders.js';
import { until } from '../helpers/patience.js';
import { commandLine, processesOfSessions } from '../helpers/session-processes.js';

const listener = new Proxy({} as RenderListener, { get: () => () => undefined });
const launchOptions: RemoteRendersOptions['graphics']['launchOptions'] = (given) => given;
const renderingOf: RemoteRendersOptions['graphics']['renderingOf'] = ({ name, software }) => ({
  ...{ renderer: name, software, fallback: false },
});
const graphicsAsTheyAre: Omit<RemoteRendersOptions['graphics'], 'ready'> = {
  ...{ take: () => undefined, launchOptions, renderingOf },
  encoders: (candidates) => candidates,
};
const parameters = {
  ...{ targetUrl: 'http://127.0.0.1:9/', width: 320, height: 180, deviceScaleFactor: 1, frameRate: 30 },
  ...{ audio: false, initialData: null },
};

describe('session processes', () => {
  let plane: MediaPlane;
  let renders: RemoteRenders | undefined;
  let socketsOpen: number;

  beforeEach(() => {
    plane = openMediaPlane({ mediaPlane: 'native', udpPort: 0, clock: systemClock, logger: silentLogger });
    socketsOpen = 0;
    const open = plane.openMediaSocket?.bind(plane);
    plane.openMediaSocket = (onFailed) => {
      const socket = open?.(onFailed);
      if (socket === undefined) throw new Error('The plane has no media sockets');
      const close = socket.close.bind(socket);
      let isOpen = true;
      socketsOpen += 1;
      socket.close = () => {
        if (isOpen) socketsOpen -= 1;
        isOpen = false;
        close();
      };
      return socket;
    };
  });

  afterEach(async () => {
    await renders?.close();
    await plane.close();
    expect(socketsOpen).toBe(0);
    await until(() => expect(processesOfSessions()).toEqual([]));
  });

  function open(options: Partial<RemoteRendersOptions> = {}): RemoteRenders {
    renders = openRemoteRenders({
      ...{ launchOptions: { executablePath: '/nowhere/chromium' }, capture: 'auto', mediaPlane: plane },
      ...{
        launchTimeoutMs: 10_000,
        loadTimeoutMs: 10_000,
        hangTimeoutMs: 60_000,
        lipSyncToleranceMs: 80,
        soundDtx: false,
      },
      ...{ targetPolicy: DEFAULT_TARGET_POLICY, onEgressRefused: () => undefined, logger: silentLogger },
      graphics: { ...graphicsAsTheyAre, ready: () => Promise.resolve() },
      encoders: { chosen: true, ready: () => Promise.resolve(), candidates: () => [] } as never,
      sessionProcess: { spare: true, launchesAtOnce: 2, heapBytes: 128 * 2 ** 20 },
      limiter: {
        limit: () => ({ outOfMemory: false, close: () => Promise.resolve() }),
        close: () => undefined,
      },
      ...options,
    });
    return renders;
  }

  const launch = (by: RemoteRenders): Promise<unknown> =>
    by.open(parameters, listener, AbortSignal.timeout(30_000)).then(
      () => 'opened',
      (error: unknown) => error,
    );

  it('report why a browser cannot be started, and leave nothing of the session', async () => {
    const error = await launch(open());
    expect(error).toBeInstanceOf(Error);
    expect((error as StreamKitError).code).toBe('browser_not_found');
    // The four sockets of the process that waits for the next session.
    expect(socketsOpen).toBe(4);
    await until(() => expect(processesOfSessions()).toHaveLength(1));
  });

  it.each([
    ['a directory', '/'],
    ['a script without its interpreter', ''],
  ])('report that %s is no browser', async (_what, path) => {
    const folder = await mkdtemp(join(tmpdir(), 'no-browser-'));
    try {
      const script = join(folder, 'browser');
      await writeFile(script, '#!/nowhere/interpreter\n', { mode: 0o755 });
      const executablePath = path === '' ? script : path;
      expect(await launch(open({ launchOptions: { executablePath } }))).toMatchObject({
        code: 'browser_not_found',
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('give up a launch that waits until it is known how pages are drawn', async () => {
    const aborting = new AbortController();
    const ready = (): Promise<void> => new Promise(() => undefined);
    const graphics = { ...graphicsAsTheyAre, ready };
    const opening = open({ graphics }).open(parameters, listener, aborting.signal);
    aborting.abort(new Error('the session was ended'));
    await expect(opening).rejects.toThrow('the session was ended');
  });

  it('report that the system refuses to start a browser', async () => {
    // One argument may have 128 KiB: Node.js throws this, where it announces others.
    const args = [`--user-agent=${'a'.repeat(200_000)}`];
    expect(await launch(open({ launchOptions: { executablePath: process.execPath, args } }))).toMatchObject({
      code: 'unavailable',
    });
  });

  it('that die while they wait are cleared away, and the next session gets another', async () => {
    const opened = open();
    await until(() => expect(processesOfSessions()).toHaveLength(1));
    const [waiting] = processesOfSessions();
    // As the option says, MiB.
    expect(commandLine(waiting?.pid ?? 0).split('\0')).toContain('--max-old-space-size=128');
    if (waiting !== undefined) process.kill(waiting.pid, 'SIGKILL');
    await until(() => expect(processesOfSessions()).toEqual([]));
    await setTimeout(0);
    expect(await launch(opened)).toMatchObject({ code: 'browser_not_found' });
    expect(socketsOpen).toBe(4);
  });

  it('none waits for the next session where the option says so', async () => {
    const sessionProcess = { spare: false, launchesAtOnce: 2, heapBytes: 128 * 2 ** 20 };
    expect(await launch(open({ sessionProcess }))).toMatchObject({ code: 'browser_not_found' });
    await until(() => expect(processesOfSessions()).toEqual([]));
    expect(socketsOpen).toBe(0);
  });

  it('store the profile of a session that has failed, if its browser still answers', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'failed-profile-'));
    const hanging = createServer((_request, response) => {
      response.setHeader('set-cookie', 'signed-in=yes; max-age=3600');
      response.end('<title>hangs</title><script>streamKit.on("message", () => { for (;;); })</script>');
    }).listen(0, '127.0.0.1');
    try {
      await once(hanging, 'listening');
      const targetUrl = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}/`;
      const path = join(folder, 'profile');
      const limits = { maxBytes: 2 ** 26, mustExist: false };
      let onEnded: (error: StreamKitError) => void = () => undefined;
      const ended = new Promise<StreamKitError>((resolve) => (onEnded = resolve));
      const render = await open({
        ...{ launchOptions: {}, hangTimeoutMs: 3_000, loadTimeoutMs: 60_000, launchTimeoutMs: 60_000 },
        targetPolicy: { ...DEFAULT_TARGET_POLICY, allowPrivateAddresses: true },
      }).open(
        { ...parameters, targetUrl, profile: { path: join(folder, 'none'), ...limits } },
        new Proxy(listener, { get: (_, name) => (name === 'onEnded' ? onEnded : () => undefined) }),
        AbortSignal.timeout(60_000),
      );
      try {
        render.sendToPage('hang');
        expect((await ended).code).toBe('browser_hung');
        await render.storeProfile({ path, maxBytes: limits.maxBytes });
        const { cookies } = await restoreProfile({ path, ...limits, mustExist: true }, folder);
        expect(cookies.map(({ name, value }) => [name, value])).toEqual([['signed-in', 'yes']]);
        // Of one whose process has gone it cannot be had.
        process.kill(render.processPid, 'SIGKILL');
        await expect(render.storeProfile({ path, maxBytes: limits.maxBytes })).rejects.toThrow();
      } finally {
        await render.close();
      }
    } finally {
      hanging.close();
      hanging.closeAllConnections();
      await rm(folder, { recursive: true });
    }
  });

  it('that cannot be limited end their session with the reason', async () => {
    const limiter = {
      limit: () => {
        throw new Error('no cgroup');
      },
      close: () => undefined,
    };
    expect(await launch(open({ limiter }))).toMatchObject({
      code: 'unavailable',
      message: 'The session could not be limited',
    });
  });
});
