import { beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import type { ConnectedMedia } from '../../../src/peer/viewer-peer.js';
import type { IceServerOption } from '../../../src/options/ice-server-options.js';
import { PublicationFailure } from '../../../src/publish/publication-failure.js';
import { Publication } from '../../../src/publish/publication.js';
import { WhipConnector } from '../../../src/publish/whip-connector.js';
import type { WhipResource } from '../../../src/publish/whip-endpoint.js';
import { FakeParts } from '../../helpers/session-fakes.js';
import { settle } from '../../helpers/virtual-clock.js';

interface Share {
  closed: boolean;
  close(): void;
}

/** Connections of one publication on a virtual clock; the test plays endpoint and network. */
class Played {
  readonly parts = new FakeParts();
  readonly shares: Share[] = [];
  readonly attached: ConnectedMedia[] = [];
  readonly offers: string[] = [];
  readonly trickled: string[] = [];
  deleted = 0;
  /** The endpoint does not hear of the end. */
  isDeaf = false;
  /** Those that it was to hear of and did not. */
  givenUp = 0;
  named: readonly IceServerOption[] = [];
  /** Of the endpoint, one for each offer; then it answers. */
  readonly failures: PublicationFailure[] = [];
  readonly statuses: string[] = [];
  readonly #connector = new WhipConnector<Share>({
    endpoint: { publish: (offer, signal) => this.#answer(offer, signal) },
    openPeer: (parameters, listener) => this.parts.openViewerPeer(parameters, listener),
    peer: () => ({ videoCodecs: ['h264'], audio: true }),
    findIceServers: () => Promise.resolve([{ urls: 'stun:own.example' }]),
    permitIceServers: (servers) => Promise.resolve(servers.filter(({ urls }) => urls !== 'turn:10.0.0.1')),
    attach: (media) => {
      this.attached.push(media);
      const share = { closed: false, close: () => void (share.closed = true) };
      this.shares.push(share);
      return share;
    },
    clock: this.parts.clock,
  });
  readonly publication = new Publication<Share>(
    {
      prepare: () => this.#connector.prepare(),
      maxAttempts: 4,
      clock: this.parts.clock,
      random: () => 0.5,
      logger: silentLogger,
    },
    { onChange: () => void this.statuses.push(this.publication.status), onFailed: () => undefined },
  );

  get peers() {
    return this.parts.peers;
  }

  /** Gathering is over, the endpoint has answered, ICE and DTLS are up. */
  async connect(): Promise<void> {
    await settle();
    this.peers.at(-1)?.listener.onIceCandidate(null);
    await settle();
    this.peers.at(-1)?.connect();
    await settle();
  }

  #answer(offer: string, signal: AbortSignal): Promise<WhipResource> {
    this.offers.push(offer);
    const failure = this.failures.shift();
    if (failure !== undefined) return Promise.reject(failure);
    signal.throwIfAborted();
    return Promise.resolve({
      answer: 'answer',
      iceServers: this.named,
      trickle: (fragment) => {
        this.trickled.push(fragment);
        return Promise.resolve(true);
      },
      delete: (until) => {
        this.deleted += 1;
        if (!this.isDeaf) return Promise.resolve();
        return new Promise((resolve) =>
          until.addEventListener('abort', () => {
            this.givenUp += 1;
            resolve();
          }),
        );
      },
    });
  }
}

const busy = (retryAfterMs = 0): PublicationFailure => new PublicationFailure('busy', { retryAfterMs });

