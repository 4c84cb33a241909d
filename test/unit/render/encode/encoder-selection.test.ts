import { afterEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import { ENCODER_ORDER, LIBRARY_ENCODERS } from '../../../../src/options/encoder-names.js';
import { byCodec, VIDEO_CODECS } from '../../../../src/protocol/video-codecs.js';
import { EncoderSelection } from '../../../../src/render/encode/encoder-selection.js';
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
});
