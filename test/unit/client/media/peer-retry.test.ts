import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { StreamError } from '../../../../src/client/connection/stream-error.js';
import type { MediaLink, MediaLinkListener } from '../../../../src/client/media/media-link.js';
import { PeerRetry } from '../../../../src/client/media/peer-retry.js';

const PERIOD_MS = 30_000;

/** As far as an attempt has to do with it. */
class Link {
  readonly stream = {};
  offers = 0;
  closed = false;
  readonly listener: MediaLinkListener;

  constructor(listener: MediaLinkListener) {
    this.listener = listener;
  }

  requestOffer(): void {
    this.offers++;
  }

  close(): void {
    this.closed = true;
  }
}

class Video extends EventTarget {
  srcObject: unknown;
}

let links: Link[];
let videos: Video[];
let taken: unknown[];
let retry: PeerRetry;

beforeEach(() => {
  vi.useFakeTimers();
  [links, videos, taken] = [[], [], []];
  const createElement = (): Video => {
    const video = new Video();
    videos.push(video);
    return video;
  };
  vi.stubGlobal('document', { createElement });
  retry = new PeerRetry(
    (listener) => {
      const link = new Link(listener);
      links.push(link);
      return link as unknown as MediaLink;
    },
    () => undefined,
    (link) => taken.push(link),
  );
});

afterEach(() => {
  retry.close();
  expect(vi.getTimerCount()).toBe(0);
  expect(videos.filter(({ srcObject }) => srcObject)).toEqual([]);
  expect(links.filter((link) => !link.closed)).toEqual(taken);
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it('tries WebRTC every 30 s, with one peer at a time', () => {
  vi.advanceTimersByTime(PERIOD_MS - 1);
  expect(links).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(links.map(({ offers }) => offers)).toEqual([1]);
  links[0]?.listener.onStalled();
  vi.advanceTimersByTime(PERIOD_MS);
  expect(links.map(({ closed }) => closed)).toEqual([true, false]);
});

it('gives up an attempt that connects and shows nothing', () => {
  vi.advanceTimersByTime(PERIOD_MS);
  links[0]?.listener.onPeerState('connected');
  vi.advanceTimersByTime(PERIOD_MS);
  expect(links.map(({ closed }) => closed)).toEqual([true]);
  vi.advanceTimersByTime(PERIOD_MS);
  expect(links).toHaveLength(2);
});

it('hands a peer over with its first picture, and tries no more', () => {
  retry.wake();
  expect(taken).toEqual([]);
  videos.at(-1)?.dispatchEvent(new Event('loadeddata'));
  expect(taken).toEqual(links);
  retry.wake();
  vi.advanceTimersByTime(2 * PERIOD_MS);
  expect(links).toHaveLength(1);
});

it('takes the picture of the newest peer of an attempt alone', () => {
  retry.wake();
  // The server has begun anew.
  links[0]?.listener.onMedia({} as MediaStream);
  videos[0]?.dispatchEvent(new Event('loadeddata'));
  expect(taken).toEqual([]);
  videos[1]?.dispatchEvent(new Event('loadeddata'));
  expect(taken).toEqual(links);
});

it('tries at once when the network is back, but no second time meanwhile', () => {
  retry.wake();
  retry.wake();
  expect(links).toHaveLength(1);
  links[0]?.listener.onLost(new StreamError('ice_failed', 'No path'));
  retry.wake();
  expect(links).toHaveLength(2);
});

it('does not try again what the browser cannot decode', () => {
  retry.wake();
  links[0]?.listener.onLost(new StreamError('no_codec', 'None'));
  retry.wake();
  vi.advanceTimersByTime(2 * PERIOD_MS);
  expect(links).toHaveLength(1);
});
