import { afterEach, describe, expect, it } from 'vitest';

import { type Logger, silentLogger } from '../../../src/base/logger.js';
import { openOverflow } from '../../../src/overflow/open-overflow.js';
import { overflowOptions, type OverflowOptions } from '../../../src/options/overflow-options.js';
import type { MediaSource } from '../../../src/protocol/media-source.js';
import type { PublicationStatus } from '../../../src/protocol/state-document.js';
import type { Publication } from '../../../src/publish/publication.js';
import type { Publishing } from '../../../src/publish/open-publishing.js';
import { PassingProfile } from '../../../src/profiles/passing-profile.js';
import type { MediaShare } from '../../../src/session/media-share.js';
import type { Session } from '../../../src/session/session.js';
import {
  codeOf,
  type HarnessOptions,
  SessionHarness,
  type Watching,
  type WatchOptions,
} from '../../helpers/session-harness.js';
import { anybody, type FakeParts } from '../../helpers/session-fakes.js';
import { settle } from '../../helpers/virtual-clock.js';

const SOURCE: MediaSource = { kind: 'whep', url: 'https://sfu.example.org/whep/1', token: 'for-this-viewer' };
const BOTH = ['whep', 'livekit'] as const;
const watcher = { ...anybody, role: 'viewer' } as const;

/** A publication whose fate the test decides. */
class FakePublication {
  status: PublicationStatus = 'connecting';
  readonly attempts = 1;

  constructor(
    readonly url: string,
    readonly token: string | undefined,
    private readonly onChange: () => void,
  ) {}

  get isActive(): boolean {
    return this.status !== 'failed' && this.status !== 'ended';
  }

  set(status: PublicationStatus): void {
    this.status = status;
    this.onChange();
  }

  start(): void {
    // The test says when.
  }

  end(): Promise<void> {
    if (this.isActive) this.set('ended');
    return Promise.resolve();
  }

  close = (): Promise<void> => this.end();
}

/** A session with the option `overflow`, whose publications and hooks the test plays. */
class Crowd {
  readonly publications: FakePublication[] = [];
  readonly asked: unknown[] = [];
  readonly warnings: string[] = [];
  play: OverflowOptions['play'] = () => SOURCE;
  readonly harness: SessionHarness;
  sentBytes = 0;

  constructor(options: Partial<OverflowOptions> = {}, settings: HarnessOptions['settings'] = {}) {
    const overflow = overflowOptions(
      {
        when: { viewers: 1 },
        publish: 'https://sfu.example.org/whip',
        play: (viewer: unknown) => {
          this.asked.push(viewer);
          return this.play(viewer as never);
        },
        ...options,
      },
      'overflow',
    );
    const adjust = (parts: FakeParts): void => {
      const { clock } = parts;
      const logger: Logger = {
        ...silentLogger,
        warn: (_context, message) => void this.warnings.push(message),
        child: () => logger,
      };
      const publishing: Publishing = {
        maxPerSession: 4,
        open: ({ target }, listener) => {
          const made = new FakePublication(target.url.href, target.token, () => listener.onChange());
          this.publications.push(made);
          return made as unknown as Publication<MediaShare> as never;
        },
      };
      const readSentBytes = (): number => this.sentBytes;
      Object.assign(parts, {
        publishing,
        overflow: openOverflow(overflow, { readSentBytes, clock, logger }),
      });
    };
    this.harness = new SessionHarness({}, {}, { adjust, settings });
    this.harness.session.launch();
  }

  static async live(
    options: Partial<OverflowOptions> = {},
    settings: HarnessOptions['settings'] = {},
  ): Promise<Crowd> {
    const crowd = new Crowd(options, settings);
    crowd.harness.launch.succeed();
    await settle();
    return crowd;
  }

  /** One that may not play unless the test says otherwise, and can be sent anywhere. */
  watch(options: WatchOptions = {}): Watching {
    return this.harness.watch({ caller: watcher, mediaSources: BOTH, ...options });
  }

  get elsewhere(): boolean[] {
    return this.harness.session.viewers.list().map(({ elsewhere }) => elsewhere);
  }

  /** Makes the publication live that was begun last. */
  async goLive(): Promise<void> {
    await settle();
    this.publications.at(-1)?.set('live');
    await settle();
  }

  leave({ sink }: Watching): Promise<void> {
    sink.lose();
    return this.harness.clock.advance(15_000);
  }

  signal({ id }: Watching, type: string, caller = watcher as typeof anybody): Promise<void> {
    return this.harness.session.acceptSignal(caller, id, type, undefined);
  }
}

