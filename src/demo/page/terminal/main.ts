import { demoOffers, type DemoOffers } from '../demo-offers.js';
import { any, button, element, input } from '../viewer/elements.js';
import { StateView } from '../viewer/state-view.js';
import { createTerminal, endTerminal, sessionRoute } from './session-route.js';
import { useStrictStyles } from './strict-styles.js';
import { TerminalLink, type TerminalDocument, type TerminalRole } from './terminal-link.js';
import { TerminalScreen } from './terminal-screen.js';

type Tone = 'idle' | 'busy' | 'live' | 'bad';

/** A terminal that is shown. */
interface Shown {
  readonly streamId: string;
  readonly screen: TerminalScreen;
  readonly link: TerminalLink;
}

const TOAST_MS = 3000;
const NO_ROLE: TerminalRole = { isController: false, controllerId: undefined, publicId: undefined };

useStrictStyles();

const startForm = element('start', HTMLFormElement);
const stage = any('stage');
// What is counted there are patches, of which a WebSocket has none.
const stateView = new StateView(any('state'), document.createElement('span'));
let offers: DemoOffers = { terminal: null };
let shown: Shown | undefined;
let latest: TerminalDocument | undefined;
let role = NO_ROLE;
/** Control was asked for, and another has it. */
let hasAsked = false;
let toastTimer: ReturnType<typeof setTimeout> | undefined;

function openScreen(): TerminalScreen {
  any('screen').replaceChildren();
  return new TerminalScreen(any('screen'), {
    onInput: (data) => shown?.link.type(data),
    onPaste: (text) => shown?.link.paste(text),
    onTitle: (title) => {
      document.title = title === '' ? 'Terminal' : `${title} – Terminal`;
    },
    onFit: (cols, rows) => fit(cols, rows),
    onBehind: (isBehind) => {
      if (isBehind) shown?.link.pause();
      else shown?.link.unpause();
    },
  });
}

async function create(): Promise<void> {
  const { terminal } = offers;
  if (terminal === null) return;
  shown?.screen.dispose();
  shown = undefined;
  const screen = openScreen();
  showCurtain('waiting');
  setStatus('Starting a terminal…', 'busy');
  try {
    const { cols, rows } = screen.measure();
    const size = { cols: Math.min(cols, terminal.maxCols), rows: Math.min(rows, terminal.maxRows) };
    show(await createTerminal(size), screen);
  } catch (thrown) {
    screen.dispose();
    offer('That did not work.', wordsOf(thrown), 'bad');
  }
}

function show(streamId: string, screen: TerminalScreen): void {
  latest = undefined;
  stateView.reset();
  const link = new TerminalLink(sessionRoute(streamId), {
    onLink: (isUp) => {
      if (!isUp) {
        role = NO_ROLE;
        hasAsked = false;
        toast('Connection lost; reconnecting…');
      }
      setStatus(isUp ? 'Live' : 'Connection lost; reconnecting…', isUp ? 'live' : 'busy');
      showCurtain('none');
      showRole();
    },
    onSize: (cols, rows) => {
      screen.setSize(cols, rows);
      any('size').textContent = `${cols} × ${rows}`;
    },
    onOutput: (bytes) => screen.write(bytes),
    onSnapshot: (bytes) => screen.write(bytes),
    onState: showState,
    onRole: (now) => {
      const wasController = role.isController;
      role = now;
      if (role.isController) hasAsked = false;
      showRole();
      if (role.isController && !wasController) screen.focus();
    },
    onAsked: (publicId) => toast(`Viewer ${publicId} would like to type`),
    onRefused: (message) => {
      hasAsked = false;
      showRole();
      toast(message);
    },
    onEnded: (reason, message) => finish(reason, message),
  });
  shown = { streamId, screen, link };
  showLink(streamId);
  any('controls').hidden = false;
  any('verdict').hidden = true;
  link.start();
}

function showLink(streamId: string): void {
  const link = new URL(location.pathname, location.origin);
  link.searchParams.set('session', streamId);
  // A reload is to come back to the same session.
  history.replaceState(null, '', link);
  input('link').value = link.href;
  any('share').hidden = false;
}

function showState(state: TerminalDocument): void {
  // As a whole at first, so that only what changes lights up.
  const operations = latest === undefined ? [{ op: 'replace' as const, path: '', value: state }] : [];
  latest = state;
  stateView.show({ state: state as never, operations });
  const viewers = state.metadata?.viewers ?? 0;
  any('viewers').textContent = viewers === 1 ? '1 viewer' : `${viewers} viewers`;
}

function showRole(): void {
  const canType = shown?.link.canType ?? false;
  shown?.screen.setTyping(canType);
  shown?.screen.setMaster(canType);
  stage.classList.toggle('playing', canType);
  const { isController, controllerId } = role;
  const isUp = role.publicId !== undefined;
  any('read-only').hidden = canType || !isUp;
  any('keys').hidden = !canType;
  any('pilot').textContent = isController
    ? 'You type'
    : controllerId === undefined
      ? 'Nobody types'
      : `Viewer ${controllerId} types`;
  const take = button('take');
  take.textContent = isController ? 'Give back' : hasAsked ? 'Asked…' : 'Take control';
  take.disabled = !isUp || hasAsked;
}

