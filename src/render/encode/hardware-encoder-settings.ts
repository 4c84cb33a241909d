import {
  AV_HWDEVICE_TYPE_QSV,
  AV_HWDEVICE_TYPE_VAAPI,
  AV_PIX_FMT_NV12,
  AV_PIX_FMT_VAAPI,
  AV_PIX_FMT_YUV420P,
} from 'node-av/constants';

import type { LibavEncoderSettings } from './libav-encoder-settings.js';

/** Newer Intel hardware has no encoder but the low-power one, older has no low-power one for every codec. */
const VAAPI_VARIANTS = [{ low_power: 0 }, { low_power: 1 }] as const;

/** Encoders of graphics hardware. Bit rate and buffer are set on the codec itself, the same way for all. */
export const HARDWARE_ENCODERS = {
  h264_nvenc: {
    codec: 'h264',
    options: {
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
      profile: 'baseline',
    },
    inputs: [AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: true,
    deviceOption: 'gpu',
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
    inputs: [AV_PIX_FMT_NV12],
    matrices: ['bt601', 'bt709'],
    // libavcodec/vaapi_encode.c reads the rate when it opens the encoder.
    dynamicBitrate: false,
    device: { type: AV_HWDEVICE_TYPE_VAAPI, surface: AV_PIX_FMT_VAAPI },
    variants: VAAPI_VARIANTS,
  },
  vp8_vaapi: {
    codec: 'vp8',
    options: { rc_mode: 'CBR', async_depth: 1, idr_interval: 0 },
    inputs: [AV_PIX_FMT_NV12],
    // RFC 6386 section 9.2 knows BT.601 alone.
    matrices: ['bt601'],
    dynamicBitrate: false,
    device: { type: AV_HWDEVICE_TYPE_VAAPI, surface: AV_PIX_FMT_VAAPI },
    variants: VAAPI_VARIANTS,
  },
  vp9_vaapi: {
    codec: 'vp9',
    options: { rc_mode: 'CBR', async_depth: 1, idr_interval: 0 },
    inputs: [AV_PIX_FMT_NV12],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: false,
    device: { type: AV_HWDEVICE_TYPE_VAAPI, surface: AV_PIX_FMT_VAAPI },
    variants: VAAPI_VARIANTS,
  },
  vp9_qsv: {
    codec: 'vp9',
    options: { preset: 'veryfast', async_depth: 1, forced_idr: 1, profile: 'profile0' },
    inputs: [AV_PIX_FMT_NV12],
    matrices: ['bt601', 'bt709'],
    // libavcodec/qsvenc.c takes another rate while it runs for H.264 and HEVC.
    dynamicBitrate: false,
    device: { type: AV_HWDEVICE_TYPE_QSV, pathOption: 'child_device' },
  },
  av1_nvenc: {
    codec: 'av1',
    options: {
      ...{ preset: 'p2', tune: 'ull', rc: 'cbr', zerolatency: 1, delay: 0, 'rc-lookahead': 0 },
      ...{ multipass: 'disabled', b_ref_mode: 'disabled', 'forced-idr': 1, 'no-scenecut': 1 },
    },
    inputs: [AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: true,
    deviceOption: 'gpu',
  },
  av1_vaapi: {
    codec: 'av1',
    options: { rc_mode: 'CBR', async_depth: 1, idr_interval: 0, profile: 'main' },
    inputs: [AV_PIX_FMT_NV12],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: false,
    device: { type: AV_HWDEVICE_TYPE_VAAPI, surface: AV_PIX_FMT_VAAPI },
    variants: VAAPI_VARIANTS,
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
    inputs: [AV_PIX_FMT_NV12],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: false,
    device: { type: AV_HWDEVICE_TYPE_QSV, pathOption: 'child_device' },
  },
  hevc_nvenc: {
    codec: 'h265',
    options: {
      ...{ preset: 'p2', tune: 'ull', rc: 'cbr', zerolatency: 1, delay: 0, 'rc-lookahead': 0 },
      ...{ multipass: 'disabled', b_ref_mode: 'disabled', 'forced-idr': 1, 'no-scenecut': 1 },
      ...{ profile: 'main', tier: 'main' },
    },
    inputs: [AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: true,
    deviceOption: 'gpu',
  },
  hevc_vaapi: {
    codec: 'h265',
    options: { rc_mode: 'CBR', async_depth: 1, idr_interval: 0, profile: 'main', tier: 'main', sei: 0 },
    inputs: [AV_PIX_FMT_NV12],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: false,
    device: { type: AV_HWDEVICE_TYPE_VAAPI, surface: AV_PIX_FMT_VAAPI },
    variants: VAAPI_VARIANTS,
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
    inputs: [AV_PIX_FMT_NV12],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: true,
    device: { type: AV_HWDEVICE_TYPE_QSV, pathOption: 'child_device' },
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
    inputs: [AV_PIX_FMT_NV12],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: true,
    device: { type: AV_HWDEVICE_TYPE_QSV, pathOption: 'child_device' },
  },
} as const satisfies Readonly<Record<string, LibavEncoderSettings>>;
