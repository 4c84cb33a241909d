import { join } from 'node:path';

/**
 * What is loaded only when it is needed, by name: what only those need who control a stream, or who get no UDP, or are sent to a media server, or who hear it, or
 * who want figures, or the state in step with the picture.
 */
export const clientChunks = [
  'input-control',
  'overflow-media',
  'picture-clock',
  'prompt-view',
  'socket-media',
  'sound-buffer',
  'stats-sampler',
];

/** The custom element: it loads the client, as any page does. */
export const clientElement = 'stream-view';

const ENTRY_POINTS = {
  index: 'index.ts',
  'input-control': 'input/input-control.ts',
  'overflow-media': 'media/overflow-media.ts',
  'picture-clock': 'connection/picture-clock.ts',
  'prompt-view': 'input/prompt-view.ts',
  'socket-media': 'media/socket-media.ts',
  'sound-buffer': 'connection/sound-buffer.ts',
  'stats-sampler': 'diagnose/stats-sampler.ts',
  'stream-view': 'stream-view.ts',
};

/**
 * Names of our own that nobody sees from outside, neither as the API nor in a message; written short, and the same in all files,
 * they are a hundredth of what a browser loads.
 */
const INTERNAL_NAMES = [
  ...[
    'acceptCandidate',
    'acceptOffer',
    'createSession',
    'deleteSession',
    'expectConnection',
    'getDiagnostics',
  ],
  ...['isForAnother', 'nextMs', 'offered', 'onAnswer', 'onConnectionStateChange', 'onFailed', 'onGaveUp'],
  ...['onIceCandidate', 'onIceRestartWanted', 'onInputMessage', 'onLost', 'onMedia', 'onOpen', 'onPeerState'],
  ...[
    'onReady',
    'onRestartWanted',
    'onStalled',
    'onTrouble',
    'openEvents',
    'playWithSound',
    'newDocument',
    'postFile',
    'postSignal',
  ],
  ...['restartRefused', 'retryNow', 'setBaseMs', 'setIceServers', 'signalingLost', 'signalingRestored'],
  ...['stateChanged'],
  ...[
    'enqueue',
    'forgetPosition',
    'onActivity',
    'onEvent',
    'onReturn',
    'onRetry',
    'openLink',
    'removed',
    'requestOffer',
  ],
];

// None that anything else has: messages to the page have `x` and `y`.
const SHORT_NAMES = 'abcdefghijklmnopqrstuvwABCDEFGHIJKLMNOPQRSTUVW';

/**
 * How esbuild makes the client: one file with fast-json-patch in it, so that a browser can load it as it is, without a bundler
 * or an import map; and beside it the files of {@link clientChunks}.
 */
export const clientBundle = bundleOf('index');

export function bundleOf(name) {
  return {
    entryPoints: [join(import.meta.dirname, '../src/client', ENTRY_POINTS[name])],
    bundle: true,
    external: [...['index', ...clientChunks].map((chunk) => `./${chunk}.js`), 'livekit-client'],
    minify: true,
    mangleProps: new RegExp(`^(${INTERNAL_NAMES.join('|')})$`),
    mangleCache: Object.fromEntries(INTERNAL_NAMES.map((internal, index) => [internal, SHORT_NAMES[index]])),
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  };
}
