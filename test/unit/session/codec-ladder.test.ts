import { beforeEach, describe, expect, it } from 'vitest';

import type { ConsumerParameters, MediaTransport } from '../../../src/fanout/media-plane.js';
import type { EncodingTarget } from '../../../src/protocol/video-stream.js';
import type { Render } from '../../../src/render/render.js';
import { CodecLadder, type LadderShare } from '../../../src/session/codec-ladder.js';
import { CpuRoom } from '../../../src/session/cpu-room.js';
import type { ViewerWishes } from '../../../src/session/viewer-limits.js';
import { FakeMachine } from '../../helpers/fake-machine.js';
import { FakeParts, type FakeConsumer } from '../../helpers/session-fakes.js';

const PARAMETERS = { ssrc: 1, payloadType: 96, mid: '0', cname: 'c', headerExtensions: {} };
const source = { width: 1280, height: 720, frameRate: 30, bitrateBps: 4_000_000 };
const MAX_RUNGS = 2;

/** A transport of one viewer, whose estimate the test sets. */
interface Link extends MediaTransport {
  estimatedBitrateBps: number | undefined;
}

let parts: FakeParts;
let orders: string[];
let ladder: CodecLadder;

function open(maxRungs: number): CodecLadder {
  const target = ({ bitrateBps, width, height, frameRate }: EncodingTarget): string =>
    [
      bitrateBps,
      ...(height === undefined ? [] : [`${width}x${height}`]),
      ...(frameRate === undefined ? [] : [frameRate]),
    ].join(' ');
  const render = {
    feed: () => undefined,
    startVideo: (stream, wanted) => void orders.push(`start ${stream} ${target(wanted)}`),
    stopVideo: (stream) => void orders.push(`stop ${stream}`),
    setTarget: (stream, wanted) => void orders.push(`target ${stream} ${target(wanted)}`),
    requestKeyframe: (stream) => void orders.push(`keyframe ${stream}`),
  } as Partial<Render> as Render;
  return new CodecLadder(
    { codec: 'h264', render, parts, replayOnJoin: false, pauseGraceMs: 5000, maxRungs, source: () => source },
    {
      onEncoder: () => undefined,
      onStopped: () => undefined,
      onFramesWanted: () => undefined,
      onKeyframeRequest: () => undefined,
    },
  );
}

interface Watching {
  readonly link: Link;
  readonly share: LadderShare;
  readonly consumer: FakeConsumer;
}

function watch(wishes: ViewerWishes = {}, onFirstFrame: () => void = () => undefined): Watching {
  const link: Link = { ...parts.transport, estimatedBitrateBps: undefined };
  const limits = { wishes, bounds: {} };
  const [share] = ladder.attach({ transport: link, video: PARAMETERS }, limits, onFirstFrame);
  share.need.hold();
  return { link, share, consumer: share.consumer as FakeConsumer };
}

function estimate({ link }: Watching, bitrateBps: number): void {
  link.estimatedBitrateBps = bitrateBps;
  link.onEstimate?.(bitrateBps);
}

beforeEach(() => {
  parts = new FakeParts();
  orders = [];
  ladder = open(MAX_RUNGS);
});

