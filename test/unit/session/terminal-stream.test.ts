import { beforeEach, describe, expect, it } from 'vitest';

import type { InputMessage } from '../../../src/input/input-message.js';
import { createRemoteControl } from '../../../src/input/remote-control.js';
import { silentLogger } from '../../../src/base/logger.js';
import type { Caller } from '../../../src/session/caller.js';
import { initialState } from '../../../src/session/initial-state.js';
import type { StreamSnapshot } from '../../../src/session/websocket-link.js';
import type { Viewer } from '../../../src/session/viewer.js';
import { WebSocketLinks } from '../../../src/session/websocket-links.js';
import { TerminalStream } from '../../../src/session/terminal-stream.js';
import { FakeMessageSink } from '../../helpers/fake-message-sink.js';
import { seededRandom } from '../../helpers/seeded-random.js';
import { anybody, testRequest, testControl } from '../../helpers/session-fakes.js';
import { socketViewers } from '../../helpers/socket-viewers.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

const MIB = 1024 * 1024;

let clock: VirtualClock;
let stream: TerminalStream;
let clients: WebSocketLinks;
let snapshots: number;
let kept: number[];
let inputs: InputMessage[];
let newViewer: (caller: Caller) => Viewer;
let snapshot: () => Promise<StreamSnapshot>;

beforeEach(() => {
  clock = new VirtualClock();
  snapshots = 0;
  kept = [];
  inputs = [];
  snapshot = () => Promise.resolve({ seq: stream.lastSequence, data: Buffer.from('screen') });
  const take = (): Promise<StreamSnapshot> => {
    snapshots += 1;
    return snapshot();
  };
  stream = new TerminalStream({
    clock,
    replayBytes: 8 * MIB,
    snapshot: take,
    onAppended: (sequence) => kept.push(sequence),
  });
  const document = initialState('id', testRequest(), 0, 'werift');
  const control = createRemoteControl(
    testControl,
    clock,
  )({
    streamId: 'id',
    resize: (_seat, size) => size,
    onController: () => undefined,
    onInput: () => undefined,
    logger: silentLogger,
  });
  control.setTarget({
    accept: (_controller, message) => void inputs.push(message),
    release: () => undefined,
    close: () => undefined,
  });
  newViewer = socketViewers(control, clock);
  clients = new WebSocketLinks({
    ...{ clock, stream, logger: silentLogger, kind: 'terminal', snapshot: take },
    document: () => document,
    meta: () => ({ cols: 80, rows: 24 }),
    onClosed: (viewer) => void viewer.close('gone'),
  });
  clients.goLive();
});

function resumed(lastSeq: number | null, caller = anybody): FakeMessageSink {
  const sink = new FakeMessageSink();
  clients.admit(sink, () => newViewer(caller));
  sink.receive({ type: 'resume', lastSeq });
  return sink;
}

const write = (bytes: number): void => stream.append(Buffer.alloc(bytes, 'x'));
/** In the order in which they were sent: numbers of chunks, and of snapshots below zero. */
const order = (sink: FakeMessageSink): number[] => [
  ...sink.messages('snapshot').map(({ seq }) => -(seq as number)),
  ...sink.sequences,
];

