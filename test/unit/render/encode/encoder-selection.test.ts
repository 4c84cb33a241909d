import { afterEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import { ENCODER_ORDER, LIBRARY_ENCODERS } from '../../../../src/options/encoder-names.js';
import { byCodec, VIDEO_CODECS } from '../../../../src/protocol/video-codecs.js';
import type { EncoderReport } from '../../../../src/render/encode/encoder-probe.js';
import { EncoderSelection, type OpenProbe } from '../../../../src/render/encode/encoder-selection.js';
import { settle } from '../../../helpers/virtual-clock.js';

const PROGRAM = process.execPath;
let selection: EncoderSelection | undefined;

afterEach(() => selection?.close());

/** The candidates of each codec before anything is known of them. */
function candidates(ffmpegPath: string | undefined): Record<string, readonly [string, string | undefined][]> {
  const opened = (selection = new EncoderSelection({
    ...{ choice: byCodec(() => 'auto'), device: undefined, ffmpegPath, logger: silentLogger },
  }));
  return byCodec((codec) =>
    opened
      .candidates(codec)
      .map(({ name, ffmpegPath: path }) => [name, path] as [string, string | undefined]),
  );
}

const NO_SESSION = 'OpenEncodeSessionEx failed: out of memory (10)';

/** Probes that the test answers. */
function played() {
  const tries: {
    readonly names: readonly string[];
    answer(...works: (boolean | 'late' | 'busy')[]): Promise<void>;
  }[] = [];
  const openProbe: OpenProbe = ({ candidates }) => {
    const names = candidates.map(({ name }) => name);
    let resolve: (reports: readonly EncoderReport[]) => void = () => undefined;
    const reports = new Promise<readonly EncoderReport[]>((resolved) => (resolve = resolved));
    const answer = async (...works: (boolean | 'late' | 'busy')[]): Promise<void> => {
      resolve(
        names.map((name, index) => {
          const work = works[index] ?? 'late';
          return work === 'late'
            ? { name, works: false, reason: 'late', late: true }
            : {
                name,
                works: work === true,
                ...(work === true ? {} : { reason: work === 'busy' ? NO_SESSION : 'refused' }),
              };
        }),
      );
      await settle();
    };
    tries.push({ names, answer });
    return { reports, close: () => undefined };
  };
  return { tries, openProbe };
}

describe('the encoders of a codec', () => {
  it('are those of the libraries, in their order', () => {
    expect(candidates(undefined)).toEqual(
      byCodec((codec) => ENCODER_ORDER[codec].map((name) => [name, undefined])),
    );
  });

  it('are those of the program where one is named, and then the one in software of the libraries', () => {
    const found = candidates(PROGRAM);
    expect(found.h264).toEqual([
      ...ENCODER_ORDER.h264.map((name) => [name, PROGRAM]),
      ['libx264', undefined],
    ]);
    for (const codec of VIDEO_CODECS)
      expect(found[codec]?.at(-1)).toEqual([ENCODER_ORDER[codec].at(-1), undefined]);
  });

  it('are never those of the program that hold pictures back', () => {
    expect(LIBRARY_ENCODERS).toEqual(['libsvtav1']);
    expect(candidates(PROGRAM).av1).toEqual([
      ...['av1_nvenc', 'av1_vaapi', 'av1_qsv'].map((name) => [name, PROGRAM]),
      ['libsvtav1', undefined],
    ]);
  });

  it('are neither refused nor limited for want of a process to try them in', async () => {
    // Longer than one argument of a program may be on Linux: Node throws, as without memory.
    const device = `${'/'.repeat(200_000)}renderD128`;
    const open = (): EncoderSelection =>
      new EncoderSelection({
        ...{ choice: byCodec(() => 'auto'), device, ffmpegPath: undefined, logger: silentLogger },
      });
    selection = open();
    await selection.ready();
    const { seats, chosen } = selection;
    const candidates = selection.candidates('h264');
    expect([chosen, candidates.map(({ name }) => name)]).toEqual([true, ENCODER_ORDER.h264]);
    seats.take(candidates).moveTo(1, true);
    await settle();
    expect(seats.encodings.map(({ running, limit }) => [running, limit])).toEqual([
      [0, undefined],
      [1, undefined],
      [0, undefined],
    ]);
    // It is not remembered either.
    const another = open();
    expect(another.chosen).toBe(false);
    another.close();
  });

  it('that there was no time to try are tried again, behind one that hangs as well', async () => {
    const { tries, openProbe } = played();
    const choice = { ...byCodec((codec) => ENCODER_ORDER[codec].at(-1) ?? ''), h264: 'auto' };
    const open = (): EncoderSelection =>
      new EncoderSelection({
        ...{ choice, device: 'late', ffmpegPath: undefined },
        ...{ logger: silentLogger, openProbe },
      });
    const namesOf = (of: EncoderSelection): string[] => of.candidates('h264').map(({ name }) => name);
    const [first, second, third, ...rest] = ENCODER_ORDER.h264;
    selection = open();
    expect(tries.map(({ names }) => names)).toEqual([[first, second, third]]);
    await tries[0]?.answer(false);
    // It does not wait for them.
    expect([selection.chosen, namesOf(selection)]).toEqual([true, rest]);
    await tries[1]?.answer('late');
    await tries[2]?.answer(true);
    expect(tries.map(({ names }) => names)).toEqual([[first, second, third], [second, third], [third]]);
    expect(namesOf(selection)).toEqual([third, ...rest]);
    // One of them has never answered: that is not remembered.
    const another = open();
    expect([another.chosen, tries.length]).toEqual([false, 4]);
    await tries[3]?.answer('late');
    await tries[4]?.answer(false, true, false);
    expect(namesOf(another)).toEqual([second, ...rest]);
    // Now all of them have.
    const last = open();
    expect([last.chosen, namesOf(last), tries.length]).toEqual([true, [second, ...rest], 5]);
    another.close();
    last.close();
  });

  it('that had no session left are told of once, when it was so', async () => {
    const { tries, openProbe } = played();
    const choice = { ...byCodec((codec) => ENCODER_ORDER[codec].at(-1) ?? ''), h264: 'auto' };
    const opened = new EncoderSelection({
      ...{ choice, device: 'busy', ffmpegPath: undefined },
      ...{ logger: silentLogger, openProbe },
    });
    selection = opened;
    const limitOf = (): number | undefined => opened.seats.encodings[0]?.limit;
    await tries[0]?.answer('busy', 'late', false);
    expect(limitOf()).toBe(0);
    const candidate = { name: ENCODER_ORDER.h264[0], codec: 'h264', device: 'busy' } as const;
    opened.seats.claim(candidate, true);
    opened.seats.confirm(candidate);
    expect(limitOf()).toBeUndefined();
    await tries[1]?.answer(false, false);
    expect([tries.length, limitOf()]).toEqual([2, undefined]);
  });
});

describe('an encoder that is named', () => {
  const choice = { ...byCodec((codec) => ENCODER_ORDER[codec].at(-1) ?? ''), h264: 'h264_nvenc' };
  const open = (report: Omit<EncoderReport, 'name'>): EncoderSelection =>
    (selection = new EncoderSelection({
      ...{ choice, device: 'named', ffmpegPath: undefined, logger: silentLogger },
      probeNamed: ({ name }) => ({ name, ...report }),
    }));

  it('is refused if it does not work, and could not be tried if there was no process', () => {
    expect(() => open({ works: false, reason: 'no device' })).toThrow(
      expect.objectContaining({
        code: 'bad_option',
        message: expect.stringMatching(/h264_nvenc: no device$/) as string,
      }),
    );
    expect(() => open({ works: false, reason: 'spawnSync EMFILE', untried: true })).toThrow(
      expect.objectContaining({
        code: 'unavailable',
        message: expect.stringMatching(
          /^The encoder h264_nvenc could not be tried.*: spawnSync EMFILE$/,
        ) as string,
      }),
    );
  });

  it('is taken, and rests at first, if it had no session left', () => {
    const { seats } = open({ works: false, reason: NO_SESSION });
    expect(selection?.candidates('h264').map(({ name }) => name)).toEqual(['h264_nvenc', 'libx264']);
    expect(seats.encodings.map(({ limit }) => limit)).toEqual([0]);
  });
});