describe('the ladder of a codec', () => {
  it('encodes a second time for a slow viewer, who goes over at the keyframe, and leaves the other alone', async () => {
    const good = watch();
    const poor = watch();
    expect(orders).toEqual(['start h264 4000000']);
    estimate(good, 9_000_000);
    estimate(poor, 700_000);
    expect(orders).toHaveLength(2);
    expect(orders[1]).toMatch(/^start h264\/1 \d{6} \d+x\d+/);
    expect(good.consumer.switching).toBeUndefined();
    expect(ladder.rungs.map(({ height, viewers }) => [height, viewers])).toEqual([
      [720, 2],
      [expect.any(Number), 0],
    ]);
    poor.consumer.switchNow();
    expect(ladder.rungs.map(({ viewers }) => viewers)).toEqual([1, 1]);
    expect(good.share.diagnostics()).toMatchObject({ ...source, reason: 'full' });
    expect(poor.share.diagnostics()).toMatchObject({ reason: 'link', estimatedBitrateBps: 700_000 });
    expect(poor.share.diagnostics().bitrateBps).toBeLessThan(700_000);
    await parts.clock.advance(60_000);
    expect(orders).toHaveLength(2);
  });

  it('encodes a second time once the machine has the CPU time for it', async () => {
    const machine = new FakeMachine();
    parts.cpuRoom = new CpuRoom(machine, parts.clock);
    const load = async (busyCores: number): Promise<void> => {
      for (let ms = 0; ms < 8000; ms += 250) {
        await parts.clock.advance(250);
        machine.cpuTime = { ...machine.cpuTime, busySeconds: machine.cpuTime.busySeconds + busyCores / 4 };
        poor.consumer.switchNow();
      }
    };
    ladder = open(MAX_RUNGS);
    const good = watch();
    const poor = watch();
    estimate(good, 9_000_000);
    estimate(poor, 700_000);
    await load(8);
    expect(ladder.rungs.map(({ frameRate, viewers }) => [frameRate, viewers])).toEqual([
      [30, 1],
      [1, 1],
    ]);
    await load(4);
    expect(ladder.rungs.map(({ frameRate, viewers }) => [frameRate > 1, viewers])).toEqual([
      [true, 1],
      [true, 1],
    ]);
    await load(8);
    expect(ladder.rungs.map(({ frameRate, viewers }) => [frameRate, viewers])).toEqual([
      [30, 1],
      [1, 1],
    ]);
  });

  it('brings the viewer up again after some seconds, and then ends what nobody needs', async () => {
    const good = watch();
    const poor = watch();
    estimate(good, 9_000_000);
    estimate(poor, 4_000_000);
    estimate(poor, 1_000_000);
    poor.consumer.switchNow();
    estimate(poor, 9_000_000);
    await parts.clock.advance(1000);
    expect(poor.consumer.switching).toBeUndefined();
    await parts.clock.advance(30_000);
    expect(poor.consumer.switching?.producer).toBe(good.consumer.producer);
    expect(orders.at(-1)).not.toBe('stop h264/1');
    poor.consumer.switchNow();
    await parts.clock.advance(5000);
    expect(orders.at(-1)).toBe('stop h264/1');
    expect(ladder.rungs).toEqual([{ ...source, viewers: 2 }]);
  });

  it('gives a viewer whose link carries no rung one picture per second, even if only one rung is allowed', () => {
    ladder = open(1);
    const good = watch();
    const poor = watch();
    estimate(good, 9_000_000);
    estimate(poor, 150_000);
    expect(orders).toEqual(['start h264 4000000', 'start h264/3 60000 426x240 1']);
    poor.consumer.switchNow();
    expect(poor.share.diagnostics()).toMatchObject({ reason: 'slides', frameRate: 1, height: 240 });
    expect(good.share.diagnostics()).toMatchObject({ reason: 'full' });
  });

  it('lets the encoding of a single viewer follow its link, without another one', () => {
    const only = watch();
    estimate(only, 2_000_000);
    expect(orders.at(-1)).toMatch(/^target h264 1[1-9]\d{5}$/);
    estimate(only, 700_000);
    expect(orders.at(-1)).toMatch(/^target h264 \d{6} \d+x\d+$/);
    expect(only.consumer.switching).toBeUndefined();
    expect(orders.filter((order) => order.startsWith('start'))).toHaveLength(1);
  });

  it('holds to what a viewer wants at most', () => {
    watch();
    const small = watch({ maxHeight: 360 });
    expect(orders[1]).toMatch(/^start h264\/1 \d+ 640x360/);
    expect(small.consumer.producer).not.toBe(parts.producers[0]);
    expect(small.share.diagnostics()).toMatchObject({ height: 360, reason: 'wish' });
    const slow = watch({ maxBitrateBps: 800_000 });
    expect(slow.share.diagnostics().bitrateBps).toBeLessThanOrEqual(800_000);
  });

  it('takes a viewer to another encoding and back as it is bounded, and leaves the other one alone', async () => {
    const other = watch();
    const bounded = watch();
    estimate(other, 9_000_000);
    estimate(bounded, 9_000_000);
    bounded.share.setLimits({ wishes: {}, bounds: { maxHeight: 360 } });
    await parts.clock.advance(100);
    expect(orders[1]).toMatch(/^start h264\/1 \d+ 640x360/);
    bounded.consumer.switchNow();
    expect(bounded.share.diagnostics()).toMatchObject({ height: 360, reason: 'bound' });
    bounded.share.setLimits({ wishes: {}, bounds: {} });
    await parts.clock.advance(100);
    bounded.consumer.switchNow();
    expect(bounded.share.diagnostics()).toMatchObject({ ...source, reason: 'full' });
    await parts.clock.advance(5000);
    expect(orders.slice(2)).toEqual(['stop h264/1']);
    expect(other.consumer.switching).toBeUndefined();
    expect(other.share.diagnostics()).toMatchObject({ reason: 'full' });
  });

  it('keeps the encoding that is recorded', () => {
    const recording = {};
    ladder.setSource(recording, [undefined]);
    ladder.first.encoding.hold();
    const poor = watch();
    estimate(poor, 1_000_000);
    expect(orders[0]).toBe('start h264 4000000');
    expect(orders.filter((order) => order.startsWith('target h264 '))).toEqual([]);
    expect(poor.consumer.switching).toBeDefined();
    ladder.removeSource(recording);
    // Its only viewer is on the way to the other one, which now is the only one.
    poor.consumer.switchNow();
    expect(ladder.stepAt(1)?.encoding.running).toBe(true);
  });

  it('looks at many links that get worse together', async () => {
    let plans = 0;
    const { planRungs } = parts;
    Object.assign(parts, {
      planRungs: (...given: Parameters<typeof planRungs>) => {
        plans += 1;
        return planRungs(...given);
      },
    });
    ladder = open(MAX_RUNGS);
    const watching = Array.from({ length: 20 }, () => watch());
    plans = 0;
    for (const each of watching) estimate(each, 1_000_000);
    expect(plans).toBe(0);
    await parts.clock.advance(100);
    expect(plans).toBe(1);
    expect(ladder.rungs[0]?.bitrateBps).toBeLessThan(1_000_000);
    ladder.close();
    expect(parts.clock.pendingTimers).toBe(0);
  });

  it('changes what is recorded in its bit rate alone', () => {
    ladder = open(1);
    ladder.setSource({}, [300_000]);
    ladder.first.encoding.hold();
    expect(orders).toEqual([expect.stringMatching(/^start h264 \d{6}$/)]);
  });

  it('forgets a viewer that leaves while it goes over', async () => {
    const good = watch();
    const poor = watch();
    estimate(good, 9_000_000);
    estimate(poor, 1_000_000);
    expect(poor.consumer.switching).toBeDefined();
    poor.share.close();
    poor.share.need.release();
    await parts.clock.advance(10_000);
    expect(orders.at(-1)).toBe('stop h264/1');
    good.share.close();
    good.share.need.release();
    await parts.clock.advance(10_000);
    expect(orders.at(-1)).toBe('stop h264');
    expect(ladder.isRunning).toBe(false);
    ladder.close();
  });

  it('tells a newcomer of the first picture with the keyframe of its encoding', () => {
    const told: string[] = [];
    watch({}, () => told.push('first'));
    watch({ maxHeight: 360 }, () => told.push('second'));
    ladder.onKeyframe(1);
    expect(told).toEqual(['second']);
    ladder.onKeyframe(0);
    ladder.onKeyframe(1);
    expect(told).toEqual(['second', 'first']);
  });
});

