import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { holdLossySound } from '../../../../src/client/connection/sound-buffer.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A receiver of 50 packets per second, of which `lossShare` are lost. */
class Receiver {
  readonly track = { readyState: 'live' };
  jitterBufferTarget = 0;
  lossShare = 0;
  asked = 0;
  #received = 0;
  #lost = 0;

  getStats(): Promise<Map<string, object>> {
    this.asked += 1;
    this.#lost += 100 * this.lossShare;
    this.#received += 100 * (1 - this.lossShare);
    const sound = { type: 'inbound-rtp', packetsReceived: this.#received, packetsLost: this.#lost };
    const other = { type: 'codec', packetsReceived: 9, packetsLost: 9 };
    return Promise.resolve(
      new Map<string, object>([
        ['sound', sound],
        ['codec', other],
      ]),
    );
  }
}

function hold(): Receiver {
  const receiver = new Receiver();
  holdLossySound(receiver as unknown as RTCRtpReceiver);
  return receiver;
}

const seconds = async (count: number): Promise<unknown> => vi.advanceTimersByTimeAsync(count * 1000);

it('sound is held back while 3 % of its packets are lost, and not from 15 s after that on', async () => {
  const receiver = hold();
  await seconds(10);
  expect(receiver.jitterBufferTarget).toBe(0);
  receiver.lossShare = 0.03;
  await seconds(2);
  expect(receiver.jitterBufferTarget).toBe(80);
  await seconds(60);
  expect(receiver.jitterBufferTarget).toBe(80);
  receiver.lossShare = 0;
  await seconds(13);
  expect(receiver.jitterBufferTarget).toBe(80);
  await seconds(4);
  expect(receiver.jitterBufferTarget).toBe(0);
});

it('a packet that is lost now and then does not hold sound back', async () => {
  const receiver = hold();
  receiver.lossShare = 0.02;
  await seconds(60);
  expect(receiver.jitterBufferTarget).toBe(0);
});

it('nothing is asked of a receiver whose track has ended', async () => {
  const receiver = hold();
  await seconds(4);
  expect(receiver.asked).toBe(2);
  receiver.track.readyState = 'ended';
  await seconds(20);
  expect(receiver.asked).toBe(2);
  expect(vi.getTimerCount()).toBe(0);
});