let crowd: Crowd;
afterEach(async () => {
  await crowd.harness.session.close('deleted');
  await crowd.harness.clock.advance(0);
  expect(crowd.harness.clock.pendingTimers).toBe(0);
});

describe('a viewer beyond the bound', () => {
  it('is sent to the media server once the session is published there', async () => {
    crowd = await Crowd.live({
      publish: () => ({ url: 'https://sfu.example.org/whip', token: 'publishes' }),
    });
    const first = crowd.watch();
    const second = crowd.watch({
      caller: { ...watcher, id: 'ann', context: { team: 'red' } },
    });
    await settle();
    expect(first.sink.signals('sdp_offer')).toEqual(['offer 0']);
    expect(crowd.publications).toMatchObject([{ url: 'https://sfu.example.org/whip', token: 'publishes' }]);
    expect(crowd.asked).toEqual([]);
    await crowd.goLive();
    expect(crowd.asked).toEqual([
      { streamId: 'id', publicId: '2', callerId: 'ann', callerContext: { team: 'red' } },
    ]);
    expect(second.sink.signals('media_source')).toEqual([SOURCE]);
    expect(second.sink.signals('sdp_offer')).toEqual([]);
    expect(crowd.elsewhere).toEqual([false, true]);
    // Neither the other viewers nor what is told of the session have the token.
    expect(first.sink.signals('media_source')).toEqual([]);
    const told = JSON.stringify([crowd.harness.session.diagnostics, crowd.harness.session.state]);
    expect(told).not.toContain('for-this-viewer');
    // The state comes from here still.
    const patches = second.sink.events.filter(({ event }) => event === 'state_patch');
    expect(patches.length).toBeGreaterThan(0);
  });

  it('shares the publication with those who come later, and has its source told again when it comes back', async () => {
    crowd = await Crowd.live();
    crowd.watch();
    const second = crowd.watch();
    await crowd.goLive();
    const third = crowd.watch();
    await settle();
    expect(third.sink.signals('media_source')).toEqual([SOURCE]);
    expect(crowd.publications).toHaveLength(1);
    second.sink.lose();
    const again = crowd.watch({ viewerId: second.id });
    expect(again.sink.signals('media_source')).toEqual([SOURCE]);
    expect(again.sink.signals('sdp_offer')).toEqual([]);
  });

  it('waits for the page like everybody', async () => {
    crowd = new Crowd();
    crowd.watch();
    const second = crowd.watch();
    await crowd.harness.clock.advance(5000);
    expect(crowd.publications).toEqual([]);
    crowd.harness.launch.succeed();
    await crowd.goLive();
    expect(second.sink.signals('media_source')).toEqual([SOURCE]);
  });

  it('is served from here if its client cannot be sent anywhere, wants one codec, or plays', async () => {
    crowd = await Crowd.live({}, { maxViewersPerSession: 9, maxViewersPerCaller: 9 });
    crowd.watch();
    const offered = ({ sink }: Watching): number => sink.signals('sdp_offer').length;
    expect(offered(crowd.watch({ mediaSources: [] }))).toBe(1);
    expect(offered(crowd.watch({ videoCodec: 'vp8' }))).toBe(1);
    // The first that may play does.
    const player = crowd.watch({ caller: anybody });
    expect(offered(player)).toBe(1);
    expect(player.viewer.viewer.role).toBe('controller');
    const guest = crowd.watch({ caller: anybody });
    expect(offered(guest)).toBe(0);
    expect(crowd.harness.session.viewers.overflow?.size).toBe(1);
  });

  it('is refused beyond maxViewers once there is no seat left', async () => {
    crowd = await Crowd.live({ maxViewers: 1 }, { maxViewersPerSession: 2, maxViewersPerCaller: 9 });
    crowd.watch();
    crowd.watch();
    expect(crowd.watch().sink.signals('sdp_offer')).toEqual(['offer 1']);
    expect(await codeOf(() => crowd.watch())).toBe('at_capacity');
  });

  it('is admitted beyond the seats that there are here', async () => {
    crowd = await Crowd.live(
      { when: { egressBps: 1e9 } },
      { maxViewersPerSession: 1, maxViewersPerCaller: 9 },
    );
    crowd.watch();
    const second = crowd.watch();
    await crowd.goLive();
    expect(second.sink.signals('media_source')).toEqual([SOURCE]);
    expect(await codeOf(() => crowd.watch({ mediaSources: [] }))).toBe('at_capacity');
  });

  it('is one beyond what the server may send, too', async () => {
    crowd = await Crowd.live({ when: { egressBps: 10_000_000 } });
    crowd.watch();
    for (let second = 0; second < 4; second += 1) {
      crowd.sentBytes += 1_250_000;
      await crowd.harness.clock.advance(1000);
    }
    const late = crowd.watch();
    await crowd.goLive();
    expect(late.sink.signals('media_source')).toEqual([SOURCE]);
  });

  it('is one beyond what those will be sent who were just let in', async () => {
    crowd = await Crowd.live({ when: { egressBps: 1_000_000 } });
    crowd.watch();
    const second = crowd.watch();
    await crowd.goLive();
    expect(second.sink.signals('media_source')).toEqual([SOURCE]);
  });

  it('counts with the bit rate that the session has now', async () => {
    crowd = await Crowd.live(
      { when: { egressBps: 3_000_000 } },
      { maxViewersPerSession: 9, maxViewersPerCaller: 9 },
    );
    await crowd.harness.session.reconfigure({ maxBitrateBps: 500_000 });
    for (let count = 0; count < 3; count += 1) crowd.watch();
    await crowd.harness.session.reconfigure({ maxBitrateBps: 20_000_000 });
    for (let count = 0; count < 2; count += 1) crowd.watch();
    await crowd.goLive();
    expect(crowd.elsewhere).toEqual([false, false, false, false, true]);
  });

  it('refused callers do not count towards the egress bound', async () => {
    const viewerBps = 10_000_000;
    crowd = await Crowd.live(
      { when: { egressBps: 3 * viewerBps } },
      { maxViewersPerSession: 9, maxViewersPerCaller: 1 },
    );
    crowd.watch();
    for (let time = 0; time < 50; time += 1) expect(await codeOf(() => crowd.watch())).toBe('at_capacity');
    const other = crowd.watch({ caller: { ...watcher, key: 'another' } });
    await crowd.goLive();
    expect(other.sink.signals('media_source')).toEqual([]);
    expect(other.sink.signals('sdp_offer')).toEqual(['offer 1']);
  });
});

