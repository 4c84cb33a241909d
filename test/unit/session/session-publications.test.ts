import { describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { Publication } from '../../../src/publish/publication.js';
import type { SessionMedia } from '../../../src/session/session-media.js';
import { parsePublicationRequest, SessionPublications } from '../../../src/session/session-publications.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

/** Publications whose connections close only when the test says so. */
class Stuck {
  readonly clock = new VirtualClock();
  readonly #releases: (() => void)[] = [];
  readonly publications = new SessionPublications(
    {
      streamId: 'stream',
      parts: {
        clock: this.clock,
        observe: () => undefined,
        publishing: {
          maxPerSession: 1,
          open: (_request, listener) =>
            new Publication(
              {
                prepare: () =>
                  Promise.resolve(() => ({
                    path: null,
                    open: () => undefined,
                    close: () => new Promise<void>((resolve) => void this.#releases.push(resolve)),
                  })),
                maxAttempts: 1,
                clock: this.clock,
                random: () => 0.5,
                logger: silentLogger,
              },
              listener,
            ),
        },
      },
      renderOptions: { videoCodecs: ['h264'], audio: true },
      media: () => ({}) as SessionMedia,
      logger: silentLogger,
    },
    () => undefined,
  );

  start(): string {
    const request = { url: 'srt://live.example.com:9000' };
    return this.publications.start(request, () => Promise.resolve([])).publicationId;
  }

  release(): void {
    for (const release of this.#releases.splice(0)) release();
  }
}

describe('publications of a session', () => {
  it('are forgotten 6 s after they are ended, even if one does not close', async () => {
    const stuck = new Stuck();
    const publicationId = stuck.start();
    await settle();
    let isForgotten = false;
    void stuck.publications.end(publicationId).then(() => (isForgotten = true));
    await stuck.clock.advance(5999);
    expect(isForgotten).toBe(false);
    expect(stuck.publications.list()).toMatchObject([{ publicationId, status: 'ended' }]);
    await stuck.clock.advance(1);
    expect(isForgotten).toBe(true);
    expect(stuck.publications.list()).toEqual([]);
    stuck.release();
  });

  it('are refused while 8 that were forgotten still close', async () => {
    const stuck = new Stuck();
    for (let count = 0; count < 8; count += 1) {
      const publicationId = stuck.start();
      await settle();
      const ending = stuck.publications.end(publicationId);
      await stuck.clock.advance(6000);
      await ending;
    }
    expect(() => stuck.start()).toThrow(expect.objectContaining({ code: 'at_capacity' }));
    stuck.release();
    await settle();
    expect(stuck.publications.get(stuck.start())).toMatchObject({ status: 'connecting' });
  });
});

describe('a request to publish', () => {
  it.each(['rtmp://live.example.com/app/key', 'srt://live.example.com:9000'])(
    'to %s has H.264 alone',
    (url) => {
      expect(parsePublicationRequest({ url, videoCodec: 'h264' })).toMatchObject({ videoCodec: 'h264' });
      for (const videoCodec of ['vp8', 'vp9', 'av1', 'h265']) {
        expect(() => parsePublicationRequest({ url, videoCodec })).toThrow(
          expect.objectContaining({ code: 'bad_request', message: expect.stringContaining('videoCodec') }),
        );
      }
    },
  );
});
