import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { CONTAINERS } from '../../src/protocol/recordings.js';
import { VIDEO_CODECS, type VideoCodec } from '../../src/protocol/video-codecs.js';
import type { MuxPacket } from '../../src/recording/mux-packet.js';
import { RecordingEnd, RecordingWriter } from '../../src/recording/recording-writer.js';
import { encodedPictures, type EncodedPicture } from '../helpers/encoded-pictures.js';
import { probe, timesOf } from '../helpers/recorded-media.js';

const FRAME_US = 33_333;
const SILENCE = Uint8Array.from([0xfc, 0xff, 0xfe]);
const pictures = new Map<string, EncodedPicture[]>();
let directory: string;

beforeAll(() => {
  for (const codec of VIDEO_CODECS) {
    for (const size of ['320x180', '160x90'])
      pictures.set(`${codec} ${size}`, encodedPictures(codec, size, 1));
  }
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'writer-'));
});
afterEach(() => rmSync(directory, { recursive: true }));
afterAll(() => pictures.clear());

function writerOf(
  codec: VideoCodec,
  options: { maxBytes?: number; hasAudio?: boolean } = {},
): RecordingWriter {
  const { maxBytes = 1e9, hasAudio = true } = options;
  return new RecordingWriter({ pathPrefix: join(directory, 'r-'), codec, hasAudio, maxBytes });
}

/** A second of pictures and sound that begins at `startUs`. */
function second(codec: VideoCodec, size: string, startUs: number): MuxPacket[] {
  const video = (pictures.get(`${codec} ${size}`) ?? []).map(({ bytes, keyframe }, index): MuxPacket => ({
    kind: 'video',
    ...{ bytes, keyframe },
    timeUs: startUs + index * FRAME_US,
  }));
  const audio = Array.from({ length: 50 }, (_, index): MuxPacket => ({
    kind: 'audio',
    bytes: SILENCE,
    keyframe: true,
    timeUs: startUs + 7000 + index * 20_000,
  }));
  return [...video, ...audio].sort((a, b) => a.timeUs - b.timeUs);
}

/** Feeds packets as they would come, 60 ms late, and advances every 100 ms. */
function feed(writer: RecordingWriter, packets: readonly MuxPacket[]): void {
  let advancedUs = 0;
  for (const packet of packets) {
    const nowUs = packet.timeUs + 60_000;
    for (advancedUs ||= nowUs; advancedUs + 100_000 <= nowUs; advancedUs += 100_000) {
      writer.advance(advancedUs + 100_000);
    }
    writer.push(packet);
  }
}

function endOf(work: () => void): RecordingEnd {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof RecordingEnd) return thrown;
    throw thrown;
  }
  throw new Error('nothing ended it');
}

