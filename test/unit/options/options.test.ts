import { describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import type { ResolvedIceServerEntry } from '../../../src/options/ice-server-options.js';
import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import { byCodec } from '../../../src/protocol/video-codecs.js';
import { resolveOptions } from '../../../src/options/stream-kit-options.js';

function refusal(options: unknown): string {
  try {
    resolveOptions(options as StreamKitOptions);
  } catch (error) {
    if (error instanceof StreamKitError && error.code === 'bad_option') return error.message;
    throw error;
  }
  throw new Error('The options were accepted');
}

const path = 'path that begins with a slash';
const BAD_OPTIONS: readonly [options: unknown, sentence: string][] = [
  [null, 'Expected object for options but received null'],
  [{ videoCodecs: [] }, 'Expected list of one codec at least for videoCodecs but received an array'],
  [{ frameRat: 1 }, 'Unknown option "frameRat" in options'],
  [{ basePath: 'stream' }, `Expected ${path} for basePath but received 'stream' of type string`],
  [{ basePath: '/a//b' }, `Expected ${path} for basePath but received '/a//b' of type string`],
  [{ puppeteerLaunchOptions: [] }, 'Expected object for puppeteerLaunchOptions but received an array'],
  [
    { puppeteerLaunchOptions: { pipe: false } },
    'Expected true or nothing for puppeteerLaunchOptions.pipe but received false of type boolean',
  ],
  [
    { puppeteerLaunchOptions: { userDataDir: '/home/me' } },
    'Expected no puppeteerLaunchOptions.userDataDir because each session has a profile of its own',
  ],
  [
    { puppeteerLaunchOptions: { browser: 'firefox' } },
    "Expected one of chrome for puppeteerLaunchOptions.browser but received 'firefox' of type string",
  ],
  [
    { puppeteerLaunchOptions: { args: '--no-sandbox' } },
    "Expected array for puppeteerLaunchOptions.args but received '--no-sandbox' of type string",
  ],
  [
    { puppeteerLaunchOptions: { args: [1] } },
    'Expected string for puppeteerLaunchOptions.args[0] but received 1 of type number',
  ],
  [
    { defaultViewport: { width: 1281, height: 720 } },
    'Expected even integer between 64 and 3840 for defaultViewport.width but received 1281 of type number',
  ],
  [
    { defaultViewport: { width: 1280, height: 2162 } },
    'Expected even integer between 64 and 2160 for defaultViewport.height but received 2162 of type number',
  ],
  [
    { defaultViewport: { width: 1280 } },
    'Expected even integer between 64 and 2160 for defaultViewport.height but received undefined',
  ],
  [{ defaultViewport: { width: 64, height: 64, depth: 3 } }, 'Unknown option "depth" in defaultViewport'],
  [
    { pool: { size: 1, preload: new Array(11).fill('https://a.example/') } },
    'Expected array of at most 10 URLs for pool.preload but received an array',
  ],
  [
    { pool: { size: 1, preload: ['file:///etc/passwd'] } },
    "Expected http or https URL for pool.preload[0] but received 'file:///etc/passwd' of type string",
  ],
  [
    { pool: { size: 1, preload: ['https://a.example/', 'https://me:secret@a.example/'] } },
    'Expected a URL without credentials for pool.preload[1]',
  ],
  [{ getEnv: {} }, 'Expected function for getEnv but received an object'],
  [{ validateRequest: true }, 'Expected function for validateRequest but received true of type boolean'],
  [
    { stateUpdateInterval: 0 },
    'Expected integer between 10 and 60000 for stateUpdateInterval but received 0 of type number',
  ],
  [
    { sessionTimeout: Infinity },
    'Expected integer between 1 and 2147483647 for sessionTimeout but received Infinity of type number',
  ],
  [
    { encoder: 'x264' },
    "Expected one of auto, h264_nvenc, h264_vaapi, h264_qsv, libx264, vp8_vaapi, libvpx, vp9_vaapi, vp9_qsv, libvpx-vp9, av1_nvenc, av1_vaapi, av1_qsv, libsvtav1, hevc_nvenc, hevc_vaapi, hevc_qsv, libx265 for encoder but received 'x264' of type string",
  ],
  [
    { encoder: { vp8: 'libx264' } },
    "Expected one of auto, vp8_vaapi, libvpx for encoder.vp8 but received 'libx264' of type string",
  ],
  [{ encoder: { hevc: 'auto' } }, 'Unknown option "hevc" in encoder'],
  [
    { encoderDevice: 'card0' },
    "Expected path of a device or number of a GPU for encoderDevice but received 'card0' of type string",
  ],
  [{ ffmpegPath: 'ffmpeg' }, "Expected absolute path for ffmpegPath but received 'ffmpeg' of type string"],
  [
    { encoder: { h264: 'h264_v4l2m2m' } },
    "Expected one of auto, h264_nvenc, h264_vaapi, h264_qsv, libx264 for encoder.h264 but received 'h264_v4l2m2m' of type string",
  ],
  [{ onError: 'log' }, "Expected function for onError but received 'log' of type string"],
  [
    { capture: 'window' },
    "Expected one of auto, tab, screencast for capture but received 'window' of type string",
  ],
  [{ maxSessions: 0 }, 'Expected integer between 1 and 1000 for maxSessions but received 0 of type number'],
  [
    { maxViewersPerSession: 1.5 },
    'Expected integer between 1 and 10000 for maxViewersPerSession but received 1.5 of type number',
  ],
  [
    { pauseGraceMs: -1 },
    'Expected integer between 0 and 2147483647 for pauseGraceMs but received -1 of type number',
  ],
  [
    { viewerReattachMs: '15000' },
    "Expected integer between 0 and 2147483647 for viewerReattachMs but received '15000' of type string",
  ],
  [
    { mediaPlane: 'janus' },
    "Expected one of auto, native, werift for mediaPlane but received 'janus' of type string",
  ],
  [{ udpPort: 65_536 }, 'Expected integer between 0 and 65535 for udpPort but received 65536 of type number'],
  [
    { mediaPlane: 'werift', udpPort: 5000 },
    'Expected no udpPort because with mediaPlane werift each viewer has a UDP port of its own',
  ],
  [{ tcpPort: 0 }, 'Expected integer between 1 and 65535 for tcpPort but received 0 of type number'],
  [
    { mediaPlane: 'werift', tcpPort: 5000 },
    'Expected no tcpPort because with mediaPlane werift media goes over UDP alone',
  ],
  [{ mediaThreads: 17 }, 'Expected integer between 1 and 16 for mediaThreads but received 17 of type number'],
  [{ maxRungs: 4 }, 'Expected integer between 1 and 3 for maxRungs but received 4 of type number'],
  [{ replayOnJoin: 1 }, 'Expected boolean for replayOnJoin but received 1 of type number'],
  [{ iceServers: {} }, 'Expected array or function for iceServers but received an object'],
  [
    { iceServers: [{ urls: 'http://example.org' }] },
    "Expected stun: or turn: URL for iceServers[0].urls but received 'http://example.org' of type string",
  ],
  [
    { iceServers: [{ urls: ['stun:a', 1] }] },
    'Expected stun: or turn: URL for iceServers[0].urls[1] but received 1 of type number',
  ],
  [
    { iceServers: [{ urls: 'turn:a', username: 1 }] },
    'Expected string for iceServers[0].username but received 1 of type number',
  ],
  [
    { iceServers: [{ urls: 'turn:a', credential: 1234 }] },
    'Expected string for iceServers[0].credential but received type number',
  ],
  [
    { iceServers: [{ urls: 'turn:a', turnRest: { secret: 12345 } }] },
    'Expected string or Uint8Array that is not empty for iceServers[0].turnRest.secret but received type number',
  ],
  [
    { iceServers: [{ urls: 'turn:a', turnRest: { secret: 's', lifetimeSeconds: 1 } }] },
    'Expected integer between 60 and 2592000 for iceServers[0].turnRest.lifetimeSeconds but received 1 of type number',
  ],
  [
    { iceServers: [{ urls: 'turn:a', username: 'u', turnRest: { secret: 's' } }] },
    'Expected no iceServers[0].username and iceServers[0].credential beside iceServers[0].turnRest, which makes them',
  ],
  [
    { iceServers: [{ urls: 'turn:a', usedBy: 'me' }] },
    "Expected one of both, server, viewers for iceServers[0].usedBy but received 'me' of type string",
  ],
  [
    { listenAddress: '127.0.0.1', announcedAddresses: ['2001:db8::1'] },
    'Expected an address of the family of listenAddress, which they stand for, in announcedAddresses',
  ],
  [
    { listenAddress: 'localhost' },
    "Expected IP address for listenAddress but received 'localhost' of type string",
  ],
  [
    { announcedAddresses: ['::1', '300.0.0.1'] },
    "Expected IP address for announcedAddresses[1] but received '300.0.0.1' of type string",
  ],
  [{ logger: { info: () => 0 } }, 'Expected function for logger.debug but received undefined'],
  [
    { launchTimeoutMs: NaN },
    'Expected integer between 100 and 600000 for launchTimeoutMs but received NaN of type number',
  ],
  [
    { maxBitrateBps: 1 },
    'Expected integer between 100000 and 100000000 for maxBitrateBps but received 1 of type number',
  ],
  [{ recording: true }, 'Expected object for recording but received true of type boolean'],
  [{ recording: {} }, 'Expected path of a directory for recording.directory but received undefined'],
  [{ recording: { directory: '/r', size: 1 } }, 'Unknown option "size" in recording'],
  [
    { recording: { directory: '/r', maxBytes: 1000 } },
    'Expected integer between 1048576 and 9007199254740991 for recording.maxBytes but received 1000 of type number',
  ],
  [{ hls: 1 }, 'Expected object for hls but received 1 of type number'],
  [
    { hls: { segmentMs: 100 } },
    'Expected integer between 1000 and 10000 for hls.segmentMs but received 100 of type number',
  ],
];

describe('options', () => {
  it.each(BAD_OPTIONS)('refuses %j with one sentence', (options, sentence) => {
    expect(refusal(options)).toBe(sentence);
  });

  it('shortens what it shows of a long value', () => {
    expect(refusal({ basePath: 'x'.repeat(10_000) }).length).toBeLessThan(200);
  });

  it('fills in the defaults', () => {
    expect(resolveOptions()).toMatchObject({
      basePath: '',
      puppeteerLaunchOptions: {},
      defaultViewport: { width: 1920, height: 1080 },
      stateUpdateInterval: 100,
      sessionTimeout: 300_000,
      capture: 'auto',
      maxSessions: 'auto',
      maxViewersPerSession: 100,
      pauseGraceMs: 5000,
      viewerReattachMs: 15_000,
      iceServers: [],
      listenAddress: undefined,
      announcedAddresses: [],
      mediaPlane: 'auto',
      udpPort: 0,
      tcpPort: undefined,
      mediaThreads: 'auto',
      replayOnJoin: false,
      maxRungs: 'auto',
      lipSync: { holdsPictures: true, toleranceMs: 80 },
      soundDtx: false,
      launchTimeoutMs: 30_000,
      maxBitrateBps: undefined,
      recording: undefined,
      hls: undefined,
    });
    const { recording, hls } = resolveOptions({ recording: { directory: '/r' }, hls: true });
    expect(recording).toEqual({
      directory: '/r',
      maxBytes: 4 * 1024 ** 3,
      maxTotalBytes: 20 * 1024 ** 3,
      maxRecordings: 4,
      maxDurationMs: 14_400_000,
      keyframeIntervalMs: 5000,
    });
    expect(hls).toEqual({ segmentMs: 2000, windowSegments: 6, idleMs: 30_000 });
    expect(resolveOptions({ hls: false }).hls).toBeUndefined();
  });

  it('takes an option that is undefined for one that is left out', () => {
    const options = { basePath: undefined, maxSessions: undefined } as unknown as StreamKitOptions;
    expect(resolveOptions(options)).toEqual(resolveOptions());
  });

  it('brings the base path into one form', () => {
    expect(resolveOptions({ basePath: '/' }).basePath).toBe('');
    expect(resolveOptions({ basePath: '/a/b/' }).basePath).toBe('/a/b');
  });

  it('is frozen and independent of what was handed in', () => {
    const viewport = { width: 640, height: 480 };
    const options = resolveOptions({ defaultViewport: viewport, iceServers: [{ urls: 'stun:a' }] });
    const iceServers = options.iceServers as readonly ResolvedIceServerEntry[];
    viewport.width = 1;
    expect(options.defaultViewport).toEqual({ width: 640, height: 480 });
    for (const part of [
      options,
      options.defaultViewport,
      iceServers,
      iceServers[0],
      options.puppeteerLaunchOptions,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('the name of an encoder stands for its codec and leaves the other alone', () => {
    const auto = byCodec(() => 'auto');
    expect(resolveOptions({ encoder: 'h264_vaapi' }).encoder).toEqual({ ...auto, h264: 'h264_vaapi' });
    expect(resolveOptions({ encoder: 'libvpx' }).encoder).toEqual({ ...auto, vp8: 'libvpx' });
    expect(resolveOptions({ encoder: 'libvpx-vp9' }).encoder).toEqual({ ...auto, vp9: 'libvpx-vp9' });
    const other = { ffmpegPath: '/opt/ffmpeg', encoder: { h264: 'h264_v4l2m2m' } };
    expect(resolveOptions(other).encoder).toEqual({ ...auto, h264: 'h264_v4l2m2m' });
    expect(resolveOptions({ encoder: { h264: 'libx264' } }).encoder).toEqual({ ...auto, h264: 'libx264' });
  });
});
