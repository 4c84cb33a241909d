import type { Frame } from 'node-av/lib';
import { describe, expect, it } from 'vitest';

import type { EncoderReplacement } from '../../../../src/render/encode/encode-thread.js';
import { FailoverVideoEncoder } from '../../../../src/render/encode/failover-video-encoder.js';
import type {
  VideoEncoder,
  VideoEncoderListener,
  VideoEncoderParameters,
} from '../../../../src/render/encode/video-encoder.js';

const PARAMETERS = {
  codec: 'h264',
  width: 64,
  height: 64,
  frameRate: 30,
  bitrateBps: 100_000,
  matrix: 'bt601',
} as const;
const PICTURE = null as unknown as Frame;

/** Encoders of names: `broken` does not open, `breaks` breaks at its third picture, others work. */
function setUp(...names: string[]) {
  const log: string[] = [];
  const listeners = new Map<string, VideoEncoderListener>();
  const replacements: Omit<EncoderReplacement, 'rung'>[] = [];
  let failure: Error | undefined;
  const open = (
    name: string,
    listener: VideoEncoderListener,
    { bitrateBps, width }: VideoEncoderParameters,
  ): VideoEncoder => {
    if (name.startsWith('broken')) throw new Error(`${name} has no device`);
    listeners.set(name, listener);
    let encoded = 0;
    return {
      codec: 'h264',
      name,
      encode: (_picture, times) => {
        if (name.startsWith('breaks') && encoded === 2) throw new Error('the driver was reset');
        const keyframe = encoded++ === 0;
        listener.onCompressed({ bytes: new Uint8Array(1), keyframe, times });
      },
      setBitrate: (bps) => log.push(`${name} bitrate ${bps} after ${bitrateBps} at ${width}`),
      reconfigure: ({ width }) => log.push(`${name} width ${width}`),
      close: () => log.push(`${name} closed`),
    };
  };
  const encoder = new FailoverVideoEncoder(
    names.map((name) => ({ name, device: undefined })),
    ({ name }, parameters, listener) => open(name, listener, parameters),
    PARAMETERS,
    {
      onCompressed: ({ keyframe, times }) => {
        log.push(`${encoder.name} ${keyframe ? 'key' : 'delta'} ${times.captureTimeUs}`);
      },
      onDropped: () => log.push('dropped'),
      onFailed: (error) => (failure = error),
      onReplaced: (replacement) => replacements.push(replacement),
    },
  );
  const encode = (captureTimeUs: number): void =>
    encoder.encode(PICTURE, { captureTimeUs, readTimeUs: 0 }, false);
  return { encoder, encode, log, listeners, replacements, failure: () => failure };
}

describe('FailoverVideoEncoder', () => {
  it('the picture at which an encoder breaks comes out of the next one, as a keyframe', () => {
    const { encode, log, replacements } = setUp('breaks', 'works');
    for (const time of [1, 2, 3, 4]) encode(time);
    expect(log).toEqual(['breaks key 1', 'breaks delta 2', 'breaks closed', 'works key 3', 'works delta 4']);
    expect(replacements).toEqual([
      { codec: 'h264', failed: 'breaks', next: 'works', reason: 'the driver was reset', candidate: 1 },
    ]);
  });

  it('what does not open is passed over', () => {
    const { encoder, replacements } = setUp('broken', 'broken2', 'works');
    expect(encoder.name).toBe('works');
    expect(replacements).toEqual([
      { codec: 'h264', failed: 'broken2', next: 'works', reason: 'broken2 has no device', candidate: 2 },
    ]);
  });

  it('a listener that throws costs no candidate', () => {
    const opened: string[] = [];
    const { encoder } = setUp('works');
    const open = ({ name }: { name: string }): VideoEncoder => {
      opened.push(name);
      if (name === 'broken') throw new Error('no device');
      return encoder;
    };
    const candidates = ['broken', 'second', 'third'].map((name) => ({ name, device: undefined }));
    const listener = {
      onCompressed: () => undefined,
      onDropped: () => undefined,
      onFailed: () => undefined,
      onReplaced: () => {
        throw new Error('not ready');
      },
    };
    expect(() => new FailoverVideoEncoder(candidates, open, PARAMETERS, listener)).toThrow('not ready');
    expect(opened).toEqual(['broken', 'second']);
  });

  it('an encoder that reports its failure later is replaced, and no longer heard', () => {
    const { encode, log, listeners, replacements } = setUp('first', 'second');
    encode(1);
    listeners.get('first')?.onFailed(new Error('it was killed'));
    listeners.get('first')?.onCompressed({
      bytes: new Uint8Array(1),
      keyframe: false,
      times: { captureTimeUs: 1, readTimeUs: 0 },
    });
    listeners.get('first')?.onFailed(new Error('again'));
    encode(2);
    expect(log).toEqual(['first key 1', 'first closed', 'second key 2']);
    expect(replacements).toHaveLength(1);
  });

  it('the next one has the bit rate and the size of now', () => {
    const { encoder, encode, log } = setUp('breaks', 'works');
    encoder.setBitrate(500_000);
    encoder.reconfigure({ width: 128, height: 64, frameRate: 30 });
    for (const time of [1, 2, 3]) encode(time);
    encoder.setBitrate(600_000);
    expect(log).toContain('works bitrate 600000 after 500000 at 128');
  });

  it('when none is left the last reason is told', () => {
    expect(() => setUp('broken')).toThrow('No encoder is left for h264: broken has no device');
    const { encode } = setUp('breaks');
    encode(1);
    encode(2);
    expect(() => encode(3)).toThrow('the driver was reset');
    const { listeners, failure } = setUp('only');
    listeners.get('only')?.onFailed(new Error('it was killed'));
    expect(failure()?.message).toBe('No encoder is left for h264: it was killed');
  });
});
