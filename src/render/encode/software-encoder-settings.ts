import { AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P } from 'node-av/constants';

import type { LibavEncoderSettings } from './libav-encoder-settings.js';

/** Encoders that run on the CPU. Bit rate and buffer are set on the codec itself, the same way for all. */
export const SOFTWARE_ENCODERS = {
  libx264: {
    codec: 'h264',
    options: {
      // On two cores without a GPU, 720p: 8 ms from raw picture to packet at the median against 12 ms of superfast.
      preset: 'ultrafast',
      tune: 'zerolatency',
      // x264 clears the tools that constrained baseline lacks, and signals it (constraint_set1).
      profile: 'baseline',
      'forced-idr': 1,
      // Nobody sees a difference below it: at rest the rate control would go down to 2 and spend the whole bit rate.
      qmin: 16,
      // A scene cut would put a keyframe where nobody asked for one.
      'x264-params': 'scenecut=0',
    },
    inputs: [AV_PIX_FMT_YUV420P, AV_PIX_FMT_NV12],
    matrices: ['bt601', 'bt709'],
    dynamicBitrate: true,
    countsPictures: true,
  },
  libvpx: {
    codec: 'vp8',
    options: {
      deadline: 'realtime',
      // Scrolling text at 720p: SSIM 0.996 in 13 ms of CPU; -8 takes as long, gives 0.939 and goes over its bit rate.
      'cpu-used': -5,
      'lag-in-frames': 0,
      'auto-alt-ref': 0,
      'static-thresh': 1,
      'undershoot-pct': 100,
      'overshoot-pct': 15,
      qmin: 4,
      qmax: 56,
    },
    inputs: [AV_PIX_FMT_YUV420P],
    // RFC 6386 section 9.2 knows BT.601 alone.
    matrices: ['bt601'],
    dynamicBitrate: false,
    // Its threads wait for each other by turning round: with a browser on the same cores a picture of 1080p took 160 ms of
    // CPU time in two threads, against 22 ms in one.
    maxThreads: 1,
  },
  'libvpx-vp9': {
    codec: 'vp9',
    options: {
      deadline: 'realtime',
      // At 720p, 5 takes twice the CPU for WebGL and film (36 ms per picture), for an SSIM that is 0.001 higher.
      'cpu-used': 7,
      'lag-in-frames': 0,
      'auto-alt-ref': 0,
      'row-mt': 1,
      'tile-columns': 2,
      'undershoot-pct': 50,
      'overshoot-pct': 50,
      // Without it a cursor that blinks on a page at rest costs half as much again.
      'aq-mode': 3,
      qmin: 4,
      qmax: 56,
    },
    inputs: [AV_PIX_FMT_YUV420P],
    matrices: ['bt601', 'bt709'],
    // FFmpeg hands libvpx its rate only when it opens it.
    dynamicBitrate: false,
  },
  libsvtav1: {
    codec: 'av1',
    options: {
      preset: 10,
      // Low delay: each picture comes out before the next one is needed. Screen-content tools where a picture looks like it.
      // Text that scrolls, 640x360 at 1 Mbit/s: SSIM 0.9997; with rtc=1, which takes a third less CPU, 0.93 at twice the rate.
      'svtav1-params': 'pred-struct=1:lookahead=0:scm=2:lp=1',
    },
    inputs: [AV_PIX_FMT_YUV420P],
    matrices: ['bt601', 'bt709'],
    // FFmpeg hands SVT-AV1 its rate only when it opens it.
    dynamicBitrate: false,
    countsPictures: true,
    // Its threads are counted by `lp`.
    maxThreads: 1,
    takesRealTimePolicy: true,
  },
  libx265: {
    codec: 'h265',
    options: {
      preset: 'ultrafast',
      tune: 'zerolatency',
      profile: 'main',
      'forced-idr': 1,
      // At a constant quality below the bit rate, a page at rest costs next to nothing. Text needs the small blocks that ultrafast leaves out: one
      // that scrolls, 640x360 at 1 Mbit/s, has an SSIM of 0.990 instead of 0.960. A keyframe may take the whole buffer.
      // In one thread: rows that are encoded at once share the buffer by who is first, and a page at rest whose cursor blinks costs 4 to 65 kbit/s by
      // chance. A picture of 720p took as long with them, on two cores.
      'x265-params':
        'crf=18:min-cu-size=8:vbv-init=1:pools=none:scenecut=0:high-tier=0:info=0:log-level=none',
    },
    inputs: [AV_PIX_FMT_YUV420P],
    matrices: ['bt601', 'bt709'],
    // FFmpeg hands x265 its rate only when it opens it.
    dynamicBitrate: false,
    countsPictures: true,
    // FFmpeg gives their number to x265 as that of pictures that are encoded at once: each holds the output back by one picture.
    maxThreads: 1,
  },
} as const satisfies Readonly<Record<string, LibavEncoderSettings>>;