describe('where the media server fails', () => {
  it.each([
    ['play throws', () => Promise.reject(new Error('no')) as never],
    ['play hangs', () => new Promise<never>(() => undefined)],
    ['play names another kind', () => ({ kind: 'rtmp', url: 'rtmp://sfu.example.org' }) as never],
    ['play names a URL with credentials', () => ({ ...SOURCE, url: 'https://a:b@sfu.example.org/' })],
    [
      'play names LiveKit without a token',
      () => ({ kind: 'livekit', url: 'wss://sfu.example.org' }) as const,
    ],
    ['play names what the client does not know', () => ({ ...SOURCE, kind: 'livekit' }) as const],
  ])('as %s, the viewer is served from here', async (_name, play) => {
    crowd = await Crowd.live();
    crowd.play = play;
    crowd.watch();
    const second = crowd.watch({ mediaSources: ['whep'] });
    await crowd.goLive();
    await crowd.harness.clock.advance(5000);
    expect(second.sink.signals('media_source')).toEqual([]);
    expect(second.sink.signals('sdp_offer')).toEqual(['offer 1']);
    expect(crowd.elsewhere).toEqual([false, false]);
  });

  it.each<[string, PublicationStatus | undefined]>([
    ['fails', 'failed'],
    ['is ended by somebody', 'ended'],
    ['does not come up in time', undefined],
  ])(
    'as the publication %s, viewers are served from here as long as there are seats',
    async (_name, status) => {
      crowd = await Crowd.live({}, { maxViewersPerSession: 2, maxViewersPerCaller: 9 });
      crowd.watch();
      const second = crowd.watch();
      const third = crowd.watch();
      await settle();
      if (status === undefined) await crowd.harness.clock.advance(10_000);
      else crowd.publications[0]?.set(status);
      await settle();
      expect(second.sink.signals('sdp_offer')).toEqual(['offer 1']);
      // It is to ask again, and to be refused as ever.
      expect(third.sink.ended).toBe(true);
      expect(third.sink.signals('closed')).toEqual([]);
      expect(await codeOf(() => crowd.watch({ viewerId: third.id }))).toBe('at_capacity');
      expect(crowd.publications).toHaveLength(1);
      expect(crowd.publications[0]?.isActive).toBe(false);
      // After a while it is tried anew.
      await crowd.harness.clock.advance(10_000);
      const later = crowd.watch();
      await crowd.goLive();
      expect(crowd.publications).toHaveLength(2);
      expect(later.sink.signals('media_source')).toEqual([SOURCE]);
    },
  );

  it('as play fails and there is no seat, nobody is sent there for a while', async () => {
    crowd = await Crowd.live({}, { maxViewersPerSession: 1, maxViewersPerCaller: 9 });
    crowd.play = () => Promise.reject(new Error('no'));
    crowd.watch();
    const second = crowd.watch();
    await crowd.goLive();
    expect(second.sink.ended).toBe(true);
    expect(second.sink.signals('closed')).toEqual([]);
    expect(await codeOf(() => crowd.watch({ viewerId: second.id }))).toBe('at_capacity');
    crowd.play = () => SOURCE;
    await crowd.harness.clock.advance(9000);
    expect(await codeOf(() => crowd.watch())).toBe('at_capacity');
    await crowd.harness.clock.advance(1000);
    const later = crowd.watch();
    await crowd.goLive();
    expect(later.sink.signals('media_source')).toEqual([SOURCE]);
  });

  it('as play names what one client cannot use, others are sent there still', async () => {
    crowd = await Crowd.live({}, { maxViewersPerSession: 1, maxViewersPerCaller: 9 });
    crowd.watch();
    const second = crowd.watch({ mediaSources: ['livekit'] });
    await crowd.goLive();
    expect(second.sink.ended).toBe(true);
    expect(await codeOf(() => crowd.watch({ mediaSources: ['livekit'] }))).toBe('at_capacity');
    const third = crowd.watch();
    await settle();
    expect(third.sink.signals('media_source')).toEqual([SOURCE]);
  });

  it('a client that gets nothing from there asks for a peer, and gets one while there are seats', async () => {
    crowd = await Crowd.live({}, { maxViewersPerSession: 2, maxViewersPerCaller: 9 });
    crowd.watch();
    const second = crowd.watch();
    const third = crowd.watch();
    await crowd.goLive();
    await crowd.signal(second, 'request_offer');
    expect(second.sink.signals('sdp_offer')).toEqual(['offer 1']);
    expect(await codeOf(() => crowd.signal(third, 'request_offer'))).toBe('at_capacity');
    expect(crowd.elsewhere).toEqual([false, false, true]);
  });

  it('and loses the session for good, those who have a seat return and the others wait for it', async () => {
    crowd = await Crowd.live({}, { maxViewersPerSession: 2, maxViewersPerCaller: 9 });
    crowd.watch();
    const second = crowd.watch();
    const third = crowd.watch();
    await crowd.goLive();
    crowd.publications[0]?.set('retrying');
    await crowd.harness.clock.advance(4000);
    expect(second.sink.signals('sdp_offer')).toEqual([]);
    crowd.publications[0]?.set('failed');
    await crowd.harness.clock.advance(2000);
    expect(second.sink.signals('sdp_offer')).toEqual(['offer 1']);
    expect(third.sink.signals('sdp_offer')).toEqual([]);
    expect(third.sink.ended).toBe(false);
    await crowd.harness.clock.advance(10_000);
    expect(crowd.publications).toHaveLength(2);
  });
});

