import { once } from 'node:events';
import { Socket } from 'node:net';

import { beforeEach, describe, expect, it } from 'vitest';

import { Refusal } from '../../../src/egress/egress-dialer.js';
import { PushConnection } from '../../../src/publish/push-connection.js';
import type { PublicationFailure } from '../../../src/publish/publication-failure.js';
import type { PushReport, PushThreadData } from '../../../src/publish/push-messages.js';
import { pushTarget } from '../../../src/publish/push-target.js';
import type { MuxPacket } from '../../../src/recording/mux-packet.js';
import type { MuxThreadListener } from '../../../src/recording/mux-thread.js';
import type { OpenPacketSource } from '../../../src/recording/packet-source.js';
import { FakePacketSource } from '../../helpers/recording-fakes.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

/** One connection on a virtual clock; the test plays the thread, the resolver and, for RTMP, the socket to the server. */
class Pushed {
  readonly remote = new Socket();
  readonly clock = new VirtualClock();
  readonly source = new FakePacketSource();
  readonly hurry = new AbortController();
  readonly failures: PublicationFailure[] = [];
  readonly packets: MuxPacket[] = [];
  data: PushThreadData | undefined;
  thread: MuxThreadListener<PushReport> | undefined;
  isThreadClosed = false;
  /** The thread waits for a server that takes nothing. */
  isThreadStuck = false;
  attached = 0;
  resolve: () => Promise<string> = () => Promise.resolve('192.0.2.7');
  openSource: OpenPacketSource = this.source.open;
  readonly connection: PushConnection<void>;

  constructor(url = 'srt://live.example.com:9000?streamid=name') {
    this.connection = new PushConnection(
      {
        target: pushTarget(new URL(url)),
        client: { dial: () => Promise.resolve(this.remote), addressOf: () => this.resolve() },
        openThread: (data, listener) => {
          [this.data, this.thread] = [data, listener];
          return {
            send: (packet) => void this.packets.push(packet),
            stop: () => undefined,
            close: async () => {
              if (this.isThreadStuck) await once(this.remote, 'close');
              this.isThreadClosed = true;
            },
          };
        },
        openSource: (sink) => this.openSource(sink),
        attach: () => void (this.attached += 1),
        hurry: this.hurry.signal,
        clock: this.clock,
      },
      { onConnected: (attach) => attach(), onFailed: (failure) => void this.failures.push(failure) },
    );
  }

  async open(): Promise<void> {
    this.connection.open();
    await settle();
  }
}

