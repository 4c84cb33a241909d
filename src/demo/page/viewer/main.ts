import {
  connectStream,
  type ConnectStreamOptions,
  type ConnectionStatus,
  type StreamConnection,
  type StreamError,
} from '@open-game-system/stream-kit-server/client';

import { VIDEO_CODEC_NAMES, VIDEO_CODECS } from '../../../protocol/video-codecs.js';
import type { VideoCodecChoice } from '../../../protocol/session-requests.js';
import { demoOffers } from '../demo-offers.js';
import { ControlView } from './control-view.js';
import { DiagnosisView } from './diagnosis-view.js';
import { DownloadList } from './download-list.js';
import { any, button, element, input, select, svg } from './elements.js';
import { closedText, errorText, type ErrorText } from './error-text.js';
import { MetricsView } from './metrics-view.js';
import { PlayerControls } from './player-controls.js';
import { ScreenGamepad } from './screen-gamepad.js';
import { StateView } from './state-view.js';
import { TabStrip } from './tab-strip.js';
import { targetUrlOf } from './target-url.js';
import { Trackpad } from './trackpad.js';

type Tone = 'idle' | 'busy' | 'live' | 'bad';

const ROUTER_URL = '/stream';
const TOAST_MS = 2500;
const HUES = [140, 160, 185, 205, 230] as const;

const controls = new PlayerControls();
const control = new ControlView(controls.video, toast);
const tabStrip = new TabStrip();
const downloads = new DownloadList(ROUTER_URL);
const gamepad = new ScreenGamepad();
const trackpad = new Trackpad(controls.video);
const metrics = new MetricsView(any('metrics'));
const diagnosis = new DiagnosisView({
  latency: any('latency'),
  total: any('latency-total'),
  curve: svg('latency-curve'),
  findings: any('findings'),
});
const stateView = new StateView(any('state'), any('patches'));
const startForm = element('start', HTMLFormElement);
let connection: StreamConnection | undefined;
let lastError: StreamError | undefined;
let hasPicture = false;
let pulseSentMs = 0;
let toastTimer: ReturnType<typeof setTimeout> | undefined;

/** The demo scene, another one each time. */
function scene(frameRate: number): { targetUrl: string; initialData: object } {
  return {
    targetUrl: new URL('/scene/', location.origin).href,
    initialData: {
      title: 'Northern Lights',
      seed: Math.floor(Math.random() * 10_000),
      hue: HUES[Math.floor(Math.random() * HUES.length)] ?? HUES[0],
      frameRate,
    },
  };
}

/** What a click on Start asks for. */
function creation(): ConnectStreamOptions {
  const address = targetUrlOf(input('address').value);
  const resolution = select('size').value;
  const frameRate = Number(select('frame-rate').value);
  const videoCodec = select('codec').value as VideoCodecChoice;
  return {
    url: ROUTER_URL,
    create: {
      ...(address === undefined ? scene(frameRate) : { targetUrl: address }),
      renderOptions: { resolution, frameRate, videoCodec, touch: select('pointer').value === 'touch' },
    },
  };
}

function connect(options: ConnectStreamOptions): void {
  lastError = undefined;
  hasPicture = false;
  stateView.reset();
  startForm.hidden = true;
  any('controls').hidden = false;
  const stream = connectStream({ ...options, video: controls.video });
  connection = stream;
  showStatus();
  showOverlays();
  stream.on('session', ({ streamId }) => showSession(streamId));
  stream.on('status', showStatus);
  stream.on('sessionStatus', showStatus);
  stream.on('peerState', showStatus);
  stream.on('media', () => {
    hasPicture = false;
    showStatus();
  });
  stream.on('autoplayBlocked', () => controls.offerSound());
  stream.on('state', (change) => {
    stateView.show(change);
    const viewers = change.state.metadata.viewers;
    any('viewers').textContent = viewers === 1 ? '1 viewer' : `${viewers} viewers`;
  });
  stream.on('message', takeMessage);
  stream.on('error', (error) => {
    lastError = error;
    showStatus();
  });
  stream.on('closed', ({ reason }) => finish(stream.status, reason));
  metrics.follow(stream);
  control.follow(stream);
  tabStrip.follow(stream);
  downloads.follow(stream);
  gamepad.follow(stream);
  trackpad.follow(stream);
  for (const name of ['role', 'viewer', 'state'] as const) stream.on(name, showOverlays);
  stream.on('input', takeRefusal);
  diagnosis.follow(stream);
}

function showSession(streamId: string): void {
  const link = new URL(location.pathname, location.origin);
  link.searchParams.set('session', streamId);
  // A reload is to come back to the same session.
  history.replaceState(null, '', link);
  input('link').value = link.href;
  any('share').hidden = false;
}

/** One sentence of where things are, taken from the connection, the session and the peer. */
function showStatus(): void {
  if (connection === undefined) return;
  const [text, tone] = describe(connection);
  setStatus(text, tone);
  const waiting = any('waiting');
  // A lost event stream is no reason to cover a picture that goes on.
  waiting.hidden = hasPicture;
  any('waiting-text').textContent = text;
}

function describe({ status, state }: StreamConnection): [string, Tone] {
  const byStatus: Partial<Record<ConnectionStatus, string>> = {
    creating: 'Asking for a session…',
    reconnecting:
      lastError?.code === 'at_capacity'
        ? 'No room for another viewer; waiting…'
        : 'Connection lost; reconnecting…',
  };
  const words = byStatus[status];
  if (words !== undefined) return [words, 'busy'];
  if (state?.status === 'error') return [state.error ?? 'The session failed.', 'bad'];
  if (state === undefined || state.status === 'initializing')
    return ['Starting a browser on the server…', 'busy'];
  return hasPicture ? ['Live', 'live'] : ['Waiting for the picture…', 'busy'];
}

