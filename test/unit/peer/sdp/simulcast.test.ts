import { describe, expect, it } from 'vitest';

import { parseSessionDescription, type SdpMedia } from '../../../../src/peer/sdp/session-description.js';
import { acceptedRids, withSimulcast } from '../../../../src/peer/sdp/simulcast.js';

const sdp = (...lines: string[]): string => `${lines.join('\r\n')}\r\n`;
const VIDEO = ['m=video 9 UDP/TLS/RTP/SAVPF 102', 'a=mid:0', 'a=ssrc:1 cname:c'];
const AUDIO = ['m=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:1'];

function videoOf(text: string): SdpMedia {
  const media = parseSessionDescription(text)?.media.find(({ kind }) => kind === 'video');
  if (media === undefined) throw new Error('There is no video');
  return media;
}

describe('an offer of simulcast', () => {
  it('names the layers in the video section, and leaves its source', () => {
    const layers = ['a=rid:f send', 'a=rid:h send', 'a=simulcast:send f;h'];
    expect(withSimulcast(sdp('v=0', ...VIDEO, ...AUDIO), ['f', 'h'])).toBe(
      sdp('v=0', ...VIDEO, ...layers, ...AUDIO),
    );
    expect(withSimulcast(sdp('v=0', ...AUDIO, ...VIDEO), ['f', 'h'])).toBe(
      sdp('v=0', ...AUDIO, ...VIDEO, ...layers),
    );
  });

  it('is none with one layer, and without video', () => {
    for (const [rids, lines] of [
      [['f'], VIDEO],
      [[], VIDEO],
      [['f', 'h'], AUDIO],
    ] as const) {
      expect(withSimulcast(sdp('v=0', ...lines), rids)).toBe(sdp('v=0', ...lines));
    }
  });
});

describe('the layers that an answer takes', () => {
  const offered = videoOf(withSimulcast(sdp('v=0', ...VIDEO), ['f', 'h', 'q']));
  const accepted = (...lines: string[]): string[] =>
    acceptedRids(offered, videoOf(sdp('v=0', ...VIDEO, ...lines)));
  const rids = (...names: string[]): string[] => names.map((rid) => `a=rid:${rid} recv`);

  it('are those that it receives, in the order of the offer', () => {
    expect(accepted(...rids('q', 'h', 'f'), 'a=simulcast:recv q;h;f')).toEqual(['f', 'h', 'q']);
    expect(accepted(...rids('f', 'q'), 'a=simulcast:recv f;q')).toEqual(['f', 'q']);
    expect(accepted(...rids('f', 'h'), 'a=simulcast:send x recv f;h')).toEqual(['f', 'h']);
    expect(accepted('a=rid:f recv pt=102;max-width=1280', ...rids('h'), 'a=simulcast:recv f;h')).toEqual([
      'f',
      'h',
    ]);
  });

  it('are none without simulcast', () => {
    expect(accepted()).toEqual([]);
    expect(accepted(...rids('f', 'h'))).toEqual([]);
    expect(accepted('a=simulcast:recv f;h')).toEqual([]);
    expect(accepted('a=rid:f send', 'a=simulcast:send f')).toEqual([]);
  });

  it('are none that is paused or was not offered, and the first of alternatives', () => {
    expect(accepted(...rids('f', 'h', 'q'), 'a=simulcast:recv f;~h;q')).toEqual(['f', 'q']);
    expect(accepted(...rids('f', 'z'), 'a=simulcast:recv f;z')).toEqual(['f']);
    expect(accepted(...rids('f', 'h'), 'a=simulcast:recv h,f')).toEqual(['h']);
  });
});
