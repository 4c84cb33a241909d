import type { Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import type { OverflowOptions } from '../../src/options/overflow-options.js';
import { PATIENCE_MS } from '../helpers/patience.js';
import { SfuServer } from '../helpers/sfu-server.js';
import { type CreatedSession, TestServer } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

let browser: ViewerBrowser;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterAll(() => browser.close());

/** Figures of this machine, as busy as it is. */
function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A session on a server that sends viewers beyond the first one elsewhere, and what they see of it. */
class Theatre {
  readonly #server: TestServer;
  readonly #session: CreatedSession;
  readonly #pages: Page[] = [];

  private constructor(server: TestServer, session: CreatedSession) {
    this.#server = server;
    this.#session = session;
  }

  static async open(overflow: Pick<OverflowOptions, 'publish' | 'play'>): Promise<Theatre> {
    const server = await TestServer.start({
      publications: { targets: { allowPrivateAddresses: true } },
      overflow: { when: { viewers: 1 }, ...overflow },
      // Those who leave are gone soon.
      viewerReattachMs: 500,
    });
    const session = await server.create(server.page('mode=counter&tells=20'));
    await server.state(session, ({ status }) => status === 'connecting');
    return new Theatre(server, session);
  }

  /** Joins, and waits for pictures. @returns the page, and how long the first of them took, ms. */
  async join(): Promise<{ page: Page; joinMs: number }> {
    const { page } = await browser.open(this.#server);
    this.#pages.push(page);
    // As text: the test runner would put its own import in place.
    await page.evaluate(`(async () => {
      const { connectStream } = await import('/client/index.js');
      window.errors = [];
      window.transports = [];
      window.painted = [];
      const startedMs = performance.now();
      window.stream = connectStream({
        url: '/stream',
        streamId: '${this.#session.id}',
        video: window.video,
        livekit: () => import('/vendor/livekit-client/dist/livekit-client.esm.mjs'),
        onError: (error) => errors.push(error.code + ': ' + error.message),
        onState: ({ state }) => painted.push(state.metadata.page?.painted),
      });
      stream.on('transport', (name) => transports.push(name));
      let frames = 0;
      // By a timer: pages that are not in front are told of no picture.
      setInterval(() => {
        const nowMs = performance.now();
        const { totalVideoFrames } = video.getVideoPlaybackQuality();
        // The longest time without a new picture since somebody last asked.
        window.gapMs = Math.max(window.gapMs ?? 0, nowMs - (window.shownMs ?? nowMs));
        if (totalVideoFrames === frames) return;
        frames = totalVideoFrames;
        window.shownMs = nowMs;
        window.joinMs ??= nowMs - startedMs;
      }, 5);
    })()`);
    await expect
      .poll(() => page.evaluate('video.getVideoPlaybackQuality().totalVideoFrames'), {
        timeout: 2 * PATIENCE_MS,
      })
      .toBeGreaterThan(30);
    return { page, joinMs: Math.round(Number(await page.evaluate('joinMs'))) };
  }

  async transportOf(page: Page): Promise<unknown> {
    return page.evaluate('stream.transport');
  }

  /** The counter that the page paints: it grows in the picture and in the state. */
  async expectToFollow(page: Page): Promise<void> {
    const last = (): Promise<unknown> => page.evaluate('painted.at(-1)');
    const before = Number(await last());
    await expect.poll(last, { timeout: PATIENCE_MS }).toBeGreaterThan(before);
    const counter = Number(await page.evaluate('readCode(0)'));
    await expect.poll(() => page.evaluate('readCode(0)'), { timeout: PATIENCE_MS }).not.toBe(counter);
    expect(await page.evaluate('errors')).toEqual([]);
  }

  /** Median age of the picture that is shown, ms. */
  async ageOf(page: Page): Promise<number> {
    const ages = await page.evaluate(`(async () => {
      const ages = [];
      let counter = readCode(0);
      while (ages.length < 60) {
        await new Promise((resolve) => setTimeout(resolve, 4));
        const [shown, paintedMs] = [readCode(0), readCode(1)];
        if (shown === counter || shown === null || paintedMs === null) continue;
        counter = shown;
        ages.push((Math.round(performance.timeOrigin + performance.now()) >>> 0) - paintedMs);
      }
      return ages.sort((one, other) => one - other);
    })()`);
    return (ages as number[])[30] ?? NaN;
  }

  async leave(page: Page): Promise<void> {
    await page.evaluate('stream.close()');
    await page.close();
  }

  /**
   * It comes back to the server, and its picture goes on. The longest time without a new picture is printed, not checked: it
   * depends on how busy this machine is.
   */
  async expectToReturn(page: Page): Promise<void> {
    await page.evaluate('window.gapMs = 0');
    await expect.poll(() => this.transportOf(page), { timeout: 2 * PATIENCE_MS }).toBe('webrtc');
    await this.expectToFollow(page);
    expect(await page.evaluate('transports')).toEqual(['overflow', 'webrtc']);
    print(`longest time without a new picture: ${Math.round(Number(await page.evaluate('gapMs')))} ms`);
  }

  get elsewhere(): boolean[] {
    return this.#server.router.sessions
      .get(this.#session.id)
      .viewers()
      .map(({ elsewhere }) => elsewhere);
  }

  get publications(): number {
    return this.#server.router.sessions.get(this.#session.id).diagnostics.publications.length;
  }

  async close(): Promise<void> {
    for (const page of this.#pages) if (!page.isClosed()) await page.close();
    await this.#server.close();
  }
}

describe('LiveKit', () => {
  test('serves viewers beyond the bound; they return to play, or when the crowd has left', async () => {
    const livekit = await SfuServer.livekit();
    onTestFinished(() => livekit.close());
    const theatre = await Theatre.open({
      publish: ({ streamId: room }) => ({
        url: `${livekit.origin}/whip/v1`,
        token: SfuServer.token({ identity: 'render', room, canPublish: true }),
      }),
      play: ({ streamId: room, publicId: identity }) => ({
        kind: 'livekit',
        url: livekit.origin.replace('http', 'ws'),
        token: SfuServer.token({ identity, room, canPublish: false, canSubscribe: true }),
      }),
    });
    try {
      const direct = await theatre.join();
      const guest = await theatre.join();
      const other = await theatre.join();
      expect(await theatre.transportOf(direct.page)).toBe('webrtc');
      expect(await theatre.transportOf(guest.page)).toBe('overflow');
      expect(await theatre.transportOf(other.page)).toBe('overflow');
      expect(theatre.elsewhere).toEqual([false, true, true]);
      for (const { page } of [direct, guest, other]) await theatre.expectToFollow(page);
      const ages = await Promise.all([theatre.ageOf(direct.page), theatre.ageOf(other.page)]);
      print(
        `direct: joined in ${direct.joinMs} ms, picture ${ages[0]} ms old; ` +
          `LiveKit: joined in ${guest.joinMs} ms (first) and ${other.joinMs} ms, picture ${ages[1]} ms old`,
      );

      // Who plays is served from here, and can send input.
      await direct.page.evaluate('stream.releaseControl()');
      await guest.page.evaluate('stream.requestControl()');
      await theatre.expectToReturn(guest.page);
      await expect
        .poll(
          () =>
            guest.page.evaluate(
              `stream.sendInput({ type: 'pointer', action: 'move', x: 0.5, y: 0.5, buttons: 0, pointerType: 'mouse' })`,
            ),
          { timeout: PATIENCE_MS },
        )
        .toBe(true);
      expect(await theatre.transportOf(other.page)).toBe('overflow');
      await theatre.expectToFollow(other.page);

      await theatre.leave(direct.page);
      await theatre.leave(guest.page);
      await theatre.expectToReturn(other.page);
      expect(theatre.elsewhere).toEqual([false]);
    } finally {
      await theatre.close();
    }
  });

  test('that nobody can reach leaves viewers where they were', async () => {
    const livekit = await SfuServer.livekit();
    onTestFinished(() => livekit.close());
    const theatre = await Theatre.open({
      publish: ({ streamId: room }) => ({
        url: `${livekit.origin}/whip/v1`,
        token: SfuServer.token({ identity: 'render', room, canPublish: true }),
      }),
      play: () => ({ kind: 'livekit', url: livekit.origin.replace('http', 'ws'), token: 'expired' }),
    });
    try {
      await theatre.join();
      const { page } = await theatre.join();
      expect(await page.evaluate('errors')).toEqual([expect.stringContaining('source_failed')]);
      expect(await page.evaluate('transports')).toEqual(['overflow', 'webrtc']);
    } finally {
      await theatre.close();
    }
  });
});

describe('the example of Pion', () => {
  test('serves viewers beyond the bound by WHEP', async () => {
    const pion = await SfuServer.pion();
    onTestFinished(() => pion.close());
    const theatre = await Theatre.open({
      publish: `${pion.origin}/whip`,
      play: () => ({ kind: 'whep', url: `${pion.origin}/whep` }),
    });
    try {
      const direct = await theatre.join();
      const guest = await theatre.join();
      expect(await theatre.transportOf(guest.page)).toBe('overflow');
      await theatre.expectToFollow(guest.page);
      const ages = await Promise.all([theatre.ageOf(direct.page), theatre.ageOf(guest.page)]);
      print(
        `direct: joined in ${direct.joinMs} ms, picture ${ages[0]} ms old; ` +
          `WHEP: joined in ${guest.joinMs} ms, picture ${ages[1]} ms old`,
      );
      await theatre.leave(direct.page);
      await theatre.expectToReturn(guest.page);
      await expect.poll(() => theatre.publications, { timeout: 2 * PATIENCE_MS }).toBe(0);
      await theatre.expectToFollow(guest.page);
    } finally {
      await theatre.close();
    }
  });
});