function fit(cols: number, rows: number): void {
  const maxCols = offers.terminal?.maxCols ?? cols;
  const maxRows = offers.terminal?.maxRows ?? rows;
  const size = { cols: Math.min(cols, maxCols), rows: Math.min(rows, maxRows) };
  if (shown?.link.canType !== true) return;
  const { cols: shownCols, rows: shownRows } = shown.screen.terminal;
  if (size.cols === shownCols && size.rows === shownRows) return;
  // What the program draws for the new size is to find it.
  shown.screen.setSize(size.cols, size.rows);
  shown.link.resize(size.cols, size.rows);
}

function finish(reason: string, message: string | undefined): void {
  role = NO_ROLE;
  showRole();
  shown?.screen.terminal.blur();
  // How it ended is said beside the stage.
  if (document.fullscreenElement !== null) void document.exitFullscreen();
  any('controls').hidden = true;
  any('share').hidden = true;
  history.replaceState(null, '', location.pathname);
  if (message !== undefined) {
    offer('This terminal cannot be shown.', message, 'bad');
    return;
  }
  const exit = latest?.metadata?.terminal;
  const [words, tone] = reason === 'exited' && exit !== undefined ? exitWords(exit) : endWords(reason);
  // What it has written can still be read.
  any('verdict-text').textContent = words;
  any('verdict').dataset.tone = tone;
  any('verdict').hidden = false;
  button('again').hidden = offers.terminal === null;
  showCurtain('none');
  setStatus('Ended', tone);
  button('again').focus();
}

function exitWords({
  exitStatus,
  exitSignal,
}: {
  exitStatus: number | null;
  exitSignal: string | null;
}): [string, Tone] {
  if (exitStatus === null) return ['The program has ended.', 'idle'];
  const by = exitSignal === null ? '' : ` (${exitSignal})`;
  return [`The program has ended with exit status ${exitStatus}${by}.`, exitStatus === 0 ? 'idle' : 'bad'];
}

function endWords(reason: string): [string, Tone] {
  const words: Partial<Record<string, string>> = {
    deleted: 'This terminal was ended.',
    timeout: 'Nobody used this terminal, so the server has ended it.',
  };
  return [words[reason] ?? 'This terminal has ended.', 'idle'];
}

/** Where a terminal can be started, if the server has any. */
function offer(headline: string, explanation: string, tone: Tone): void {
  any('headline').textContent = headline;
  any('explanation').textContent = explanation;
  startForm.dataset.tone = tone;
  button('start-button').hidden = offers.terminal === null;
  showCurtain('start');
  setStatus(tone === 'bad' ? 'Failed' : 'Ready', tone);
}

function showCurtain(which: 'start' | 'waiting' | 'none'): void {
  startForm.hidden = which !== 'start';
  any('waiting').hidden = which !== 'waiting';
}

function setStatus(text: string, tone: Tone): void {
  const status = any('status');
  status.dataset.tone = tone;
  if (status.textContent !== text) status.textContent = text;
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

function wordsOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
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

startForm.addEventListener('submit', (event) => {
  event.preventDefault();
  void create();
});
button('again').addEventListener('click', () => void create());
button('copy').addEventListener('click', () => void copyLink());
button('take').addEventListener('click', () => {
  if (role.isController) shown?.link.releaseControl();
  else {
    hasAsked = true;
    shown?.link.requestControl();
  }
  showRole();
});
button('fullscreen').addEventListener('click', () => {
  if (document.fullscreenElement !== null) void document.exitFullscreen();
  else void stage.requestFullscreen().catch((thrown: unknown) => toast(wordsOf(thrown)));
});
button('end').addEventListener('click', () => {
  if (shown === undefined) return;
  endTerminal(shown.streamId).catch((thrown: unknown) => toast(wordsOf(thrown)));
});
for (const key of any('keys').querySelectorAll('button')) {
  // The letters of a phone's keyboard stay where they are.
  key.addEventListener('pointerdown', (event) => event.preventDefault());
  key.addEventListener('click', () => shown?.link.press(key.dataset.key ?? ''));
}
window.addEventListener('online', () => shown?.link.wake());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') shown?.link.wake();
});

const joined = new URLSearchParams(location.search).get('session');
if (joined !== null) {
  showCurtain('waiting');
  setStatus('Connecting…', 'busy');
}
try {
  offers = await demoOffers();
} catch {
  // The session says so itself, where there is one.
}
if (joined !== null) show(joined, openScreen());
else if (offers.terminal === null) {
  offer(
    'This server has no terminals.',
    'They are off by default: a terminal is a shell on its machine.',
    'idle',
  );
} else {
  offer(
    'A shell on the server.',
    'It runs with the rights of the server’s user, and goes on when this page is closed.',
    'idle',
  );
}