function setStatus(text: string, tone: Tone): void {
  const status = any('status');
  status.dataset.tone = tone;
  if (status.textContent !== text) status.textContent = text;
}

function finish(status: ConnectionStatus, reason: string): void {
  const state = connection?.state;
  if (connection !== undefined) void diagnosis.conclude(connection);
  connection = undefined;
  metrics.stop();
  control.stop();
  tabStrip.stop();
  downloads.stop();
  gamepad.stop();
  trackpad.stop();
  const words: ErrorText =
    status === 'failed' && lastError !== undefined
      ? errorText(lastError)
      : state?.error === undefined
        ? closedText(reason)
        : { headline: 'The session failed.', explanation: state.error };
  const isBad = status === 'failed' || state?.error !== undefined;
  any('headline').textContent = words.headline;
  any('explanation').textContent = words.explanation;
  startForm.dataset.tone = isBad ? 'bad' : 'idle';
  startForm.hidden = false;
  any('waiting').hidden = true;
  any('controls').hidden = true;
  // Who only left may come back by the link, or by a reload.
  any('share').hidden = reason !== 'client';
  if (reason !== 'client') history.replaceState(null, '', location.pathname);
  setStatus(isBad ? 'Failed' : 'Ended', isBad ? 'bad' : 'idle');
  button('start-button').focus();
}

function sendPulse(): void {
  pulseSentMs = performance.now();
  connection?.send({ type: 'pulse', at: pulseSentMs }).catch((error: unknown) => {
    toast(error instanceof Error ? error.message : 'The pulse was not sent.');
  });
}

/** The scene answers every pulse to all viewers, so each sees that somebody sent one. */
function takeMessage(message: unknown): void {
  if (typeof message !== 'object' || message === null || !('type' in message)) return;
  if (message.type !== 'pulsed') return;
  const isOwn = 'at' in message && message.at === pulseSentMs;
  toast(isOwn ? `Answered in ${Math.round(performance.now() - pulseSentMs)} ms` : 'Somebody sent a pulse');
}

/** The page wanted what it may not have. */
function takeRefusal(message: unknown): void {
  if (typeof message !== 'object' || message === null || !('type' in message)) return;
  if (message.type === 'refused' && 'message' in message) toast(String(message.message));
}

/** Only who has control uses what lies over the picture, one of them at a time. */
function showOverlays(): void {
  for (const [id, overlay] of [
    ['show-gamepad', gamepad],
    ['show-trackpad', trackpad],
  ] as const) {
    button(id).disabled = !control.isPlaying;
    button(id).ariaPressed = String(overlay.isShown);
  }
  button('show-keyboard').disabled = !control.isPlaying;
}

function toast(text: string): void {
  const box = any('toast');
  box.textContent = text;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    box.hidden = true;
  }, TOAST_MS);
}

async function copyLink(): Promise<void> {
  const link = input('link');
  link.select();
  try {
    await navigator.clipboard.writeText(link.value);
    toast('Link copied');
  } catch {
    // No clipboard without a secure context; the link is selected, so that Ctrl+C does it.
    toast('Press Ctrl+C to copy');
  }
}

for (const codec of VIDEO_CODECS) select('codec').add(new Option(VIDEO_CODEC_NAMES[codec], codec));
startForm.addEventListener('submit', (event) => {
  event.preventDefault();
  connect(creation());
});
for (const event of ['resize', 'playing']) {
  controls.video.addEventListener(event, () => {
    hasPicture = controls.video.videoWidth > 0;
    showStatus();
  });
}
for (const item of any('menu').querySelectorAll('button')) {
  item.addEventListener('click', () => any('menu').hidePopover());
}
for (const [id, overlay, other] of [
  ['show-gamepad', gamepad, trackpad],
  ['show-trackpad', trackpad, gamepad],
] as const) {
  button(id).addEventListener('click', () => {
    other.hide();
    if (overlay.isShown) overlay.hide();
    else overlay.show();
    showOverlays();
  });
}
button('show-keyboard').addEventListener('click', () => control.showKeyboard());
button('pulse').addEventListener('click', sendPulse);
button('copy').addEventListener('click', () => void copyLink());
button('leave').addEventListener('click', () => void control.handBack().then(() => connection?.close()));
button('stop').addEventListener('click', () => {
  connection
    ?.terminate()
    .catch((error: unknown) => toast(error instanceof Error ? error.message : String(error)));
});
controls.video.addEventListener('dblclick', () => {
  if (!control.isPlaying) controls.toggleFullscreen();
});
document.addEventListener('keydown', (event) => {
  if (control.hasKeys) {
    if (event.shiftKey && event.key === 'Escape') control.leave();
    return;
  }
  const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  if (connection === undefined || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const action: Partial<Record<string, () => void>> = {
    m: () => controls.toggleMute(),
    f: () => controls.toggleFullscreen(),
    p: sendPulse,
  };
  action[event.key.toLowerCase()]?.();
});
// A file that misses the picture would be opened in place of this page.
for (const name of ['dragover', 'drop'] as const) {
  window.addEventListener(name, (event) => event.preventDefault());
}
window.addEventListener('pagehide', () => {
  // A close would take back that control is given back.
  if (!control.isPlaying) connection?.close();
});

demoOffers().then(
  ({ terminal }) => {
    any('terminal-link').hidden = terminal === null;
  },
  () => toast('The server cannot be reached.'),
);

if (matchMedia('(pointer: coarse)').matches) select('pointer').value = 'touch';
const joined = new URLSearchParams(location.search).get('session');
if (joined !== null) connect({ url: ROUTER_URL, streamId: joined });