describe('a publication', () => {
  let played: Played;

  beforeEach(() => {
    played = new Played();
  });

  it('is connecting, then live, then ended, and leaves nothing', async () => {
    played.publication.start();
    expect(played.publication.status).toBe('connecting');
    await played.connect();
    expect(played.publication.status).toBe('live');
    expect(played.publication.liveSince).toBeDefined();
    await played.publication.end();
    expect(played.statuses).toEqual(['live', 'ended']);
    expect(played.shares).toMatchObject([{ closed: true }]);
    expect(played.peers).toMatchObject([{ closed: true }]);
    expect(played.deleted).toBe(1);
    expect(played.parts.clock.pendingTimers).toBe(0);
  });

  it('waits for longer after each failure, as long as the endpoint asks, and fails after the last attempt', async () => {
    played.failures.push(busy(), busy(9000), busy(), busy());
    const waits: number[] = [];
    played.publication.start();
    for (const waitMs of [1000, 9000, 4000]) {
      await played.connect();
      expect(played.publication.status).toBe('retrying');
      const { length } = played.offers;
      await played.parts.clock.advance(waitMs - 1);
      expect(played.peers).toHaveLength(length);
      await played.parts.clock.advance(1);
      expect(played.peers).toHaveLength(length + 1);
      waits.push(waitMs);
    }
    await played.connect();
    expect(played.publication).toMatchObject({ status: 'failed', isActive: false, attempts: 4 });
    expect(played.publication.error).toEqual({ code: 'publication_failed', message: 'busy' });
    await played.publication.end();
    expect(played.parts.clock.pendingTimers).toBe(0);
  });

  it('fails at once where another attempt would fail as well', async () => {
    played.failures.push(new PublicationFailure('no', { isFinal: true, code: 'bad_target_url' }));
    played.publication.start();
    await played.connect();
    expect(played.publication).toMatchObject({ status: 'failed', attempts: 1 });
    expect(played.publication.error?.code).toBe('bad_target_url');
  });

  it('connects anew after its connection is lost, counting from the start only once it was live for a while', async () => {
    played.publication.start();
    await played.connect();
    played.peers[0]?.listener.onLeft();
    expect(played.publication).toMatchObject({ status: 'retrying', attempts: 1, share: undefined });
    await played.parts.clock.advance(1000);
    await played.connect();
    expect(played.publication).toMatchObject({ status: 'live', attempts: 2, error: undefined });
    await played.parts.clock.advance(10_000);
    played.peers[1]?.listener.onLeft();
    expect(played.publication.attempts).toBe(0);
    await settle();
    expect(played.deleted).toBe(2);
    await played.publication.end();
  });

  it('gives up an attempt that does not connect in time', async () => {
    played.publication.start();
    await settle();
    await played.parts.clock.advance(1500);
    expect(played.offers).toHaveLength(1);
    expect(played.offers[0]).not.toContain('end-of-candidates');
    await played.parts.clock.advance(18_500);
    expect(played.publication.error?.message).toBe('The endpoint did not connect in time');
    await played.publication.end();
    expect(played.parts.clock.pendingTimers).toBe(0);
  });

  it('trickles what is found after the offer', async () => {
    played.publication.start();
    await settle();
    await played.parts.clock.advance(1500);
    played.peers[0]?.listener.onIceCandidate({ candidate: 'candidate:1 1 udp 1 192.0.2.1 1 typ srflx' });
    await settle();
    expect(played.trickled).toEqual([
      expect.stringContaining('a=candidate:1 1 udp 1 192.0.2.1 1 typ srflx\r\n'),
    ]);
    await played.publication.end();
  });

  it('tells the media plane that the endpoint asks for many', async () => {
    played.publication.start();
    await played.connect();
    expect(played.attached).toMatchObject([{ video: { ssrc: 1, forwarded: true }, audio: { ssrc: 2 } }]);
    await played.publication.end();
  });

  it('uses the servers that the endpoint names for its next attempt, where they are permitted', async () => {
    played.named = [{ urls: 'turn:192.0.2.7', username: 'u', credential: 'c' }, { urls: 'turn:10.0.0.1' }];
    played.publication.start();
    await played.connect();
    played.peers[0]?.listener.onLeft();
    await played.parts.clock.advance(1000);
    expect(played.peers[0]?.parameters.iceServers).toEqual([{ urls: 'stun:own.example' }]);
    expect(played.peers[1]?.parameters.iceServers).toEqual([
      { urls: 'turn:192.0.2.7', username: 'u', credential: 'c' },
      { urls: 'stun:own.example' },
    ]);
    await played.publication.end();
  });

  it('can be ended at any moment', async () => {
    played.publication.start();
    await played.publication.end();
    expect(played.peers).toHaveLength(0);
    const other = new Played();
    other.failures.push(busy());
    other.publication.start();
    await other.connect();
    await other.publication.end();
    await other.parts.clock.advance(60_000);
    expect(other.offers).toHaveLength(1);
    expect(other.publication.status).toBe('ended');
  });

  it('tells the endpoint for as long as a far one may take, and only for a moment when the session ends', async () => {
    played.isDeaf = true;
    played.publication.start();
    await played.connect();
    const ended = played.publication.end();
    await played.parts.clock.advance(4999);
    expect(played.givenUp).toBe(0);
    await played.parts.clock.advance(1);
    await ended;
    expect(played.givenUp).toBe(1);
    expect(played.parts.clock.pendingTimers).toBe(0);

    const other = new Played();
    other.isDeaf = true;
    other.publication.start();
    await other.connect();
    other.peers[0]?.listener.onLeft();
    await other.parts.clock.advance(1000);
    await other.connect();
    expect(other).toMatchObject({ deleted: 1, givenUp: 0 });
    const closed = other.publication.close();
    await other.parts.clock.advance(500);
    await closed;
    expect(other).toMatchObject({ deleted: 2, givenUp: 2 });
    expect(other.parts.clock.pendingTimers).toBe(0);
  });

  it('closes its connection where an answer cannot be used', async () => {
    played.publication.start();
    await settle();
    const [peer] = played.peers;
    if (peer !== undefined) peer.answerError = new Error('broken');
    await played.connect();
    expect(played.publication.error?.message).toBe('The connection to the endpoint could not be opened');
    expect(peer?.closed).toBe(true);
    expect(played.deleted).toBe(1);
    await played.publication.end();
  });
});
