import { describe, expect, it } from 'vitest';

import { withFecSource } from '../../../../src/peer/sdp/fec-source.js';

const sdp = (...lines: string[]): string => `${lines.join('\r\n')}\r\n`;

describe('withFecSource', () => {
  it('names the source of repair packets behind the others of the pictures, and changes nothing else', () => {
    const video = ['m=video 9 UDP/TLS/RTP/SAVPF 102 103', 'a=ssrc-group:FID 10 11'];
    const sources = ['a=ssrc:10 cname:{c}', 'a=ssrc:11 cname:{c}'];
    const rest = ['a=rtpmap:102 H264/90000', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=ssrc:12 cname:{c}'];
    expect(withFecSource(sdp('v=0', ...video, ...sources, ...rest), 99)).toBe(
      sdp('v=0', ...video, 'a=ssrc-group:FEC-FR 10 99', ...sources, 'a=ssrc:99 cname:{c}', ...rest),
    );
  });

  it('leaves an offer without retransmissions as it is', () => {
    const offer = sdp('v=0', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=ssrc:12 cname:{c}');
    expect(withFecSource(offer, 99)).toBe(offer);
  });
});
