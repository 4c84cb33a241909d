import { describe, expect, it } from 'vitest';

import type { OfferedSources } from '../../../../src/peer/sdp/offered-sources.js';
import { chooseSources } from '../../../../src/peer/sdp/offered-sources.js';
import { writeOffer } from '../../../../src/peer/sdp/viewer-offer.js';

const SOURCES: OfferedSources = {
  sessionId: 17,
  cname: 'c',
  streamId: 's',
  video: { ssrc: 10, rtxSsrc: 11, trackId: 'v' },
  audio: { ssrc: 12, trackId: 'a' },
  fecSsrc: 99,
  layers: new Map(),
};
const TRANSPORT = {
  iceUfrag: 'abcd',
  icePwd: '0123456789abcdefghijkl',
  setup: 'actpass',
  fingerprints: ['sha-256 AB'],
} as const;
const transportLines = [
  'c=IN IP4 0.0.0.0',
  'a=ice-options:trickle',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:0123456789abcdefghijkl',
  'a=fingerprint:sha-256 AB',
  'a=setup:actpass',
];
const rtcp = ['a=rtcp:9 IN IP4 0.0.0.0', 'a=rtcp-mux'];

function linesOf(parameters: Partial<Parameters<typeof writeOffer>[0]> = {}): string[] {
  const sdp = writeOffer({
    version: 3,
    videoCodecs: ['h264'],
    audio: true,
    input: true,
    rids: [],
    sources: SOURCES,
    transport: TRANSPORT,
    ...parameters,
  });
  expect(sdp.endsWith('\r\n')).toBe(true);
  return sdp.slice(0, -2).split('\r\n');
}

describe('the offer to a viewer', () => {
  it('has pictures, sound and a data channel on one transport', () => {
    const [version, origin, ...lines] = linesOf();
    expect(version).toBe('v=0');
    expect(origin).toBe('o=- 17 3 IN IP4 0.0.0.0');
    expect(lines).toEqual([
      's=-',
      't=0 0',
      'a=group:BUNDLE 0 1 2',
      'a=extmap-allow-mixed',
      'a=msid-semantic:WMS *',
      'm=video 9 UDP/TLS/RTP/SAVPF 102 103 49',
      ...transportLines,
      'a=sendonly',
      'a=mid:0',
      'a=msid:s v',
      ...rtcp,
      'a=ssrc-group:FID 10 11',
      'a=ssrc-group:FEC-FR 10 99',
      'a=ssrc:10 cname:c',
      'a=ssrc:11 cname:c',
      'a=ssrc:99 cname:c',
      'a=rtpmap:102 H264/90000',
      'a=rtcp-fb:102 nack',
      'a=rtcp-fb:102 nack pli',
      'a=rtcp-fb:102 ccm fir',
      'a=rtcp-fb:102 transport-cc',
      'a=fmtp:102 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1',
      'a=rtpmap:103 rtx/90000',
      'a=fmtp:103 apt=102',
      'a=rtpmap:49 flexfec-03/90000',
      'a=fmtp:49 repair-window=10000000',
      'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
      'a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
      'a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
      'a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
      'm=audio 9 UDP/TLS/RTP/SAVPF 111 63',
      ...transportLines,
      'a=sendonly',
      'a=mid:1',
      'a=msid:s a',
      ...rtcp,
      'a=ssrc:12 cname:c',
      'a=rtpmap:111 opus/48000/2',
      'a=rtcp-fb:111 transport-cc',
      'a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1',
      'a=rtpmap:63 red/48000/2',
      'a=fmtp:63 111/111',
      'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
      'a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
      'a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
      'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
      ...transportLines,
      'a=mid:2',
      'a=sctp-port:5000',
      'a=max-message-size:65536',
    ]);
  });

  it('leaves out what is not offered, and numbers the rest without a gap', () => {
    const lines = linesOf({ audio: false });
    expect(lines.filter((line) => line.startsWith('m='))).toEqual([
      'm=video 9 UDP/TLS/RTP/SAVPF 102 103 49',
      'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    ]);
    expect(lines).toContain('a=group:BUNDLE 0 1');
    expect(lines.filter((line) => line.startsWith('a=mid:'))).toEqual(['a=mid:0', 'a=mid:1']);
    expect(linesOf({ audio: false, input: false })).toContain('a=group:BUNDLE 0');
  });

  it('names the layers of a simulcast, and the extensions by which packets name theirs', () => {
    const lines = linesOf({ audio: false, input: false, rids: ['f', 'h'] });
    expect(lines.slice(-5)).toEqual([
      'a=extmap:8 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
      'a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
      'a=rid:f send',
      'a=rid:h send',
      'a=simulcast:send f;h',
    ]);
  });
});

describe('the sources of an offer', () => {
  it('differ, and the first layer has those of the pictures', () => {
    const { video, audio, fecSsrc, layers } = chooseSources(['f', 'h']);
    const [first, second] = [...layers.values()];
    expect(first).toEqual({ ssrc: video.ssrc, rtxSsrc: video.rtxSsrc });
    const ssrcs = [video.ssrc, video.rtxSsrc, audio.ssrc, fecSsrc, second?.ssrc, second?.rtxSsrc];
    expect(new Set(ssrcs).size).toBe(6);
    expect([...layers.keys()]).toEqual(['f', 'h']);
    expect(chooseSources([]).layers.size).toBe(0);
  });
});
