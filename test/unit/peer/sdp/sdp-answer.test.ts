import { describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../../src/base/errors.js';
import { readAnswer } from '../../../../src/peer/sdp/sdp-answer.js';

const FINGERPRINT = `sha-256 ${new Array<string>(32).fill('AB').join(':')}`;
const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid';
const PLAYOUT_DELAY = 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay';

const sdp = (...lines: string[]): string => `${lines.join('\r\n')}\r\n`;

const OFFER = sdp(
  'v=0',
  'o=- 1 0 IN IP4 0.0.0.0',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0 1',
  'm=video 9 UDP/TLS/RTP/SAVPF 102 103 96 97',
  'a=mid:0',
  'a=sendonly',
  'a=rtpmap:102 H264/90000',
  'a=fmtp:102 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1',
  'a=rtpmap:103 rtx/90000',
  'a=fmtp:103 apt=102',
  'a=rtpmap:96 VP8/90000',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  `a=extmap:4 ${MID}`,
  `a=extmap:7 ${PLAYOUT_DELAY}`,
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=mid:1',
  'a=sendonly',
  'a=rtpmap:111 opus/48000/2',
  `a=extmap:4 ${MID}`,
);

const VIDEO = [
  'm=video 9 UDP/TLS/RTP/SAVPF 102 103 96 97',
  'a=mid:0',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:0123456789abcdefghijkl',
  `a=fingerprint:${FINGERPRINT}`,
  'a=setup:active',
  'a=recvonly',
  'a=rtcp-mux',
  'a=rtpmap:102 H264/90000',
  'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
  'a=rtpmap:103 rtx/90000',
  'a=fmtp:103 apt=102',
  'a=rtpmap:96 VP8/90000',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  `a=extmap:4 ${MID}`,
];
const AUDIO = [
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=mid:1',
  'a=recvonly',
  'a=rtcp-mux',
  'a=rtpmap:111 opus/48000/2',
];

function answer(
  video: readonly string[] = VIDEO,
  audio: readonly string[] = AUDIO,
  group = 'BUNDLE 0 1',
): string {
  return sdp('v=0', 'o=- 2 0 IN IP4 0.0.0.0', 's=-', 't=0 0', `a=group:${group}`, ...video, ...audio);
}

const without = (lines: readonly string[], start: string): string[] =>
  lines.filter((line) => !line.startsWith(start));
const edited = (lines: readonly string[], from: string, to: string): string[] =>
  lines.map((line) => (line.startsWith(from) ? to : line));

function refusalOf(text: string): string {
  try {
    readAnswer(text, OFFER);
  } catch (error) {
    return error instanceof StreamKitError ? error.code : `not coded: ${String(error)}`;
  }
  return 'accepted';
}

describe('readAnswer', () => {
  it('gives the payload types and extensions that the viewer accepted', () => {
    expect(readAnswer(answer(), OFFER)).toMatchObject({
      videoCodec: 'h264',
      video: { mid: '0', payloadType: 102, rtxPayloadType: 103, headerExtensions: { mid: 4 } },
      audio: { mid: '1', payloadType: 111, headerExtensions: {} },
    });
  });

  it('follows the order of the answer, not of the offer', () => {
    const video = edited(VIDEO, 'm=', 'm=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103');
    expect(readAnswer(answer(video), OFFER)).toMatchObject({
      videoCodec: 'vp8',
      video: { payloadType: 96, rtxPayloadType: 97 },
    });
  });

  it('leaves RTX out where it was not accepted', () => {
    const accepted = readAnswer(answer(edited(VIDEO, 'm=', 'm=video 9 UDP/TLS/RTP/SAVPF 102')), OFFER);
    expect(accepted.video.rtxPayloadType).toBeUndefined();
  });

  it('takes no H.264 that is not in packetization-mode 1', () => {
    const video = edited(VIDEO, 'a=fmtp:102', 'a=fmtp:102 profile-level-id=42e01f');
    expect(readAnswer(answer(video), OFFER).videoCodec).toBe('vp8');
  });

  it('takes no extension under another id than the offered', () => {
    const video = edited(VIDEO, 'a=extmap:4', `a=extmap:5 ${MID}`);
    expect(readAnswer(answer(video), OFFER).video.headerExtensions).toEqual({});
  });

  it('gives FlexFEC of the pictures where it was offered and accepted', () => {
    const withFec = (text: string): string =>
      text
        .replace('102 103 96 97', '102 103 96 97 49')
        .replace(
          'a=fmtp:97 apt=96',
          '$&\r\na=rtpmap:49 flexfec-03/90000\r\na=fmtp:49 repair-window=10000000',
        );
    expect(readAnswer(withFec(answer()), withFec(OFFER)).video.fecPayloadType).toBe(49);
    expect(readAnswer(answer(), withFec(OFFER)).video.fecPayloadType).toBeUndefined();
    expect(readAnswer(withFec(answer()), OFFER).video.fecPayloadType).toBeUndefined();
  });

  it('gives the layers of a simulcast if their names can be sent with the packets', () => {
    const layers = (direction: string): string[] => [
      ...['f', 'h'].map((rid) => `a=rid:${rid} ${direction}`),
      `a=simulcast:${direction} f;h`,
    ];
    const extension = 'a=extmap:8 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';
    const offer = OFFER.replace('m=audio', [extension, ...layers('send'), 'm=audio'].join('\r\n'));
    const { video } = readAnswer(answer([...VIDEO, extension, ...layers('recv')]), offer);
    expect(video).toMatchObject({ rids: ['f', 'h'], headerExtensions: { mid: 4, rid: 8 } });
    expect(readAnswer(answer([...VIDEO, ...layers('recv')]), offer).video.rids).toBeUndefined();
    expect(readAnswer(answer([...VIDEO, extension]), offer).video.rids).toBeUndefined();
    expect(readAnswer(answer([...VIDEO, extension, ...layers('recv')]), OFFER).video.rids).toBeUndefined();
  });

  it.each([
    ['20', 20],
    ['40', 40],
    ['2.5', 2],
    ['0.5', 1],
    ['0', undefined],
    ['0.0', undefined],
    ['-20', undefined],
    ['20 ms', undefined],
    ['123456', undefined],
    ['', undefined],
  ])('gives how long a packet of the sound may be: %j', (value, expected) => {
    const audio = [...AUDIO, `a=maxptime:${value}`];
    expect(readAnswer(answer(VIDEO, audio), OFFER).audio?.packetTimeMaxMs).toBe(expected);
  });

  it('does not take the bound of other sections for that of the sound', () => {
    const video = [...VIDEO, 'a=maxptime:20'];
    const accepted = readAnswer(answer(video), OFFER);
    expect(accepted.audio).not.toHaveProperty('packetTimeMaxMs');
    expect(accepted.video).not.toHaveProperty('packetTimeMaxMs');
  });

  it('gives RED of the sound where it was offered and accepted', () => {
    const offerWithRed = OFFER.replace('SAVPF 111', 'SAVPF 111 63').replace(
      'a=rtpmap:111 opus/48000/2',
      '$&\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111',
    );
    const audio = [
      ...edited(AUDIO, 'm=', 'm=audio 9 UDP/TLS/RTP/SAVPF 111 63'),
      'a=rtpmap:63 red/48000/2',
      'a=fmtp:63 111/111',
    ];
    expect(readAnswer(answer(VIDEO, audio), offerWithRed).audio).toMatchObject({
      payloadType: 111,
      redPayloadType: 63,
    });
    expect(readAnswer(answer(), offerWithRed).audio?.redPayloadType).toBeUndefined();
    expect(readAnswer(answer(VIDEO, audio), OFFER).audio?.redPayloadType).toBeUndefined();
  });

  it('does without audio that the viewer refused', () => {
    for (const audio of [
      ['m=audio 0 UDP/TLS/RTP/SAVPF 111', 'a=mid:1'],
      edited(AUDIO, 'a=recvonly', 'a=inactive'),
      without(AUDIO, 'a=rtpmap'),
    ]) {
      expect(readAnswer(answer(VIDEO, audio), OFFER).audio).toBeNull();
    }
  });

  it('takes transport attributes from the session where the section has none', () => {
    const names = ['a=ice-ufrag', 'a=ice-pwd', 'a=fingerprint', 'a=setup'];
    const moved = VIDEO.filter((line) => names.some((name) => line.startsWith(name)));
    const video = VIDEO.filter((line) => !moved.includes(line));
    const text = answer(video).replace('t=0 0\r\n', `t=0 0\r\n${moved.join('\r\n')}\r\n`);
    expect(readAnswer(text, OFFER).transport).toMatchObject({ iceUfrag: 'abcd', setup: 'active' });
  });

  it('keeps the candidates of the answer but no names', () => {
    const candidates = [
      'a=candidate:1 1 udp 2122260223 127.0.0.1 5000 typ host generation 0',
      'a=candidate:2 1 udp 2122260223 4389eea6.local 5001 typ host',
    ];
    expect(readAnswer(answer([...VIDEO, ...candidates]), OFFER).candidates).toEqual([
      'candidate:1 1 udp 2122260223 127.0.0.1 5000 typ host',
    ]);
  });

  it('passes on nothing that the viewer wrote but its transport', () => {
    const text = answer([...VIDEO, 'a=x-strange:payload', 'a=ssrc:1 cname:evil']);
    const accepted = readAnswer(text, OFFER);
    expect(accepted.transport).toEqual({
      iceUfrag: 'abcd',
      icePwd: '0123456789abcdefghijkl',
      setup: 'active',
      fingerprints: [FINGERPRINT],
    });
    expect(JSON.stringify(accepted)).not.toMatch(/strange|evil/);
  });

  it.each([
    ['nothing', ''],
    ['no SDP', 'hello'],
    ['more than 64 KiB', answer() + 'a=x\r\n'.repeat(20_000)],
    ['an offer', answer(edited(VIDEO, 'a=setup', 'a=setup:actpass'))],
    ['no DTLS role', answer(without(VIDEO, 'a=setup'))],
    ['a missing section', answer(VIDEO, [])],
    ['sections in another order', answer(AUDIO, VIDEO)],
    ['another mid', answer(edited(VIDEO, 'a=mid', 'a=mid:7'))],
    ['a broken m-line', answer(edited(VIDEO, 'm=', 'm=video x'))],
    ['no ufrag', answer(without(VIDEO, 'a=ice-ufrag'))],
    ['a short password', answer(edited(VIDEO, 'a=ice-pwd', 'a=ice-pwd:short'))],
    ['no fingerprint', answer(without(VIDEO, 'a=fingerprint'))],
    ['a fingerprint of SHA-1', answer(edited(VIDEO, 'a=fingerprint', 'a=fingerprint:sha-1 AB:CD'))],
    ['a fingerprint cut short', answer(edited(VIDEO, 'a=fingerprint', 'a=fingerprint:sha-256 AB:CD'))],
    ['video refused', answer(edited(VIDEO, 'm=', 'm=video 0 UDP/TLS/RTP/SAVPF 102'))],
    ['video that only sends', answer(edited(VIDEO, 'a=recvonly', 'a=sendonly'))],
    ['no offered codec', answer(without(VIDEO, 'a=rtpmap'))],
    ['no bundle', answer(VIDEO, AUDIO, 'LS 0 1')],
    ['no rtcp-mux', answer(without(VIDEO, 'a=rtcp-mux'))],
    ['a malformed candidate', answer([...VIDEO, 'a=candidate:oops'])],
  ])('refuses %s', (_, text) => {
    expect(refusalOf(text)).toBe('unprocessable');
  });
});
