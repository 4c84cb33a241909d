import { beforeEach, describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import type { SessionHarness } from '../../helpers/session-harness.js';
import { liveSession } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

const FAILURE = new StreamKitError('encoder_failed', 'The encoder failed');

describe('a render whose encoding fails', () => {
  let harness: SessionHarness;

  beforeEach(async () => {
    harness = await liveSession();
    harness.watch();
    harness.parts.peers[0]?.connect();
    await settle();
  });

  /** What happens to the encoders from now on. */
  async function eventsOf(work: () => void): Promise<string[]> {
    const { events } = harness.parts;
    const before = events.length;
    work();
    await settle();
    return events.slice(before);
  }

  it('goes on with another thread that encodes the same streams, and the session only hears of it', async () => {
    const started = harness.parts.events.filter((event) => event.startsWith('video start'));
    expect(started).toHaveLength(1);
    const taps = [...harness.parts.taps];
    const events = await eventsOf(() => harness.parts.videoListener?.onError(FAILURE));
    expect(events).toEqual(['video thread abandoned', 'capture renewed', ...started]);
    // What plays without a media socket is tapped.
    expect(taps).toContain('video tap h264 true');
    expect(harness.parts.taps.slice(taps.length)).toEqual(['video tap h264 true']);
    const { status, metadata } = harness.session.state;
    expect(status).toBe('streaming');
    expect(metadata).toMatchObject({ restarts: 0, fault: { code: 'encoder_failed' } });
  });

  it('goes on with the sound in the same way', async () => {
    const events = await eventsOf(() => harness.parts.audioListener?.onError(FAILURE));
    expect(events).toEqual(['audio thread abandoned', 'audio start']);
    expect(harness.session.state.status).toBe('streaming');
  });

  it('takes a thread that encodes nothing of what is captured for one that failed', async () => {
    const events = await eventsOf(() => harness.launch.listener.onEncodingStalled?.('pictures'));
    expect(events.slice(0, 2)).toEqual(['video thread abandoned', 'capture renewed']);
    expect(await eventsOf(() => harness.launch.listener.onEncodingStalled?.('sound'))).toEqual([
      ...['audio thread abandoned', 'audio start'],
    ]);
  });

  it('ends at the third failure, of pictures or of sound', async () => {
    await eventsOf(() => harness.parts.videoListener?.onError(FAILURE));
    await eventsOf(() => harness.parts.audioListener?.onError(FAILURE));
    await eventsOf(() => harness.parts.videoListener?.onError(FAILURE));
    expect(harness.session.state).toMatchObject({ status: 'error', error: 'The encoder failed' });
  });
});
