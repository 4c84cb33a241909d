import { AV_OPT_SEARCH_CHILDREN } from 'node-av/constants';
import { AV_LOG_QUIET, type FFVideoEncoder } from 'node-av/constants';
import { Codec, CodecContext, Log } from 'node-av/lib';
import { beforeAll, describe, expect, it } from 'vitest';

import { ENCODER_NAMES, ENCODER_ORDER } from '../../../../src/options/encoder-names.js';
import { VIDEO_CODECS } from '../../../../src/protocol/video-codecs.js';
import { LIBAV_ENCODERS } from '../../../../src/render/encode/libav-video-encoder.js';
import type { EncoderOptions } from '../../../../src/render/encode/libav-encoder-settings.js';

/** Sets options in FFmpeg's own tables. @returns what FFmpeg refuses, by name or by value. */
function refused(encoder: string, options: EncoderOptions): string[] {
  const codec = Codec.findEncoderByName(encoder as FFVideoEncoder);
  if (!codec) throw new Error(`FFmpeg was built without ${encoder}.`);
  using context = new CodecContext();
  context.allocContext3(codec);
  return Object.entries(options)
    .filter(([name, value]) => {
      if (context.setOption(name, value) < 0) return true;
      // A value that was understood can be read back.
      return context.getOption(name, undefined, AV_OPT_SEARCH_CHILDREN) === null;
    })
    .map(([name, value]) => `${name}=${value}`);
}

describe('options of the encoders, against the tables of FFmpeg', () => {
  beforeAll(() => Log.setLevel(AV_LOG_QUIET));

  it.each(ENCODER_NAMES)('%s knows every name and every value', (name) => {
    const { options, variants = [], deviceOption } = LIBAV_ENCODERS[name];
    expect(Object.keys(options).length).toBeGreaterThan(0);
    for (const variant of [{}, ...variants]) {
      expect(refused(name, { ...options, ...variant })).toEqual([]);
    }
    if (deviceOption !== undefined) expect(refused(name, { [deviceOption]: 0 })).toEqual([]);
  });

  // Otherwise FFmpeg's request for an I picture may come to one from which nobody can start.
  it.each(ENCODER_NAMES.filter((name) => /_(nvenc|qsv)$/.test(name)))(
    '%s makes a keyframe of every I picture that is asked for',
    (name) => {
      const options: EncoderOptions = LIBAV_ENCODERS[name].options;
      expect(options[name.endsWith('_qsv') ? 'forced_idr' : 'forced-idr']).toBe(1);
    },
  );

  it('a misspelt name, an unknown word and a number out of range are found out', () => {
    expect(refused('h264_nvenc', { presett: 'p2', preset: 'p8', delay: -1, zerolatency: 1 })).toEqual([
      'presett=p2',
      'preset=p8',
      'delay=-1',
    ]);
    expect(refused('h264_vaapi', { rc_mode: 'CBRR', profile: 'baselin' })).toHaveLength(2);
    expect(refused('h264_qsv', { scenario: 'gaming', async_depth: 0 })).toHaveLength(2);
  });

  it('each encoder is listed under the codec that it encodes', () => {
    for (const codec of VIDEO_CODECS) {
      for (const name of ENCODER_ORDER[codec]) expect(LIBAV_ENCODERS[name].codec).toBe(codec);
    }
  });
});
