import { describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../../src/base/errors.js';
import { answerForOwnPeer, answerForPlayer, readOwnOffer } from '../../../../src/peer/sdp/player-answer.js';
import { readPlayerOffer } from '../../../../src/peer/sdp/player-offer.js';
import { readAnswer } from '../../../../src/peer/sdp/sdp-answer.js';
import { readFragment } from '../../../../src/peer/sdp/sdp-fragment.js';
import { codecsOf, parseSessionDescription } from '../../../../src/peer/sdp/session-description.js';

const FINGERPRINT = `sha-256 ${new Array<string>(32).fill('AB').join(':')}`;
const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid';
const TWCC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';

const sdp = (lines: readonly string[]): string => `${lines.join('\r\n')}\r\n`;
const transport = (ufrag: string): string[] => [
  `a=ice-ufrag:${ufrag}`,
  'a=ice-pwd:0123456789abcdefghijkl',
  `a=fingerprint:${FINGERPRINT}`,
  'a=setup:actpass',
];

/** As a browser offers, with what it likes best first: numbers, order and extensions are not ours. */
const OFFER = [
  'v=0',
  'o=- 1 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE a1 v1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 63 109',
  ...transport('abcd'),
  'a=mid:a1',
  `a=extmap:3 ${MID}`,
  `a=extmap:15 ${TWCC}`,
  'a=recvonly',
  'a=rtcp-mux',
  'a=rtpmap:63 red/48000/2',
  'a=rtpmap:109 opus/48000/2',
  'a=rtcp-fb:109 nack',
  'a=rtcp-fb:109 transport-cc',
  'm=video 0 UDP/TLS/RTP/SAVPF 120 121 100 98 99 96',
  'a=bundle-only',
  ...transport('abcd'),
  'a=mid:v1',
  `a=extmap:3 ${MID}`,
  `a=extmap:5 ${TWCC}`,
  'a=recvonly',
  'a=rtcp-mux',
  'a=rtpmap:120 VP8/90000',
  'a=rtcp-fb:120 nack',
  'a=rtpmap:121 rtx/90000',
  'a=fmtp:121 apt=120',
  'a=rtpmap:100 H264/90000',
  'a=fmtp:100 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f',
  'a=rtpmap:98 H264/90000',
  'a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
  'a=rtcp-fb:98 goog-remb',
  'a=rtcp-fb:98 nack',
  'a=rtcp-fb:98 nack pli',
  'a=rtpmap:99 rtx/90000',
  'a=fmtp:99 apt=98',
  'a=rtpmap:96 H264/90000',
  'a=fmtp:96 packetization-mode=0;profile-level-id=42e01f',
  'm=application 0 UDP/DTLS/SCTP webrtc-datachannel',
  'a=bundle-only',
  'a=mid:d1',
];

const OWN = readOwnOffer(
  sdp([
    'v=0',
    'a=group:BUNDLE 0 1',
    'm=video 9 UDP/TLS/RTP/SAVPF 102 103',
    ...transport('ours'),
    'a=mid:0',
    'a=sendonly',
    'a=rtcp-mux',
    'a=msid:stream picture',
    'a=ssrc-group:FID 1 2',
    'a=ssrc-group:FEC-FR 1 4',
    'a=ssrc:1 cname:c',
    'a=ssrc:2 cname:c',
    'a=ssrc:4 cname:c',
    'a=rtpmap:102 H264/90000',
    'a=fmtp:102 packetization-mode=1',
    'a=rtpmap:103 rtx/90000',
    'a=fmtp:103 apt=102',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    ...transport('ours'),
    'a=mid:1',
    'a=sendonly',
    'a=rtcp-mux',
    'a=ssrc:3 cname:c',
    'a=rtpmap:111 opus/48000/2',
  ]),
);

const without = (...parts: string[]): string =>
  sdp(OFFER.filter((line) => !parts.some((part) => line.includes(part))));

function refusalOf(text: string): string {
  try {
    readPlayerOffer(text, ['h264', 'vp8'], true);
  } catch (error) {
    if (error instanceof StreamKitError) return `${error.status} ${error.message}`;
  }
  return 'none';
}

describe('the offer of a player', () => {
  it('is answered in its own order and numbers, with what both sides know', () => {
    const offer = readPlayerOffer(sdp(OFFER), ['h264', 'vp8'], true);
    const answer = answerForPlayer(OWN, offer, ['candidate:1 1 udp 1 127.0.0.1 5000 typ host'], 7);
    expect(answer.split('\r\n')).toEqual([
      'v=0',
      'o=- 7 1 IN IP4 0.0.0.0',
      's=-',
      't=0 0',
      'a=group:BUNDLE a1 v1',
      'a=msid-semantic:WMS *',
      'm=audio 9 UDP/TLS/RTP/SAVPF 109',
      'c=IN IP4 0.0.0.0',
      'a=rtcp:9 IN IP4 0.0.0.0',
      'a=ice-ufrag:ours',
      'a=ice-pwd:0123456789abcdefghijkl',
      `a=fingerprint:${FINGERPRINT}`,
      'a=setup:passive',
      'a=mid:a1',
      // A one-byte header extension ends at 14.
      `a=extmap:3 ${MID}`,
      'a=sendonly',
      'a=rtcp-mux',
      'a=rtpmap:109 opus/48000/2',
      'a=fmtp:109 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1',
      'a=rtcp-fb:109 transport-cc',
      'a=ssrc:3 cname:c',
      'a=candidate:1 1 udp 1 127.0.0.1 5000 typ host',
      'a=end-of-candidates',
      'm=video 9 UDP/TLS/RTP/SAVPF 98 99',
      'c=IN IP4 0.0.0.0',
      'a=rtcp:9 IN IP4 0.0.0.0',
      'a=ice-ufrag:ours',
      'a=ice-pwd:0123456789abcdefghijkl',
      `a=fingerprint:${FINGERPRINT}`,
      'a=setup:passive',
      'a=mid:v1',
      `a=extmap:3 ${MID}`,
      `a=extmap:5 ${TWCC}`,
      'a=sendonly',
      'a=rtcp-mux',
      'a=rtpmap:98 H264/90000',
      'a=fmtp:98 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1',
      'a=rtcp-fb:98 nack',
      'a=rtcp-fb:98 nack pli',
      'a=rtpmap:99 rtx/90000',
      'a=fmtp:99 apt=98',
      'a=msid:stream picture',
      'a=ssrc-group:FID 1 2',
      'a=ssrc:1 cname:c',
      'a=ssrc:2 cname:c',
      'm=application 0 UDP/DTLS/SCTP webrtc-datachannel',
      'c=IN IP4 0.0.0.0',
      'a=inactive',
      '',
    ]);
  });

  it('is an answer to our own peer, in its numbers', () => {
    const offer = readPlayerOffer(sdp(OFFER), ['h264'], true);
    const text = answerForOwnPeer(OWN, offer, offer.transport, ['candidate:1 1 udp 1 127.0.0.1 9 typ host']);
    const ownOffer = sdp([
      'v=0',
      ...['m=video 9 UDP/TLS/RTP/SAVPF 102 103', 'a=mid:0', 'a=rtpmap:102 H264/90000'],
      ...['m=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:1', 'a=rtpmap:111 opus/48000/2'],
    ]);
    const accepted = readAnswer(text, ownOffer);
    expect(accepted).toMatchObject({
      videoCodec: 'h264',
      video: { payloadType: 102, rtxPayloadType: 103 },
      audio: { payloadType: 111 },
    });
    expect(accepted.candidates).toHaveLength(1);
    expect(accepted.transport.setup).toBe('active');
  });

  describe('of H.265', () => {
    const offering = (parameters: string): string =>
      sdp(OFFER)
        .replace('a=rtpmap:100 H264/90000', 'a=rtpmap:100 H265/90000')
        .replace(/a=fmtp:100 .*/, parameters === '' ? 'a=x' : `a=fmtp:100 ${parameters}`);

    it.each([
      // Chromium, Safari, GStreamer.
      ['level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST', 153],
      ['level-id=93;tx-mode=SRST', 93],
      ['', 93],
      ['level-id=0', 93],
      ['level-id=high', 93],
    ])('is answered in its profile and at most its level: %s', (parameters, levelId) => {
      const offer = readPlayerOffer(offering(parameters), ['h265'], true);
      expect(offer).toMatchObject({ videoCodec: 'h265', video: { payloadType: 100 } });
      expect(offer.video.codecLines.slice(0, 2)).toEqual([
        'a=rtpmap:100 H265/90000',
        `a=fmtp:100 level-id=${levelId};profile-id=1;tier-flag=0;tx-mode=SRST`,
      ]);
    });

    it.each(['profile-id=2', 'profile-space=1;profile-id=1', 'tier-flag=1', 'tx-mode=MRST'])(
      'is refused with %s',
      (parameters) => {
        expect(() => readPlayerOffer(offering(parameters), ['h265'], true)).toThrow(
          'The SDP offer has no video codec of this session: H.265 (profile-id=1, tier-flag=0, tx-mode=SRST)',
        );
      },
    );
  });

  it('says how long a packet of sound may be', () => {
    const bounded = sdp(OFFER).replace('a=rtpmap:109 opus/48000/2', '$&\r\na=maxptime:40');
    expect(readPlayerOffer(bounded, ['h264'], true).audio?.packetTimeMaxMs).toBe(40);
    expect(readPlayerOffer(sdp(OFFER), ['h264'], true).audio).not.toHaveProperty('packetTimeMaxMs');
  });

  it('gets its sound repeated if it takes RED of it', () => {
    const withRed = (blocks: string): string =>
      sdp(OFFER).replace('a=rtpmap:63 red/48000/2', `a=rtpmap:63 red/48000/2\r\na=fmtp:63 ${blocks}`);
    const offer = readPlayerOffer(withRed('109/109'), ['h264'], true);
    expect(offer.audio?.redPayloadType).toBe(63);
    const answer = answerForPlayer(OWN, offer, [], 7);
    expect(answer).toContain('m=audio 9 UDP/TLS/RTP/SAVPF 109 63\r\n');
    expect(answer).toContain('a=rtpmap:63 red/48000/2\r\na=fmtp:63 109/109\r\n');
    for (const other of [sdp(OFFER), withRed('109/8'), withRed('8/8'), withRed('')]) {
      expect(readPlayerOffer(other, ['h264'], true).audio?.redPayloadType).toBeUndefined();
    }
  });

  it('gets repair packets of its pictures if it takes them and retransmissions', () => {
    const withFec = (text: string): string =>
      text
        .replace('98 99 96', '98 99 96 35')
        .replace(
          'a=fmtp:99 apt=98',
          '$&\r\na=rtpmap:35 flexfec-03/90000\r\na=fmtp:35 repair-window=10000000',
        );
    const offer = readPlayerOffer(withFec(sdp(OFFER)), ['h264'], true);
    expect(offer.video.fecPayloadType).toBe(35);
    const answer = answerForPlayer(OWN, offer, [], 7);
    expect(answer).toContain('m=video 9 UDP/TLS/RTP/SAVPF 98 99 35\r\n');
    expect(answer).toContain('a=rtpmap:35 flexfec-03/90000\r\na=fmtp:35 repair-window=10000000\r\n');
    expect(answer).toContain('a=ssrc-group:FEC-FR 1 4\r\n');
    expect(answer).toContain('a=ssrc:4 cname:c\r\n');
    for (const other of [
      sdp(OFFER),
      withFec(sdp(OFFER)).replace('a=rtpmap:99 rtx/90000', 'a=rtpmap:99 x/90000'),
    ]) {
      const refused = readPlayerOffer(other, ['h264'], true);
      expect(refused.video.fecPayloadType).toBeUndefined();
      expect(answerForPlayer(OWN, refused, [], 7)).not.toMatch(/FEC|ssrc:4/);
    }
  });

  it('gets the first codec of the session that it has', () => {
    const codec = (text: string, codecs: ('h264' | 'vp8')[]): string => {
      const { videoCodec, video } = readPlayerOffer(text, codecs, true);
      return `${videoCodec} ${video.payloadType} ${video.rtxPayloadType}`;
    };
    expect(codec(sdp(OFFER), ['h264', 'vp8'])).toBe('h264 98 99');
    expect(codec(sdp(OFFER), ['vp8'])).toBe('vp8 120 121');
    expect(codec(without('H264'), ['h264', 'vp8'])).toBe('vp8 120 121');
    // 80 cannot be told from RTCP.
    expect(codec(sdp(OFFER).replace(/\b98\b/g, '80'), ['h264'])).toBe('h264 100 undefined');
    // High profile decodes constrained baseline; mode 0 knows no fragments.
    expect(codec(without(':98 '), ['h264', 'vp8'])).toBe('h264 100 undefined');
  });

  it('may want no sound, no bundle, and the other DTLS role', () => {
    const quiet = readPlayerOffer(sdp(OFFER), ['h264'], false);
    expect(quiet.audio).toBeNull();
    expect(answerForPlayer(OWN, quiet, [], 7)).toContain('a=group:BUNDLE v1\r\n');
    expect(answerForPlayer(OWN, quiet, [], 7)).toContain('m=audio 0 UDP/TLS/RTP/SAVPF 63\r\n');
    const alone = readPlayerOffer(without('group', 'mid'), ['h264'], false);
    expect([alone.bundled, alone.video.mid, alone.video.headerExtensions]).toEqual([
      false,
      '',
      { transportWideCc: 5 },
    ]);
    const passive = readPlayerOffer(sdp(OFFER).replaceAll('actpass', 'passive'), ['h264'], false);
    expect(answerForPlayer(OWN, passive, [], 7)).toContain('a=setup:active');
  });

  it.each([
    ['no SDP', 'hello', 'is no SDP with media'],
    ['no media', 'v=0\r\n', 'is no SDP with media'],
    ['no video', sdp(OFFER.slice(0, 16)), 'does not ask to receive video'],
    ['a sender', sdp(OFFER).replaceAll('recvonly', 'sendonly'), 'does not ask to receive video'],
    ['no codec', without('H264', 'VP8'), 'has no video codec of this session'],
    ['no mux', without('rtcp-mux'), 'does not have rtcp-mux'],
    ['no bundle', without('group'), 'does not bundle its media'],
    ['no credentials', without('ice-'), 'has no ICE credentials'],
    ['no fingerprint', without('fingerprint'), 'has no certificate fingerprint'],
    ['no role', without('setup'), 'has no DTLS role'],
    ['a mid with markup', sdp(OFFER).replaceAll('v1', '<v>'), 'has a malformed mid'],
  ])('is refused with %s', (_, text, what) => {
    expect(refusalOf(text)).toMatch(new RegExp(`^422 The SDP offer ${what}`));
  });

  it('says nothing in an answer that a player made up', () => {
    const hostile = sdp(OFFER)
      .replace('m=audio 9 UDP/TLS/RTP/SAVPF 63', 'm=audio 9 UDP/TLS/RTP/SAVPF <script>')
      .replaceAll('42e01f', 'x"><script>');
    const answer = answerForPlayer(OWN, readPlayerOffer(hostile, ['h264'], false), [], 7);
    expect(answer).not.toContain('script');
  });
});

describe('a line of formats', () => {
  it('that has one of them ten thousand times has one', () => {
    const line = `m=video 9 UDP/TLS/RTP/SAVPF${' 96'.repeat(10_000)}`;
    const description = parseSessionDescription(sdp(['v=0', line, 'a=rtpmap:96 VP8/90000']));
    expect(description?.media.flatMap(codecsOf)).toHaveLength(1);
  });
});

describe('a fragment', () => {
  it('has candidates, of which the unusable ones are dropped, and credentials', () => {
    const text = sdp([
      ...['a=ice-ufrag:abcd', 'a=ice-pwd:0123456789abcdefghijkl', 'm=audio 9 RTP/AVP 0', 'a=mid:0'],
      'a=candidate:1 1 udp 2 192.0.2.1 5000 typ host generation 0 ufrag abcd',
      'a=candidate:2 1 tcp 2 192.0.2.1 9 typ host tcptype active',
      'a=candidate:3 1 udp 2 name.local 5000 typ host',
      'a=candidate:nonsense',
      'a=end-of-candidates',
    ]);
    expect(readFragment(text)).toEqual({
      credentials: { iceUfrag: 'abcd', icePwd: '0123456789abcdefghijkl' },
      candidates: ['candidate:1 1 udp 2 192.0.2.1 5000 typ host'],
    });
    expect(readFragment('a=end-of-candidates\n')).toEqual({ credentials: undefined, candidates: [] });
  });

  it.each(['', 'hello', 'a=ice-ufrag:abcd', 'a=ice-ufrag:a b\r\na=ice-pwd:0123456789abcdefghijkl'])(
    'is refused: %j',
    (text) => {
      expect(() => readFragment(text)).toThrow(expect.objectContaining({ code: 'unprocessable' }));
    },
  );
});
