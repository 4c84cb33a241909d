import { existsSync } from 'node:fs';
import { dirname } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { DEFAULT_TARGET_POLICY } from '../../../src/options/target-policy-options.js';
import { PassingProfile } from '../../../src/profiles/passing-profile.js';
import type { Publication } from '../../../src/publish/publication.js';
import { Admission } from '../../../src/session/admission.js';
import { IceServerSource } from '../../../src/session/ice-server-source.js';
import type { Session } from '../../../src/session/session.js';
import { SessionRegistry } from '../../../src/session/session-registry.js';
import { SessionTransfers } from '../../../src/session/session-transfers.js';
import { StreamKitSessions } from '../../../src/session/stream-kit-sessions.js';
import { anybody, FakeParts, testRequest, testSettings } from '../../helpers/session-fakes.js';
import { codeOf } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

const MAX_SESSIONS = 4;
const ENDPOINT = { url: 'https://sfu.example.org/whip', token: 'secret' };
const defaults = { viewport: { width: 1280, height: 720 }, maxBitrateBps: undefined };

let parts: FakeParts;
let registry: SessionRegistry;
let sessions: StreamKitSessions;
let transfers: SessionTransfers;
let recorded: string[];
let failed: string[];
/** The URLs of what was published, in order. */
let published: string[];
/** Where what pages have stored is written. */
let stored: string[];

beforeEach(() => {
  [recorded, failed, published, stored] = [[], [], [], []];
  parts = new FakeParts();
  const { clock, logger, machine } = parts;
  parts.storeProfile = ({ path }) => Promise.resolve(void stored.push(path));
  const open = (target: { url: URL }): Publication<never> => {
    published.push(target.url.href);
    const publication = { status: 'connecting', isActive: true, attempts: 1, start: () => undefined };
    const end = (): Promise<void> => Promise.resolve();
    return Object.assign(publication, { end, close: end }) as unknown as Publication<never>;
  };
  registry = new SessionRegistry({
    parts: Object.assign(parts, {
      observe: (name: never, event: { streamId: string }) => {
        parts.observed.push([name, event]);
        sessions.observe(name, event as never);
      },
      publishing: { maxPerSession: 4, open: ({ target }: { target: { url: URL } }) => open(target) },
    }),
    settings: testSettings,
    admission: new Admission({ maxSessions: MAX_SESSIONS, machine, clock }),
    onSessionError: (_error, streamId) => void failed.push(streamId),
  });
  const iceServers = new IceServerSource([], clock, logger);
  const shared = { registry, profiles: undefined, iceServers, defaults, logger };
  const options = {
    targetPolicy: DEFAULT_TARGET_POLICY,
    features: () => ({ region: undefined, gpu: false }),
  };
  sessions = new StreamKitSessions({
    ...{ ...shared, ...options, recordings: undefined, terminal: undefined },
    createToken: () => '',
  });
  transfers = new SessionTransfers({
    ...{ ...shared, ...options, clock },
    recordings: { creatorOf: (streamId) => (recorded.includes(streamId) ? anybody : undefined) },
  });
});

afterEach(async () => {
  await registry.close();
  // The folder of a page goes with its session.
  for (const path of stored) await expect.poll(() => existsSync(dirname(path))).toBe(false);
});

async function live(): Promise<Session> {
  const session = registry.create(testRequest(), anybody);
  await load();
  return session;
}

/** The page that was launched last is there. */
async function load(): Promise<void> {
  parts.launches.at(-1)?.succeed();
  await settle();
}

function namesOf(streamId: string): string[] {
  const own = parts.observed.filter(([, event]) => (event as { streamId: string }).streamId === streamId);
  return own.map(([name]) => name);
}

