import { describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { testSettings } from '../../helpers/session-fakes.js';
import type { SessionHarness } from '../../helpers/session-harness.js';
import { launchingSession, liveSession } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

describe('status', () => {
  it('runs from initializing over connecting to streaming and back', async () => {
    const harness = launchingSession();
    expect(harness.session.state.status).toBe('initializing');
    expect(harness.session.state.webrtc?.signalingState).toBe('idle');
    harness.launch.succeed();
    await settle();
    expect(harness.session.state.status).toBe('connecting');
    expect(harness.session.state.instanceInfo).toMatchObject({
      pid: 4242,
      viewport: { width: 1280, height: 720 },
    });
    expect(harness.session.state.metadata).toMatchObject({
      capture: 'tab',
      audio: { codec: 'opus' },
      page: {},
    });

    const { viewer } = harness.watch();
    expect(harness.session.state.clientConnected).toBe(true);
    expect(harness.session.state.metadata.viewers).toBe(1);
    expect(harness.session.state.webrtc?.signalingState).toBe('negotiating');
    expect(harness.session.state.status).toBe('connecting');
    harness.peer().connect();
    expect(harness.session.state.status).toBe('streaming');
    expect(harness.session.state.webrtc?.signalingState).toBe('connected');

    await viewer.close('test');
    harness.peer().listener.onIceStateChange('closed');
    await harness.session.close('deleted');
    expect(harness.session.state.status).toBe('terminated');
  });

  it('goes back to connecting when the last peer fails, and keeps the viewer', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch();
    harness.peer().connect();
    harness.peer().listener.onFailed(new StreamKitError('internal', 'ICE failed'));
    await settle();
    expect(harness.session.state.status).toBe('connecting');
    expect(harness.session.state.metadata.viewers).toBe(1);
    expect(sink.ended).toBe(false);
    expect(harness.peer().closed).toBe(true);
  });

  it('stops sending while ICE is down and goes on when it is back', async () => {
    const harness = await liveSession();
    harness.watch();
    harness.peer().connect();
    const consumer = [...(harness.parts.producers.find((one) => one.kind === 'video')?.consumers ?? [])][0];
    harness.peer().listener.onIceStateChange('failed');
    expect(harness.session.state.status).toBe('connecting');
    expect(consumer?.paused).toBe(true);
    harness.peer().listener.onIceStateChange('connected');
    expect(harness.session.state.status).toBe('streaming');
    expect(consumer?.paused).toBe(false);
  });

  it('passes the request on to the capture, in CSS pixels for the page', async () => {
    const harness = await liveSession({ resolution: '1920x1080', deviceScaleFactor: 1.5, audio: false });
    expect(harness.launch.parameters).toMatchObject({ width: 1920, deviceScaleFactor: 1.5, audio: false });
    expect(harness.session.state.instanceInfo?.viewport).toEqual({ width: 1280, height: 720 });
    expect(harness.session.state.metadata.audio).toBeNull();
  });
});

describe('failure', () => {
  it('of the launch shows as status error, with the message of a coded error', async () => {
    const harness = launchingSession();
    const { sink } = harness.watch();
    harness.launch.fail(new StreamKitError('browser_not_found', 'No Chromium was found'));
    await settle();
    expect(harness.session.state).toMatchObject({ status: 'error', error: 'No Chromium was found' });
    expect(sink.signals('closed')).toEqual([{ reason: 'error' }]);
    expect(sink.ended).toBe(true);
    expect(sink.events.at(-2)).toMatchObject({ event: 'state_patch' });
    expect(harness.failures).toHaveLength(1);
    expect(harness.ended).toEqual(['error']);
  });

  it('of another kind tells the client nothing of paths and stacks', async () => {
    const harness = launchingSession();
    harness.launch.fail(new Error('ENOENT /home/secret'));
    await settle();
    expect(harness.session.state.error).toBe('The session failed');
  });

  it('comes when the launch takes too long, and gives it up', async () => {
    const harness = launchingSession();
    await harness.clock.advance(testSettings.launchTimeoutMs + testSettings.loadTimeoutMs);
    expect(harness.launch.signal.aborted).toBe(true);
    expect(harness.session.state).toMatchObject({
      status: 'error',
      error: 'The page was not ready within 30000 ms',
    });
  });

  it('does not come for the time that the launch waits for its turn', async () => {
    const harness = launchingSession();
    const limitMs = testSettings.launchTimeoutMs + testSettings.loadTimeoutMs;
    await harness.clock.advance(limitMs - 1);
    harness.launch.listener.onLaunching?.();
    await harness.clock.advance(limitMs - 1);
    expect(harness.launch.signal.aborted).toBe(false);
    await harness.clock.advance(1);
    expect(harness.launch.signal.aborted).toBe(true);
  });

  it.each([
    [
      'the capture',
      (harness: SessionHarness) =>
        harness.launch.listener.onEnded(new StreamKitError('browser_crashed', 'Gone')),
    ],
    [
      'the video encoder',
      (harness: SessionHarness) =>
        harness.parts.videoListener?.onError(new StreamKitError('encoder_failed', 'Gone')),
    ],
    [
      'the audio encoder',
      (harness: SessionHarness) =>
        harness.parts.audioListener?.onError(new StreamKitError('encoder_failed', 'Gone')),
    ],
  ])('of %s ends the session after the final patch', async (part, breakIt) => {
    const harness = await liveSession();
    const { sink } = harness.watch();
    // Encoders start with the first viewer.
    harness.parts.peers[0]?.connect();
    // An encoder is started again twice.
    for (let times = 1; times <= 3; times++) breakIt(harness);
    await settle();
    expect(harness.session.state).toMatchObject({ status: 'error', error: 'Gone', clientConnected: false });
    expect(harness.session.state.errorCode).toBe(
      part === 'the capture' ? 'browser_crashed' : 'encoder_failed',
    );
    const [patch, closed] = sink.events.slice(-2);
    expect(patch?.data).toContainEqual({ op: 'add', path: '/error', value: 'Gone' });
    expect(closed?.data).toEqual({ type: 'closed', payload: { reason: 'error' } });
    expect(harness.failures).toHaveLength(1);
    expect(harness.parts.events).toContain('capture closed');
    expect(harness.clock.pendingTimers).toBe(0);
  });

  it('shows its last state and the reason to whoever comes later', async () => {
    const harness = launchingSession();
    harness.launch.fail(new StreamKitError('browser_not_found', 'No Chromium was found'));
    await settle();
    const { sink } = harness.watch();
    expect(sink.events.map((event) => event.event)).toEqual([
      'custom_signal',
      'state_patch',
      'custom_signal',
    ]);
    expect(sink.events[1]?.data[0].value.status).toBe('error');
    expect(sink.signals('closed')).toEqual([{ reason: 'error' }]);
    expect(harness.clock.pendingTimers).toBe(0);
  });
});

