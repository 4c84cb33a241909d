import { beforeEach, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { OverflowPublication } from '../../../src/overflow/overflow-publication.js';
import type { PublicationStatus } from '../../../src/protocol/state-document.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

const clock = new VirtualClock();
const statuses = new Map<string, PublicationStatus>();
let warnings: string[];
/** Answers of the hook that the test gives. */
let answers: ((url: string) => void)[];
let publication: OverflowPublication;

function become(publicationId: string, status: PublicationStatus): Promise<void> {
  statuses.set(publicationId, status);
  publication.onChange();
  return settle();
}

beforeEach(() => {
  statuses.clear();
  [warnings, answers] = [[], []];
  publication = new OverflowPublication({
    streamId: 'one',
    publish: () => new Promise<string>((resolve) => answers.push(resolve)),
    publisher: {
      start: () => {
        const publicationId = String(statuses.size);
        statuses.set(publicationId, 'connecting');
        return publicationId;
      },
      statusOf: (publicationId) => statuses.get(publicationId),
      end: (publicationId) => become(publicationId, 'ended'),
    },
    clock,
    logger: { ...silentLogger, warn: (_context, message) => warnings.push(message) },
  });
});

it.each(['before its hook has answered', 'before it was live'])(
  'one that is needed no more %s has not failed',
  async (when) => {
    const opened = publication.open();
    const refused = expect(opened).rejects.toThrow('The publication has ended');
    await settle();
    if (when === 'before it was live') {
      answers[0]?.('https://sfu.example.org/whip');
      await settle();
    }
    publication.end();
    answers[0]?.('https://sfu.example.org/whip');
    await refused;
    expect(warnings).toEqual([]);
    expect(publication.isUsable).toBe(true);
    expect([...statuses.values()].every((status) => status === 'ended')).toBe(true);
  },
);

it('one that begins while another is being ended is alone, and is told when it is live', async () => {
  const first = publication.open();
  const refused = expect(first).rejects.toThrow('The publication has ended');
  await settle();
  publication.end();
  const second = publication.open();
  await settle();
  for (const answer of answers) answer('https://sfu.example.org/whip');
  await refused;
  await settle();
  expect([...statuses.values()]).toEqual(['connecting']);
  await become('0', 'live');
  await second;
  expect(publication.isOpen).toBe(true);
  expect(publication.isUsable).toBe(true);
  expect(warnings).toEqual([]);
});

it.each(['ended', undefined] as const)(
  'one that somebody ends, as its status %s shows, says so',
  async (status) => {
    const opened = publication.open();
    const refused = expect(opened).rejects.toThrow(
      'Expected a live publication but it was ended: while its session goes on, leave that to overflow',
    );
    await settle();
    answers[0]?.('https://sfu.example.org/whip');
    await settle();
    if (status === undefined) statuses.clear();
    else statuses.set('0', status);
    publication.onChange();
    await refused;
  },
);

it('one that fails is not tried again for a while', async () => {
  const opened = publication.open();
  const refused = expect(opened).rejects.toThrow(
    'Expected a live publication but it failed: the log and the list of publications say why',
  );
  await settle();
  answers[0]?.('https://sfu.example.org/whip');
  await settle();
  await become('0', 'failed');
  await refused;
  expect(warnings).toEqual(['the publication for further viewers failed']);
  expect(publication.isUsable).toBe(false);
  await clock.advance(10_000);
  expect(publication.isUsable).toBe(true);
});