describe('when the crowd has left', () => {
  it('viewers return some time later, and the publication ends after the last', async () => {
    crowd = await Crowd.live();
    const first = crowd.watch();
    const second = crowd.watch();
    await crowd.goLive();
    await crowd.harness.clock.advance(20_000);
    expect(second.sink.signals('sdp_offer')).toEqual([]);
    first.sink.lose();
    await crowd.harness.clock.advance(15_000);
    expect(second.sink.signals('sdp_offer')).toEqual([]);
    await crowd.harness.clock.advance(6000);
    expect(second.sink.signals('sdp_offer')).toEqual(['offer 1']);
    // It shows the media server's picture until it has the other.
    expect(crowd.elsewhere).toEqual([true]);
    crowd.harness.peer(1).connect();
    expect(crowd.elsewhere).toEqual([false]);
    await crowd.harness.clock.advance(27_000);
    expect(crowd.publications[0]?.status).toBe('live');
    await crowd.harness.clock.advance(3000);
    expect(crowd.publications[0]?.status).toBe('ended');
    expect(crowd.harness.session.publications.list()).toEqual([]);
  });

  it('one whose connection to here does not come up stays there', async () => {
    crowd = await Crowd.live();
    const first = crowd.watch();
    const second = crowd.watch();
    await crowd.goLive();
    await crowd.leave(first);
    await crowd.harness.clock.advance(30_000);
    expect(second.sink.signals('sdp_offer')).toEqual(['offer 1']);
    expect(crowd.elsewhere).toEqual([true]);
    expect(crowd.publications[0]?.status).toBe('live');
    await crowd.harness.clock.advance(60_000);
    expect(second.sink.signals('sdp_offer')).toEqual(['offer 1', 'offer 2']);
  });

  it('one that gives the connection to here up again stays there', async () => {
    crowd = await Crowd.live();
    const first = crowd.watch();
    const second = crowd.watch();
    await crowd.goLive();
    await crowd.leave(first);
    await crowd.harness.clock.advance(7000);
    expect(second.sink.signals('sdp_offer')).toEqual(['offer 1']);
    crowd.harness.peer(1).connect();
    await crowd.harness.clock.advance(15_000);
    crowd.harness.peer(1).listener.onLeft();
    await crowd.harness.clock.advance(30_000);
    expect(crowd.elsewhere).toEqual([true]);
    expect(crowd.publications[0]?.status).toBe('live');
    // It is the same viewer when it comes back.
    second.sink.lose();
    const again = crowd.watch({ viewerId: second.id });
    expect(again.id).toBe(second.id);
    expect(again.sink.signals('media_source')).toEqual([SOURCE]);
  });

  it('they return a few per second', async () => {
    const settings = { maxViewersPerSession: 40, maxViewersPerCaller: 99 };
    crowd = await Crowd.live({ when: { viewers: 20 } }, settings);
    const early = Array.from({ length: 20 }, () => crowd.watch());
    const late = Array.from({ length: 12 }, () => crowd.watch());
    await crowd.goLive();
    for (const { sink } of early) sink.lose();
    await crowd.harness.clock.advance(15_000);
    const returned = (): number => late.filter(({ sink }) => sink.signals('sdp_offer').length > 0).length;
    expect(returned()).toBe(0);
    const counts: number[] = [];
    for (let second = 0; second < 10; second += 1) {
      await crowd.harness.clock.advance(1000);
      counts.push(returned());
    }
    const steps = counts.map((count, index) => count - (counts[index - 1] ?? 0));
    expect(Math.max(...steps)).toBe(5);
    expect(counts.at(-1)).toBe(12);
  });

  it('they return no faster while control changes hands', async () => {
    const settings = { maxViewersPerSession: 40, maxViewersPerCaller: 99 };
    crowd = await Crowd.live({ when: { viewers: 20 } }, settings);
    const player = crowd.watch({ caller: anybody });
    const early = Array.from({ length: 19 }, () => crowd.watch());
    const late = Array.from({ length: 12 }, () => crowd.watch());
    await crowd.goLive();
    for (const { sink } of early) sink.lose();
    const returned = (): number => late.filter(({ sink }) => sink.signals('sdp_offer').length > 0).length;
    await crowd.harness.clock.advance(15_000);
    for (let second = 0; second < 10 && returned() === 0; second += 1)
      await crowd.harness.clock.advance(1000);
    expect(returned()).toBe(5);
    for (const type of ['release_control', 'request_control', 'release_control'])
      await crowd.signal(player, type, anybody);
    await settle();
    expect(returned()).toBe(5);
    await crowd.harness.clock.advance(1000);
    expect(returned()).toBe(10);
  });

  it('the publication ends, though nobody returns, when they all have gone', async () => {
    crowd = await Crowd.live();
    crowd.watch();
    const second = crowd.watch();
    await crowd.goLive();
    await crowd.leave(second);
    expect(crowd.publications[0]?.status).toBe('live');
    await crowd.harness.clock.advance(12_000);
    expect(crowd.publications[0]?.status).toBe('ended');
  });
});

it.each<[string, (session: Session) => Promise<unknown>]>([
  ['ends', (session) => session.close('deleted')],
  [
    'departs',
    async (session) => {
      const archive = await PassingProfile.create();
      await session.depart(archive);
      await archive.remove();
    },
  ],
])('the publication does not fail when its session %s', async (_name, finish) => {
  crowd = await Crowd.live();
  crowd.watch();
  crowd.watch();
  await crowd.goLive();
  await finish(crowd.harness.session);
  expect(crowd.publications).toMatchObject([{ status: 'ended' }]);
  expect(crowd.warnings).toEqual([]);
});

it('one that is given control is served from here, whatever the crowd', async () => {
  crowd = await Crowd.live();
  const player = crowd.watch({ caller: anybody });
  const guest = crowd.watch({ caller: anybody });
  await crowd.goLive();
  expect(guest.sink.signals('media_source')).toEqual([SOURCE]);
  await crowd.signal(player, 'release_control', anybody);
  await crowd.signal(guest, 'request_control', anybody);
  await settle();
  expect(guest.viewer.viewer.role).toBe('controller');
  expect(guest.sink.signals('sdp_offer')).toEqual(['offer 1']);
});