describe('closing', () => {
  it('goes from the viewers over producers and encoders to the capture', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch();
    harness.peer().connect();
    harness.parts.events.length = 0;
    await harness.session.close('deleted');
    expect(harness.parts.events).toEqual([
      'peer closed',
      'video producer closed',
      'audio producer closed',
      'video thread closed',
      'audio thread closed',
      'capture closed',
    ]);
    expect(sink.signals('closed')).toEqual([{ reason: 'deleted' }]);
    expect(harness.ended).toEqual(['deleted']);
    expect(harness.clock.pendingTimers).toBe(0);
  });

  it('is done once, however often it is asked for', async () => {
    const harness = await liveSession();
    await Promise.all([harness.session.close('deleted'), harness.session.close('timeout')]);
    expect(harness.ended).toEqual(['deleted']);
    expect(harness.parts.events.filter((event) => event === 'capture closed')).toHaveLength(1);
  });

  it('gives up a launch that is under way', async () => {
    const harness = launchingSession();
    await harness.session.close('deleted');
    expect(harness.launch.signal.aborted).toBe(true);
    expect(harness.session.state.status).toBe('terminated');
    expect(harness.failures).toEqual([]);
    expect(harness.clock.pendingTimers).toBe(0);
  });

  it('takes less than 5 s when the browser does not go away', async () => {
    const harness = await liveSession();
    harness.parts.closeCapture = () => new Promise(() => undefined);
    let done = false;
    void harness.session.close('deleted').then(() => (done = true));
    await harness.clock.advance(4900);
    expect(done).toBe(true);
  });

  it('closes the rest when a part cannot be closed', async () => {
    const harness = await liveSession();
    harness.parts.closeCapture = () => Promise.reject(new Error('No'));
    await harness.session.close('deleted');
    expect(harness.ended).toEqual(['deleted']);
  });
});

describe('inactivity', () => {
  it('ends the session', async () => {
    const harness = await liveSession();
    await harness.clock.advance(testSettings.sessionTimeout - 1);
    expect(harness.ended).toEqual([]);
    await harness.clock.advance(1);
    expect(harness.ended).toEqual(['timeout']);
    expect(harness.session.state.status).toBe('terminated');
    expect(harness.clock.pendingTimers).toBe(0);
  });

  it('is counted anew from every request', async () => {
    const harness = await liveSession();
    await harness.clock.advance(59_000);
    harness.session.touch();
    await harness.clock.advance(59_000);
    expect(harness.ended).toEqual([]);
    await harness.clock.advance(1000);
    expect(harness.ended).toEqual(['timeout']);
  });

  it('does not begin before the last event stream has gone', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch({ media: false });
    await harness.clock.advance(10 * testSettings.sessionTimeout);
    expect(harness.ended).toEqual([]);
    sink.lose();
    await harness.clock.advance(testSettings.sessionTimeout - 1);
    expect(harness.ended).toEqual([]);
    await harness.clock.advance(1);
    expect(harness.ended).toEqual(['timeout']);
  });

  it('does not make a patch every interval while somebody watches', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch({ media: false });
    await harness.clock.advance(1000);
    const before = sink.events.length;
    const since = harness.session.state.lastActivityTime;
    await harness.clock.advance(60_000);
    expect(sink.events.length - before).toBe(2);
    expect(harness.session.state.lastActivityTime).toBeGreaterThan(since);
  });
});
