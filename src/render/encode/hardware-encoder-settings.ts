import {
  AV_HWDEVICE_TYPE_QSV,
  AV_HWDEVICE_TYPE_VAAPI,
  AV_PIX_FMT_NV12,
  AV_PIX_FMT_VAAPI,
  AV_PIX_FMT_YUV420P,
} from 'node-av/constants';

import type { LibavEncoderSettings } from './libav-encoder-settings.js';

const NVENC_OPTIONS = {
  // p1 to p4 are the presets without a second pass; p2 is where more quality begins to cost latency.
  preset: 'p2',
  tune: 'ull',
  rc: 'cbr',
  // No reordering, and no picture held back in the queue between driver and caller.
  zerolatency: 1,
  delay: 0,
  'rc-lookahead': 0,
  multipass: 'disabled',
  b_ref_mode: 'disabled',
  'forced-idr': 1,
  // A scene cut would put a keyframe where nobody asked for one.
  'no-scenecut': 1,
} as const;

const NVENC = {
  inputs: [AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P],
  matrices: ['bt601', 'bt709'],
  dynamicBitrate: true,
  deviceOption: 'gpu',
} as const;

const VAAPI = {
  inputs: [AV_PIX_FMT_NV12],
  matrices: ['bt601', 'bt709'],
  // libavcodec/vaapi_encode.c reads the rate when it opens the encoder.
  dynamicBitrate: false,
  device: { type: AV_HWDEVICE_TYPE_VAAPI, surface: AV_PIX_FMT_VAAPI },
  // Newer Intel hardware has no encoder but the low-power one, older has no low-power one for every codec.
  variants: [{ low_power: 0 }, { low_power: 1 }],
} as const;

const QSV = {
  inputs: [AV_PIX_FMT_NV12],
  matrices: ['bt601', 'bt709'],
  device: { type: AV_HWDEVICE_TYPE_QSV, pathOption: 'child_device' },
} as const;

/** Encoders of graphics hardware. Bit rate and buffer are set on the codec itself, the same way for all. */
export const HARDWARE_ENCODERS = {
  h264_nvenc: {
    codec: 'h264',
    options: { ...NVENC_OPTIONS, profile: 'baseline' },
    ...NVENC,
  },
  h264_vaapi: {
    codec: 'h264',
    options: {
      rc_mode: 'CBR',
      async_depth: 1,
      // Every I picture is an IDR picture.
      idr_interval: 0,
      profile: 'constrained_baseline',
      coder: 'cavlc',
      // Timing and identifier say nothing that RTP does not.
      sei: 0,
    },
    ...VAAPI,
  },
  vp8_vaapi: {
    codec: 'vp8',
    options: { rc_mode: 'CBR', async_depth: 1, idr_interval: 0 },
    ...VAAPI,
    // RFC 6386 section 9.2 knows BT.601 alone.
    matrices: ['bt601'],
  },
  vp9_vaapi: {
    codec: 'vp9',
    options: { rc_mode: 'CBR', async_depth: 1, idr_interval: 0 },
    ...VAAPI,
  },
  vp9_qsv: {
    codec: 'vp9',
    options: { preset: 'veryfast', async_depth: 1, forced_idr: 1, profile: 'profile0' },
    ...QSV,
    // libavcodec/qsvenc.c takes another rate while it runs for H.264 and HEVC.
    dynamicBitrate: false,
  },
  av1_nvenc: {
    codec: 'av1',
    options: NVENC_OPTIONS,
    ...NVENC,
  },
  av1_vaapi: {
    codec: 'av1',
    options: { rc_mode: 'CBR', async_depth: 1, idr_interval: 0, profile: 'main' },
    ...VAAPI,
  },
  av1_qsv: {
    codec: 'av1',
    options: {
      preset: 'veryfast',
      async_depth: 1,
      low_delay_brc: 1,
      forced_idr: 1,
      look_ahead_depth: 0,
      profile: 'main',
    },
    ...QSV,
    dynamicBitrate: false,
  },
  hevc_nvenc: {
    codec: 'h265',
    options: { ...NVENC_OPTIONS, profile: 'main', tier: 'main' },
    ...NVENC,
  },
  hevc_vaapi: {
    codec: 'h265',
    options: { rc_mode: 'CBR', async_depth: 1, idr_interval: 0, profile: 'main', tier: 'main', sei: 0 },
    ...VAAPI,
  },
  hevc_qsv: {
    codec: 'h265',
    options: {
      preset: 'veryfast',
      scenario: 'displayremoting',
      async_depth: 1,
      low_delay_brc: 1,
      forced_idr: 1,
      look_ahead_depth: 0,
      adaptive_i: 0,
      adaptive_b: 0,
      b_strategy: 0,
      profile: 'main',
      tier: 'main',
      recovery_point_sei: 0,
      pic_timing_sei: 0,
    },
    ...QSV,
    dynamicBitrate: true,
  },
  h264_qsv: {
    codec: 'h264',
    options: {
      preset: 'veryfast',
      scenario: 'displayremoting',
      async_depth: 1,
      low_delay_brc: 1,
      forced_idr: 1,
      look_ahead: 0,
      adaptive_i: 0,
      adaptive_b: 0,
      b_strategy: 0,
      profile: 'baseline',
      recovery_point_sei: 0,
      pic_timing_sei: 0,
    },
    ...QSV,
    dynamicBitrate: true,
  },
} as const satisfies Readonly<Record<string, LibavEncoderSettings>>;
