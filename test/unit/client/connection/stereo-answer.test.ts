import { describe, expect, it } from 'vitest';
import { preferStereo } from '../../../../src/client/connection/stereo-answer.js';

const OFFER = 'a=rtpmap:96 opus/48000/2\r\na=fmtp:96 minptime=10;sprop-stereo=1\r\n';

describe('preferStereo', () => {
  it('adds stereo to the Opus parameters of the answer', () => {
    const answer = 'a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=mid:1\r\n';
    expect(preferStereo(answer, OFFER)).toBe(
      'a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1;stereo=1\r\na=mid:1\r\n',
    );
  });

  it('adds the parameters where there are none', () => {
    expect(preferStereo('a=rtpmap:111 opus/48000/2\r\na=mid:1\r\n', OFFER)).toBe(
      'a=rtpmap:111 opus/48000/2\r\na=fmtp:111 stereo=1\r\na=mid:1\r\n',
    );
  });

  it('leaves an answer that has it, and one to a mono offer', () => {
    const stereo = 'a=rtpmap:111 opus/48000/2\r\na=fmtp:111 stereo=1\r\n';
    expect(preferStereo(stereo, OFFER)).toBe(stereo);
    const mono = 'a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n';
    expect(preferStereo(mono, mono)).toBe(mono);
  });
});
