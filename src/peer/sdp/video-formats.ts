import { isVideoCodec, type VideoCodec } from '../../protocol/video-codecs.js';
import type { SdpCodec } from './session-description.js';

/** How a codec stands in SDP. */
interface VideoFormat {
  /** Of `a=rtpmap`. */
  readonly name: string;
  /** What a peer must be able to take, for people. */
  readonly needs: string;
  /** Payload types of our offers: of the pictures, and of their retransmissions. */
  readonly payloadType: number;
  readonly rtxPayloadType: number;
  /** `a=fmtp` of our offers; undefined: none. */
  readonly parameters: string | undefined;
  /** Whether what we send can be received under these parameters. */
  readonly fits: (codec: SdpCodec) => boolean;
  /** Among several formats of a player that fit, the one of the lowest rank is taken. */
  readonly rank: (codec: SdpCodec) => number;
  /** `a=fmtp` of our answer to a player that offers this; undefined: none. */
  readonly answer: (codec: SdpCodec) => string | undefined;
}

/** Constrained baseline is what is sent. Every decoder of a higher profile can decode it (RFC 6184 section 8.1). */
const PROFILE_ORDER = ['42e0', '4200'] as const;
/** Constrained baseline, level 3.1; the encoder may exceed the level where the viewer's answer allows it. */
const DEFAULT_PROFILE_LEVEL_ID = '42e01f';
const VP9_PARAMETERS = 'profile-id=0';
/** Level 3.1; the encoder may exceed it, since decoders of browsers are not limited by it. */
const AV1_PARAMETERS = 'profile=0;level-idx=5;tier=0';
/** Level 5.1, times 30: that of 3840x2160 with 60 pictures per second. */
const MAX_H265_LEVEL_ID = 153;
/** RFC 7798 section 7.1: what is meant without it, which is level 3.1. */
const DEFAULT_H265_LEVEL_ID = 93;

export const VIDEO_FORMATS: Readonly<Record<VideoCodec, VideoFormat>> = {
  h264: {
    name: 'H264',
    needs: 'H.264 (packetization-mode 1)',
    payloadType: 102,
    rtxPayloadType: 103,
    parameters: h264Parameters(DEFAULT_PROFILE_LEVEL_ID),
    // RFC 6184 section 8.1: without it the mode is 0, which knows neither STAP-A nor FU-A.
    fits: ({ parameters }) => parameters.get('packetization-mode') === '1',
    rank: (codec) => {
      const rank = PROFILE_ORDER.findIndex((profile) => profileOf(codec).startsWith(profile));
      return rank < 0 ? PROFILE_ORDER.length : rank;
    },
    answer: (codec) => h264Parameters(profileOf(codec)),
  },
  vp8: {
    name: 'VP8',
    needs: 'VP8',
    payloadType: 96,
    rtxPayloadType: 97,
    parameters: undefined,
    fits: () => true,
    rank: () => 0,
    answer: () => undefined,
  },
  vp9: {
    name: 'VP9',
    needs: 'VP9 (profile-id=0)',
    payloadType: 98,
    rtxPayloadType: 99,
    parameters: VP9_PARAMETERS,
    // RFC 9628 section 6: without it the profile is 0, which is 8 bits and 4:2:0.
    fits: ({ parameters }) => (parameters.get('profile-id') ?? '0') === '0',
    rank: () => 0,
    answer: () => VP9_PARAMETERS,
  },
  av1: {
    name: 'AV1',
    needs: 'AV1 (profile=0)',
    payloadType: 100,
    rtxPayloadType: 101,
    parameters: AV1_PARAMETERS,
    // RTP Payload Format For AV1 section 7.2: without it the profile is 0, which is 8 or 10 bits and 4:2:0.
    fits: ({ parameters }) => (parameters.get('profile') ?? '0') === '0',
    rank: () => 0,
    answer: () => AV1_PARAMETERS,
  },
  h265: {
    name: 'H265',
    needs: 'H.265 (profile-id=1, tier-flag=0, tx-mode=SRST)',
    payloadType: 104,
    rtxPayloadType: 105,
    parameters: h265Parameters(MAX_H265_LEVEL_ID),
    // RFC 7798 section 7.1: without them it is the Main profile, the main tier, and one stream over one transport.
    fits: ({ parameters }) =>
      (parameters.get('profile-space') ?? '0') === '0' &&
      (parameters.get('profile-id') ?? '1') === '1' &&
      (parameters.get('tier-flag') ?? '0') === '0' &&
      (parameters.get('tx-mode') ?? 'SRST').toUpperCase() === 'SRST',
    rank: () => 0,
    // Section 7.2.2: profile and tier are those of the offer, and the level is none above it; the encoder may exceed it.
    answer: ({ parameters }) => {
      const levelId = Number(parameters.get('level-id') ?? DEFAULT_H265_LEVEL_ID);
      const isLevel = Number.isInteger(levelId) && levelId > 0;
      return h265Parameters(Math.min(isLevel ? levelId : DEFAULT_H265_LEVEL_ID, MAX_H265_LEVEL_ID));
    },
  },
};

/** Which codec of ours a format is, if what we send can be received by it. */
export function sendableCodec(format: SdpCodec): VideoCodec | undefined {
  // SDP names are read in lower case, as ours are.
  const { name, clockRateHz } = format;
  return clockRateHz === 90_000 && isVideoCodec(name) && VIDEO_FORMATS[name].fits(format) ? name : undefined;
}

function h264Parameters(profileLevelId: string): string {
  return `profile-level-id=${profileLevelId};packetization-mode=1;level-asymmetry-allowed=1`;
}

function h265Parameters(levelId: number): string {
  return `level-id=${levelId};profile-id=1;tier-flag=0;tx-mode=SRST`;
}

function profileOf({ parameters }: SdpCodec): string {
  const value = parameters.get('profile-level-id')?.toLowerCase() ?? '';
  return /^[0-9a-f]{6}$/.test(value) ? value : DEFAULT_PROFILE_LEVEL_ID;
}