describe('a session that is pushed', () => {
  let pushed: Pushed;

  beforeEach(() => {
    pushed = new Pushed();
  });

  it('goes to the address that was checked, is live when the server takes it, and leaves nothing', async () => {
    await pushed.open();
    expect(pushed.data).toMatchObject({ container: 'mpegts', hasAudio: pushed.source.hasAudio });
    expect(pushed.data?.url).toMatch(/^srt:\/\/192\.0\.2\.7:9000\?mode=caller&.*streamid=name$/);
    expect(pushed.attached).toBe(0);
    pushed.source.picture(1, true);
    expect(pushed.packets).toHaveLength(1);
    pushed.thread?.onReport({ type: 'live' });
    expect(pushed.attached).toBe(1);
    await pushed.connection.close();
    expect(pushed.failures).toEqual([]);
    expect([pushed.isThreadClosed, pushed.clock.pendingTimers]).toEqual([true, 0]);
    pushed.source.picture(2, true);
    expect(pushed.packets).toHaveLength(1);
  });

  it('fails for good where the address is not permitted, and for now where there is none', async () => {
    pushed.resolve = () => Promise.reject(new Refusal('destination_ip_prohibited'));
    await pushed.open();
    expect(pushed.failures).toMatchObject([{ code: 'bad_target_url', isFinal: true }]);
    const other = new Pushed();
    other.resolve = () => Promise.reject(new Error('ENOTFOUND'));
    await other.open();
    expect(other.failures).toMatchObject([
      { code: 'publication_failed', isFinal: false, message: 'The server cannot be reached' },
    ]);
    for (const { connection } of [pushed, other]) await connection.close();
    expect([pushed.clock.pendingTimers, other.clock.pendingTimers]).toEqual([0, 0]);
  });

  it('does not blame the server where the session has nothing to send', async () => {
    pushed.openSource = () => {
      throw new Error('no encoder');
    };
    await pushed.open();
    expect(pushed.failures).toMatchObject([
      { code: 'publication_failed', isFinal: false, message: 'The session could not be sent' },
    ]);
    await pushed.connection.close();
    expect(pushed.clock.pendingTimers).toBe(0);
  });

  it.each([false, true])(
    'frees a thread that an RTMP server holds up (the session ends: %s)',
    async (ends) => {
      const live = new Pushed('rtmp://live.example.com/app/key');
      live.isThreadStuck = true;
      live.connection.open();
      await expect.poll(() => live.thread).toBeDefined();
      live.thread?.onReport({ type: 'live' });
      const closing = live.connection.close();
      await live.clock.advance(990);
      expect(live.remote.destroyed).toBe(false);
      if (ends) live.hurry.abort();
      else await live.clock.advance(20);
      expect(live.remote.destroyed).toBe(true);
      await closing;
      expect([live.isThreadClosed, live.clock.pendingTimers]).toEqual([true, 0]);
    },
  );

  it('fails when the server does not take it within 20 s', async () => {
    await pushed.open();
    await pushed.clock.advance(19_900);
    expect(pushed.failures).toEqual([]);
    await pushed.clock.advance(200);
    expect(pushed.failures).toMatchObject([{ message: 'The server did not take the stream in time' }]);
    await pushed.connection.close();
  });

  it('fails when the server takes nothing for 10 s, and not while there is nothing to take', async () => {
    await pushed.open();
    pushed.thread?.onReport({ type: 'live' });
    await pushed.clock.advance(60_000);
    expect(pushed.failures).toEqual([]);
    pushed.source.picture(pushed.clock.nowUs(), true);
    const { byteLength } = pushed.packets[0]?.bytes ?? { byteLength: 0 };
    pushed.thread?.onReport({ type: 'progress', takenBytes: byteLength });
    await pushed.clock.advance(60_000);
    expect(pushed.failures).toEqual([]);
    pushed.thread?.onReport({ type: 'progress', takenBytes: byteLength });
    pushed.source.picture(pushed.clock.nowUs(), true);
    pushed.thread?.onReport({ type: 'progress', takenBytes: byteLength + 1 });
    await pushed.clock.advance(9_000);
    expect(pushed.failures).toEqual([]);
    await pushed.clock.advance(3_000);
    expect(pushed.failures).toMatchObject([{ message: 'The server has taken nothing for a while' }]);
    await pushed.connection.close();
  });

  it('stays with a server that is slow but takes something, and drops what is beyond 4 MiB', async () => {
    await pushed.open();
    pushed.thread?.onReport({ type: 'live' });
    const bytes = 1024 * 1024;
    for (let index = 0; index < 8; index += 1) pushed.source.picture(pushed.clock.nowUs(), true, bytes);
    expect(pushed.packets).toHaveLength(5);
    for (let packets = 1; packets <= 4; packets += 1) {
      await pushed.clock.advance(8000);
      pushed.thread?.onReport({ type: 'progress', takenBytes: packets * bytes });
    }
    expect(pushed.failures).toEqual([]);
    await pushed.clock.advance(12_000);
    expect(pushed.failures).toMatchObject([{ message: 'The server has taken nothing for a while' }]);
    await pushed.connection.close();
  });

  it.each([
    ['refused', 'The server refused the stream, or does not answer'],
    ['broken', 'The connection to the server broke'],
    ['changed', 'The picture format has changed'],
  ] as const)('fails once when it is %s, and is tried again', async (reason, message) => {
    await pushed.open();
    pushed.thread?.onReport({ type: 'ended', reason, detail: 'what FFmpeg said' });
    pushed.thread?.onGone();
    expect(pushed.failures).toMatchObject([{ message, isFinal: false, code: 'publication_failed' }]);
    await pushed.connection.close();
  });

  it('fails when its thread is gone', async () => {
    await pushed.open();
    pushed.thread?.onGone();
    expect(pushed.failures).toMatchObject([{ message: 'The connection to the server broke' }]);
    await pushed.connection.close();
  });
});