describe.each(VIDEO_CODECS)('a recording of %s', (codec) => {
  const extension = CONTAINERS[codec];
  const file = (part: number): string => join(directory, `r-${part}.${extension}`);

  test('keeps the time of a gap and of sound that begins late, with silence in between', async () => {
    const writer = writerOf(codec);
    const early = second(codec, '320x180', 5_000_000).filter(({ kind, timeUs }) => {
      return kind === 'video' || timeUs > 5_400_000;
    });
    const [keyframe] = second(codec, '320x180', 8_000_000);
    feed(writer, [...early, ...second(codec, '320x180', 8_000_000)]);
    writer.finish(9_000_000);
    expect(keyframe?.keyframe).toBe(true);
    const times = await probe(file(1));
    const seen = timesOf(times, 'video');
    const heard = timesOf(times, 'audio');
    expect(seen).toHaveLength(60);
    expect(Math.abs((seen[30] ?? 0) - 3000)).toBeLessThanOrEqual(1);
    // Sound begins where it began, and what is before it and in the gap has no hole in which a player would stop.
    expect(heard.some((time) => Math.abs(time - 407) <= 1)).toBe(true);
    const holesMs = heard.slice(1).map((time, at) => time - (heard[at] ?? 0));
    expect(Math.max(heard[0] ?? Infinity, ...holesMs)).toBeLessThan(45);
    expect(writer.files).toMatchObject([
      { width: 320, height: 180, bytes: statSync(file(1)).size, durationMs: 4007 },
    ]);
  });

  test('goes on in another file when the size changes', async () => {
    const writer = writerOf(codec);
    feed(writer, [...second(codec, '320x180', 0), ...second(codec, '160x90', 1_000_000)]);
    writer.finish(2_000_000);
    expect(writer.files).toMatchObject([
      { width: 320, height: 180 },
      { width: 160, height: 90 },
    ]);
    for (const [part, width] of [
      [1, 320],
      [2, 160],
    ] as const) {
      const probed = await probe(file(part));
      expect(probed.width).toBe(width);
      expect(timesOf(probed, 'video')).toHaveLength(30);
      expect(timesOf(probed, 'video')[0]).toBe(0);
      expect(Math.abs(probed.durationMs - 1000)).toBeLessThan(40);
    }
  });

  test('ends whole at its limit, and never beyond', async () => {
    const maxBytes = 40_000;
    const writer = writerOf(codec, { maxBytes });
    const packets = [0, 1, 2, 3, 4, 5].flatMap((at) => second(codec, '320x180', at * 1_000_000));
    const end = endOf(() => feed(writer, packets));
    expect(end.recordingError).toEqual({
      code: 'limit_reached',
      message: 'The recording reached its limit of 40000 bytes',
    });
    writer.close();
    const { size } = statSync(file(1));
    expect(size).toBeLessThanOrEqual(maxBytes);
    expect(size).toBeGreaterThan(maxBytes / 2);
    expect(writer.files).toMatchObject([{ bytes: size }]);
    // Its index was written: the container tells how long it is.
    expect((await probe(file(1))).durationMs).toBeGreaterThan(300);
  });

  test('needs no sound', async () => {
    const writer = writerOf(codec, { hasAudio: false });
    feed(
      writer,
      second(codec, '320x180', 0).filter(({ kind }) => kind === 'video'),
    );
    writer.finish(1_000_000);
    const probed = await probe(file(1));
    // FFmpeg's name of H.265.
    expect(probed.codecs).toEqual([codec === 'h265' ? 'hevc' : codec]);
    expect(probed.packets).toHaveLength(30);
  });
});

test('a directory that is gone ends the recording, and leaves no file', () => {
  const writer = new RecordingWriter({
    pathPrefix: join(directory, 'missing', 'r-'),
    ...{ codec: 'h264' as const, hasAudio: true, maxBytes: 1e9 },
  });
  const end = endOf(() => feed(writer, second('h264', '320x180', 0)));
  expect(end.recordingError).toEqual({
    code: 'recording_failed',
    message: 'The recording could not be written',
  });
  writer.close();
  expect(writer.files).toEqual([]);
  expect(readdirSync(directory)).toEqual([]);
});

test.for(VIDEO_CODECS)('a full disk leaves what was written of %s whole', async (codec, context) => {
  const small = join(directory);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48k', 'tmpfs', small], { stdio: 'ignore' });
  } catch {
    return context.skip('only root may mount');
  }
  try {
    const writer = writerOf(codec);
    const packets = [0, 1, 2, 3, 4, 5].flatMap((at) => second(codec, '320x180', at * 1_000_000));
    const end = endOf(() => feed(writer, packets));
    expect(end.recordingError.code).toBe('disk_full');
    writer.close();
    const [file] = writer.files;
    const path = join(small, readdirSync(small)[0] ?? '');
    expect(statSync(path).size).toBe(file?.bytes);
    // Not a word of a file that is cut off in the middle.
    const arguments_ = ['-v', 'warning', '-i', path, '-c', 'copy', '-f', 'null', '-'];
    expect(spawnSync('ffmpeg', arguments_, { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
    const seen = timesOf(await probe(path), 'video');
    expect(seen.length).toBeGreaterThan(10);
  } finally {
    execFileSync('umount', [small]);
  }
});
