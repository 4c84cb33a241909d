import { describe, expect, it } from 'vitest';

import { parseSessionDescription, type SdpMedia } from '../../../../src/peer/sdp/session-description.js';
import { acceptedRids, simulcastLines } from '../../../../src/peer/sdp/simulcast.js';

const sdp = (...lines: string[]): string => `${lines.join('\r\n')}\r\n`;
const VIDEO = ['m=video 9 UDP/TLS/RTP/SAVPF 102', 'a=mid:0', 'a=ssrc:1 cname:c'];

function videoOf(text: string): SdpMedia {
  const media = parseSessionDescription(text)?.media.find(({ kind }) => kind === 'video');
  if (media === undefined) throw new Error('There is no video');
  return media;
}

describe('an offer of simulcast', () => {
  it('names the layers, the best first', () => {
    expect(simulcastLines(['f', 'h'])).toEqual(['a=rid:f send', 'a=rid:h send', 'a=simulcast:send f;h']);
  });

  it('is none with fewer than two', () => {
    expect(simulcastLines(['f'])).toEqual([]);
    expect(simulcastLines([])).toEqual([]);
  });
});

describe('the layers that an answer takes', () => {
  const offered = videoOf(sdp('v=0', ...VIDEO, ...simulcastLines(['f', 'h', 'q'])));
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