describe('a session that departs', () => {
  it('publishes again what it did when it is kept, once its page is there', async () => {
    const session = await live();
    session.publications.start(ENDPOINT, () => Promise.resolve([]));
    const departure = await transfers.depart(session.streamId);
    departure.keep();
    await settle();
    expect(published).toEqual([ENDPOINT.url]);
    await load();
    expect(published).toEqual([ENDPOINT.url, ENDPOINT.url]);
    expect(registry.page(session.streamId).publications.requests).toEqual([ENDPOINT]);
  });

  it('publishes again where its page takes longer than a session may be unused', async () => {
    const session = await live();
    session.publications.start(ENDPOINT, () => Promise.resolve([]));
    const drained = registry.drain();
    const departure = await transfers.depart(session.streamId);
    departure.keep();
    await parts.clock.advance(testSettings.viewerReattachMs + 1000);
    await load();
    await parts.clock.advance(testSettings.viewerReattachMs + 1000);
    expect(registry.page(session.streamId).publications.requests).toEqual([ENDPOINT]);
    await registry.close();
    await drained;
  });

  it('ends once it is unused if nobody used it when it was kept', async () => {
    const session = await live();
    void registry.drain();
    const departure = await transfers.depart(session.streamId);
    departure.keep();
    await load();
    await parts.clock.advance(testSettings.viewerReattachMs + 1000);
    expect(registry.all()).toEqual([]);
  });

  it('publishes nothing if its page fails when it is kept', async () => {
    const session = await live();
    session.publications.start(ENDPOINT, () => Promise.resolve([]));
    const departure = await transfers.depart(session.streamId);
    departure.keep();
    parts.launches.at(-1)?.fail(new Error('x'));
    await settle();
    expect(published).toEqual([ENDPOINT.url]);
  });

  it('stays if a recording, a DevTools client or its end came first', async () => {
    const begin: ((session: Session) => unknown)[] = [
      ({ streamId }) => recorded.push(streamId),
      ({ debuggers }) => debuggers.hold(),
      (session) => registry.end(session, 'deleted'),
    ];
    for (const beginning of begin) {
      const session = await live();
      const departing = transfers.depart(session.streamId);
      beginning(session);
      expect(await codeOf(() => departing)).toBe('conflict');
      expect(session.isDeparting).toBe(false);
    }
    expect(stored).toEqual([]);
  });

  it('ends through its old object where it was kept', async () => {
    const { streamId } = await live();
    const object = sessions.get(streamId);
    const ended: unknown[] = [];
    object.on('ended', (event) => ended.push(event));
    const departure = await transfers.depart(streamId);
    expect(await codeOf(() => object.end())).toBe('unavailable');
    departure.keep();
    const next = sessions.get(streamId);
    const nextEnded: unknown[] = [];
    next.on('ended', (event) => nextEnded.push(event));
    await load();
    expect([ended, nextEnded]).toMatchObject([[{ reason: 'moved' }], []]);
    // The order that the docs promise.
    expect(namesOf(streamId).filter((name) => /create|end/.test(name))).toEqual([
      ...['session:create', 'session:create', 'session:end'],
    ]);
    await object.end();
    expect(nextEnded).toMatchObject([{ reason: 'deleted' }]);
    expect(registry.all()).toEqual([]);
    await object.end();
  });

  it('has no end at this server once another one has it', async () => {
    const { streamId } = await live();
    const object = sessions.get(streamId);
    const ended: unknown[] = [];
    object.on('ended', (event) => ended.push(event));
    const departure = await transfers.depart(streamId);
    const ready = codeOf(() => object.whenReady());
    departure.handOver();
    await expect.poll(() => ended).toMatchObject([{ reason: 'moved' }]);
    expect(await ready).toBe('conflict');
    expect(await codeOf(() => object.end())).toBe('no_such_session');
  });
});

describe('a session that arrives', () => {
  const ID = '10000000-0000-4000-8000-000000000000';

  /** As another server sends it. */
  async function receive(): ReturnType<SessionTransfers['receive']> {
    const session = await live();
    const departure = await transfers.depart(session.streamId);
    departure.handOver();
    const before = parts.launches.length;
    const arrival = transfers.receive(ID, departure.moved, anybody, () => PassingProfile.create());
    arrival.catch(() => undefined);
    await expect.poll(() => parts.launches.length).toBe(before + 1);
    return arrival;
  }

  it('is reported as created before its status, once it is adopted', async () => {
    const arriving = receive();
    await expect.poll(() => parts.launches.length).toBe(2);
    await load();
    const arrival = await arriving;
    expect(namesOf(ID)).toEqual([]);
    arrival.adopt();
    expect(namesOf(ID)).toEqual(['session:create', 'session:status']);
    expect(sessions.get(ID).state.status).toBe('connecting');
  });

  it('is refused before its file is read', async () => {
    const { streamId } = await live();
    const departure = await transfers.depart(streamId);
    const { moved } = departure;
    departure.keep();
    await load();
    let reads = 0;
    const refusalOf = (id: string, sent: unknown): Promise<string> =>
      codeOf(() =>
        transfers.receive(id, sent, anybody, () => {
          reads += 1;
          return PassingProfile.create();
        }),
      );
    expect(await refusalOf(ID, { ...moved, request: {} })).toBe('bad_target_url');
    expect(await refusalOf(streamId, moved)).toBe('conflict');
    for (let count = registry.all().length; count < MAX_SESSIONS; count += 1) await live();
    expect(await refusalOf(ID, moved)).toBe('at_capacity');
    expect(reads).toBe(0);
  });

  it('is not reported if it is given up', async () => {
    const arriving = receive();
    await expect.poll(() => parts.launches.length).toBe(2);
    parts.launches.at(-1)?.fail(new StreamKitError('browser_not_found', 'x'));
    expect(await codeOf(() => arriving)).toBe('browser_not_found');
    const late = receive();
    await expect.poll(() => parts.launches.length).toBe(4);
    await load();
    await (await late).abandon();
    expect([namesOf(ID), failed]).toEqual([[], []]);
  });
});