describe('a simulcast', () => {
  const layer = (rid: string, ssrc: number): object => ({ ...PARAMETERS, rid, ssrc });
  const LAYERS = [layer('f', 1), layer('h', 2), layer('q', 3)] as ConsumerParameters[];

  function publish(
    maxRungs: number,
    wishes: ViewerWishes = {},
    layers: readonly ConsumerParameters[] = LAYERS,
  ): { link: Link; shares: readonly LadderShare[]; consumers: FakeConsumer[] } {
    ladder = open(maxRungs);
    const link: Link = { ...parts.transport, estimatedBitrateBps: undefined };
    const media = { transport: link, video: PARAMETERS, layers };
    const shares = ladder.attach(media, { wishes, bounds: {} }, () => undefined);
    for (const { need } of shares) need.hold();
    return { link, shares, consumers: shares.map(({ consumer }) => consumer as FakeConsumer) };
  }

  const heights = (shares: readonly LadderShare[]): [string | undefined, number, boolean][] =>
    shares.map((share) => [share.rid, share.diagnostics().height, share.isSent]);

  it('gets each of its layers of an encoding of its own', () => {
    const { shares, consumers } = publish(3);
    expect(heights(shares)).toEqual([
      ['f', 720, true],
      ['h', 360, true],
      ['q', 180, true],
    ]);
    expect(orders.map((order) => order.split(' ')[0])).toEqual(['start', 'start', 'start']);
    expect(new Set(consumers.map(({ producer }) => producer)).size).toBe(3);
    expect(consumers.map(({ paused }) => paused)).toEqual([false, false, false]);
    expect(ladder.rungs.map(({ height, viewers }) => [height, viewers])).toEqual([
      [720, 1],
      [360, 1],
      [180, 1],
    ]);
  });

  it('shares its encodings with viewers', () => {
    const { shares } = publish(3);
    const { share } = watch();
    expect(orders).toHaveLength(3);
    expect(share.diagnostics().height).toBe(720);
    shares[0]?.close();
  });

  it('has the heights that are wished for', () => {
    expect(heights(publish(3, { maxHeight: 360 }, LAYERS.slice(0, 2)).shares)).toEqual([
      ['f', 360, true],
      ['h', 180, true],
    ]);
  });

  it('leaves out a layer that would get the encoding of the one below', () => {
    const { shares, consumers } = publish(1);
    const sent = shares.filter(({ isSent }) => isSent);
    expect(sent).toHaveLength(1);
    expect(consumers.filter(({ paused }) => !paused)).toEqual([sent[0]?.consumer]);
    expect(orders.filter((order) => order.startsWith('start'))).toHaveLength(1);
    expect(sent[0]?.diagnostics().frameRate).toBeGreaterThan(1);
  });

  it('gives up the best layer first where the link carries less, and takes it up again', async () => {
    const { link, shares } = publish(3);
    const carries = async (bitrateBps: number): Promise<void> => {
      link.estimatedBitrateBps = bitrateBps;
      link.onEstimate?.(bitrateBps);
      await parts.clock.advance(40_000);
    };
    await carries(20_000_000);
    expect(shares.map(({ isSent }) => isSent)).toEqual([true, true, true]);
    await carries(900_000);
    for (const { consumer } of shares) (consumer as FakeConsumer).switchNow();
    const [best, , least] = shares;
    expect(least?.isSent).toBe(true);
    expect(least?.diagnostics().height).toBe(180);
    const sentBps = shares.reduce(
      (sum, share) => sum + (share.isSent ? share.diagnostics().bitrateBps : 0),
      0,
    );
    expect(sentBps).toBeLessThan(900_000);
    await carries(20_000_000);
    for (const { consumer } of shares) (consumer as FakeConsumer).switchNow();
    expect([best?.isSent, best?.diagnostics().height]).toEqual([true, 720]);
  });

  it('sends slides in its lowest layer alone, and when nothing else is carried', async () => {
    const { link, shares } = publish(3);
    link.estimatedBitrateBps = 150_000;
    link.onEstimate?.(150_000);
    await parts.clock.advance(5000);
    expect(shares.map(({ isSent }) => isSent)).toEqual([false, false, true]);
  });

  it('does not resume a layer that is switched off when its link carries it again', async () => {
    const { link, shares, consumers } = publish(3);
    const carries = async (bitrateBps: number): Promise<void> => {
      link.estimatedBitrateBps = bitrateBps;
      link.onEstimate?.(bitrateBps);
      await parts.clock.advance(40_000);
      for (const consumer of consumers) consumer.switchNow();
    };
    await carries(20_000_000);
    shares[0]?.setActive(false);
    await carries(900_000);
    expect(shares[0]?.isSent).toBe(false);
    await carries(20_000_000);
    expect(shares.map(({ isSent }) => isSent)).toEqual([true, true, true]);
    expect(consumers.map(({ paused }) => paused)).toEqual([true, false, false]);
    shares[0]?.setActive(true);
    expect(consumers.map(({ paused }) => paused)).toEqual([false, false, false]);
  });

  it('leaves no encoding running after its end', async () => {
    const { shares } = publish(3);
    for (const share of shares) {
      share.setActive(false);
      share.need.release();
    }
    shares[0]?.close();
    shares[1]?.close();
    await parts.clock.advance(10_000);
    expect(ladder.rungs).toEqual([]);
    expect(orders.filter((order) => order.startsWith('stop'))).toHaveLength(3);
  });
});
