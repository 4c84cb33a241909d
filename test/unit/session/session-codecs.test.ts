import { describe, expect, it } from 'vitest';

import { codecsAmong, codecsToOffer, parseRenderOptions } from '../../../src/session/render-options.js';
import { VIDEO_CODECS, type VideoCodec } from '../../../src/protocol/video-codecs.js';
import { codeOf, liveSession } from '../../helpers/session-harness.js';

const defaults = { viewport: { width: 640, height: 360 }, maxBitrateBps: undefined };

function optionsOf(
  videoCodec: 'auto' | VideoCodec,
  videoCodecs?: readonly VideoCodec[],
): ReturnType<typeof parseRenderOptions> {
  return parseRenderOptions({ videoCodec }, { ...defaults, ...(videoCodecs && { videoCodecs }) });
}

describe('the codecs of a session', () => {
  it('are H.264 and VP8 by default: no viewer starts an encoder of another one', async () => {
    const session = optionsOf('auto');
    expect(codecsToOffer(session, undefined)).toEqual(['h264', 'vp8']);
    expect(codecsToOffer(session, 'vp8')).toEqual(['vp8']);
    expect(codecsAmong(session, VIDEO_CODECS)).toEqual(['h264', 'vp8']);
    for (const asked of ['vp9', 'av1', 'h265'] as const) {
      expect(await codeOf(() => codecsToOffer(session, asked))).toBe('conflict');
      expect(await codeOf(() => codecsAmong(session, [asked]))).toBe('conflict');
    }
  });

  it('are refused to the viewer of a session that runs, and to its recorder', async () => {
    const harness = await liveSession();
    expect(await codeOf(() => harness.watch({ videoCodec: 'av1' }))).toBe('conflict');
    expect(
      await codeOf(() => harness.session.openPackets(['av1'], { write: () => undefined } as never)),
    ).toBe('conflict');
    expect(harness.parts.peers).toEqual([]);
    expect(harness.parts.events).toEqual([]);
  });

  it('are those that the server permits, of which viewers who ask for none get the usual ones', () => {
    const session = optionsOf('auto', ['vp8', 'av1']);
    expect(codecsToOffer(session, undefined)).toEqual(['vp8']);
    expect(codecsToOffer(session, 'av1')).toEqual(['av1']);
    expect(codecsAmong(session, VIDEO_CODECS)).toEqual(['vp8', 'av1']);
    expect(codecsToOffer(optionsOf('auto', ['vp9', 'av1']), undefined)).toEqual(['vp9', 'av1']);
  });

  it('are the one that was asked for where the session is created, whatever the server permits', async () => {
    const harness = await liveSession({ videoCodec: 'av1' });
    harness.watch();
    harness.peer().connect();
    expect(harness.parts.events).toContain('video start av1 4000000');
    expect(harness.session.state.metadata.video?.codec).toBe('av1');
    expect(await codeOf(() => harness.watch({ videoCodec: 'h264' }))).toBe('conflict');
  });
});