describe('a client of a terminal', () => {
  it('is replayed all that there is, and then what comes', () => {
    write(3);
    write(4);
    const sink = resumed(null);
    write(5);
    expect(sink.sequences).toEqual([1, 2, 3]);
    expect(sink.frames.map((frame) => frame.subarray(8).toString())).toEqual(['xxx', 'xxxx', 'xxxxx']);
    expect(resumed(2).sequences).toEqual([3]);
    expect(resumed(3).sequences).toEqual([]);
    expect(kept).toEqual([1, 2, 3]);
    expect(snapshots).toBe(0);
  });

  it('gets a snapshot first where part of it is gone, or was never there', async () => {
    for (let count = 0; count < 9; count++) write(MIB);
    const [anew, old, next, strange] = [resumed(null), resumed(1), resumed(2), resumed(99)];
    expect([anew.sequences, next.sequences]).toEqual([[], [3, 4, 5, 6, 7, 8, 9]]);
    await settle();
    expect([order(anew), order(old), order(strange)]).toEqual([[-9], [-9], [-9]]);
    write(1);
    expect(order(anew)).toEqual([-9, 10]);
    expect(Buffer.from(anew.messages('snapshot')[0]?.data as string, 'base64').toString()).toBe('screen');
  });

  it('loses nothing that comes while the snapshot is taken', async () => {
    stream.gap();
    let taken: (value: StreamSnapshot) => void = () => undefined;
    snapshot = () => new Promise((resolve) => (taken = resolve));
    const sink = resumed(null);
    write(1);
    const seq = stream.lastSequence;
    write(1);
    taken({ seq, data: Buffer.from('screen') });
    await settle();
    write(1);
    expect(order(sink)).toEqual([-2, 3, 4]);
  });

  it('gets one where something is missing in the middle, when it has read what comes before', async () => {
    write(1);
    const caught = resumed(null);
    stream.gap();
    write(1);
    const late = resumed(null);
    await settle();
    write(1);
    expect([order(caught), order(late)]).toEqual([
      [-2, 1, 3, 4],
      [-2, 1, 3, 4],
    ]);
    expect(snapshots).toBe(1);
  });

  it('goes on after a restart, under numbers that were never given', async () => {
    stream.restore([
      { sequence: 7, bytes: Buffer.from('seven') },
      { sequence: 8, bytes: Buffer.from('eight') },
    ]);
    const sink = resumed(7);
    await settle();
    write(1);
    expect(sink.sequences[0]).toBe(8);
    expect(sink.messages('snapshot')).toHaveLength(1);
    expect(sink.sequences[1]).toBeGreaterThan(1_000_000);
    // What the server before had sent and not yet kept.
    const ahead = resumed(500);
    await settle();
    expect(ahead.messages('snapshot')).toHaveLength(1);
  });

  it('that is slow misses what is more than 4 MiB, and gets a snapshot when it reads again', async () => {
    const [slow, fast] = [resumed(null), resumed(null)];
    write(1);
    slow.takes = false;
    for (let count = 0; count < 30; count++) write(0.1 * MIB);
    expect(slow.backlogBytes).toBeLessThan(1.2 * MIB);
    for (let count = 0; count < 30; count++) write(0.1 * MIB);
    const received = slow.sequences.length;
    await clock.advance(10_000);
    expect(slow.messages('snapshot')).toEqual([]);
    slow.takes = true;
    slow.drain();
    await settle();
    write(1);
    expect(slow.messages('snapshot')).toMatchObject([{ seq: 61 }]);
    expect(slow.sequences.slice(received)).toEqual([62]);
    expect(fast.sequences).toEqual(fast.sequences.map((_, index) => index + 1));
  });

  it('is kept waiting while none can be taken, and is closed with what there is at the end', async () => {
    snapshot = () => Promise.reject(new Error('not now'));
    stream.gap();
    const sink = resumed(null);
    await clock.advance(1600);
    expect(snapshots).toBe(4);
    write(5);
    stream.end({ seq: 2, data: Buffer.from('last') });
    clients.finish('exited');
    expect(order(sink)).toEqual([-2]);
    expect(sink.closed).toEqual({ code: 1000, reason: 'exited' });
    const late = resumed(1);
    expect(order(late)).toEqual([2]);
    expect(late.closed).toEqual({ code: 1000, reason: 'exited' });
    clients.close('deleted');
    expect(resumed(1).frames).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('that takes nothing at the end is closed after a while', async () => {
    const slow = resumed(null);
    slow.takes = false;
    for (let count = 0; count < 30; count++) write(0.1 * MIB);
    stream.end(undefined);
    clients.finish('exited');
    expect(slow.closed).toBeUndefined();
    await clock.advance(5000);
    expect(slow.closed).toEqual({ code: 1000, reason: 'exited' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('may send input where its caller may control', () => {
    const sink = resumed(null);
    sink.receive({ type: 'keys', data: 'x' });
    expect(inputs).toEqual([{ type: 'keys', data: 'x' }]);
    const viewer = resumed(null, { ...anybody, role: 'viewer' });
    viewer.receive({ type: 'keys', data: 'x' });
    expect(viewer.messages('error')).toMatchObject([{ code: 'forbidden' }]);
    expect(inputs).toHaveLength(1);
  });

  it('has everything once over random cuts and gaps', async () => {
    const random = seededRandom(3);
    let sink = resumed(null);
    let last: number | null = null;
    const seen = new Set<number>();
    for (let cut = 0; cut < 300; cut++) {
      for (let count = Math.floor(random() * 5); count > 0; count--) write(10);
      if (random() < 0.1) stream.gap();
      await settle();
      for (const seq of sink.sequences.slice(0, Math.ceil(random() * sink.sequences.length))) {
        expect(seen.has(seq)).toBe(false);
        seen.add(seq);
        last = seq;
      }
      sink.lose();
      sink = resumed(last);
    }
    await settle();
    for (const seq of sink.sequences) seen.add(seq);
    // A snapshot stands for what came before it; nothing else is left out.
    expect(seen.size).toBeGreaterThan(300);
  });
});
