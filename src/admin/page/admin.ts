import type { AdminReport, AdminSession } from '../../protocol/admin.js';

/** How often the report is read, and a picture taken: one session after the other. */
const REPORT_INTERVAL_MS = 2_000;
const PICTURE_INTERVAL_MS = 1_000;
/** Points of a curve: two minutes. */
const MOST_POINTS = 60;
/** A curve takes the whole width from this many points on. */
const FEWEST_POINTS = 10;
/** Of the drawing of a curve, without a unit: it is as large as its place. */
const CURVE = { width: 100, height: 30 } as const;
const SVG = 'http://www.w3.org/2000/svg';

/** Where the router is. */
const ROUTER = new URL('..', import.meta.url);

const curves = {
  cpu: { name: 'CPU', text: (percent: number) => `${Math.round(percent)} %` },
  memory: { name: 'Memory', text: bytesText },
  bitrate: { name: 'Sent', text: bitrateText },
} as const;
type CurveName = keyof typeof curves;

function bytesText(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

function bitrateText(bitsPerSecond: number): string {
  return bitsPerSecond >= 1e6
    ? `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`
    : `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  className = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (className !== '') made.className = className;
  made.append(...children);
  return made;
}

function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no ${id}`);
  return found;
}

/** Sets a text only where it changes: what a screen reader has read it does not read again. */
function setText(target: Node, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

async function request(path: string, method = 'GET'): Promise<Response> {
  const response = await fetch(new URL(path, ROUTER), { method, cache: 'no-store' });
  if (response.ok) return response;
  const body = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
  throw new Error(body?.error?.message ?? `The server answered ${response.status}`);
}

/** A small curve of one figure, and its last value as a text. */
class Curve {
  readonly figure: HTMLElement;
  readonly #name: CurveName;
  readonly #value = element('b');
  readonly #svg = document.createElementNS(SVG, 'svg');
  readonly #line = document.createElementNS(SVG, 'polyline');
  #points: number[] = [];

  constructor(name: CurveName) {
    this.#name = name;
    this.#svg.setAttribute('viewBox', `0 0 ${CURVE.width} ${CURVE.height}`);
    this.#svg.setAttribute('preserveAspectRatio', 'none');
    this.#svg.setAttribute('aria-hidden', 'true');
    this.#svg.append(this.#line);
    const caption = element('figcaption', '', `${curves[name].name} `, this.#value);
    this.figure = element('figure', name, this.#svg, caption);
    setText(this.#value, '–');
  }

  add(value: number | undefined): void {
    if (value === undefined || !Number.isFinite(value)) return;
    this.#points = [...this.#points, Math.max(0, value)].slice(-MOST_POINTS);
    setText(this.#value, curves[this.#name].text(value));
    const highest = Math.max(...this.#points, 1e-9);
    const places = Math.max(this.#points.length, FEWEST_POINTS);
    const step = CURVE.width / (places - 1);
    const first = places - this.#points.length;
    const at = (point: number, index: number): string =>
      `${((first + index) * step).toFixed(1)},${(CURVE.height - (point / highest) * (CURVE.height - 2) - 1).toFixed(1)}`;
    this.#line.setAttribute('points', this.#points.map(at).join(' '));
  }
}

/** One session in the list. */
class SessionCard {
  readonly item: HTMLLIElement;
  readonly #streamId: string;
  readonly #picture = element('img', 'picture');
  readonly #title = element('h2');
  readonly #status = element('span', 'status');
  readonly #facts = element('span', 'list');
  readonly #rungs = element('ul', 'list');
  readonly #viewers = element('ul', 'list');
  readonly #problem = element('p', 'error list');
  readonly #restart = element('button', 'restart', 'Restart');
  readonly #end = element('button', 'end', 'End');
  readonly #curves = { cpu: new Curve('cpu'), memory: new Curve('memory'), bitrate: new Curve('bitrate') };
  #former: { readonly atMs: number; readonly session: AdminSession } | undefined;
  #pictureUrl = '';

  constructor({ streamId, kind }: AdminSession) {
    this.#streamId = streamId;
    this.#picture.alt = '';
    this.#picture.hidden = kind === 'terminal';
    this.#title.id = `title-${streamId}`;
    this.#rungs.ariaLabel = 'Encodings';
    this.#viewers.ariaLabel = 'Viewers';
    for (const button of [this.#restart, this.#end]) {
      button.type = 'button';
      button.id = `${button.className}-${streamId}`;
      button.setAttribute('aria-labelledby', `${button.id} ${this.#title.id}`);
    }
    this.#restart.onclick = () => void this.#act(this.#restart, 'restart', 'POST');
    this.#end.onclick = () => {
      if (confirm('End this session for all its viewers?')) void this.#act(this.#end, '', 'DELETE');
    };
    const { cpu, memory, bitrate } = this.#curves;
    const figures = element('div', 'curves', cpu.figure, memory.figure, bitrate.figure);
    figures.hidden = kind === 'terminal';
    const head = element('div', '', this.#title, element('p', 'quiet', this.#status, this.#facts));
    const actions = element('div', 'actions', this.#restart, this.#end);
    const body = element('div', 'body', head, this.#problem, figures, this.#rungs, this.#viewers, actions);
    const article = element('article', 'session', this.#picture, body);
    article.setAttribute('aria-labelledby', this.#title.id);
    this.item = element('li', '', article);
  }

  /** Whether there is a picture to take. */
  get hasPicture(): boolean {
    const status = this.#former?.session.status;
    return !this.#picture.hidden && (status === 'connecting' || status === 'streaming');
  }

  show(session: AdminSession, atMs: number, mayRestart: boolean): void {
    const { kind, status, targetUrl, video, viewers, viewerCount, owner, error, fault } = session;
    setText(this.#title, kind === 'terminal' ? 'Terminal' : targetUrl);
    setText(this.#status, session.responsive ? status : `${status}, not responding`);
    this.#status.className = `status ${status}`;
    const since =
      session.createdAt === null ? '' : `since ${new Date(session.createdAt).toLocaleTimeString()}`;
    const by = typeof owner?.callerId === 'string' ? `by ${owner.callerId}` : '';
    const restarts = session.restarts === 0 ? '' : countText(session.restarts, 'restart');
    setText(this.#facts, [since, by, restarts].filter((fact) => fact !== '').join(' · '));
    setText(this.#problem, error ?? fault?.message ?? '');
    this.#problem.hidden = this.#problem.textContent === '';
    const rungs = (video?.rungs ?? []).map(
      ({ width, height, frameRate, bitrateBps, viewers: count }) =>
        `${video?.codec ?? ''} ${width} × ${height}, ${frameRate} fps, ${bitrateText(bitrateBps)}: ${countText(count, 'viewer')}`,
    );
    list(this.#rungs, rungs.length > 0 || kind === 'terminal' ? rungs : ['Nothing is encoded']);
    const names = viewers.map(({ publicId, role, callerId, media }) =>
      [`Viewer ${publicId}`, callerId ?? '', role === 'controller' ? 'has control' : '', media]
        .filter((part) => part !== '' && part !== 'none')
        .join(', '),
    );
    const more = viewerCount > names.length ? [`and ${viewerCount - names.length} more`] : [];
    list(this.#viewers, viewerCount === 0 ? ['No viewers'] : [...names, ...more]);
    this.#restart.hidden = kind === 'terminal' || !mayRestart;
    this.#restart.disabled = !this.#canRestart(status);
    this.#draw(session, atMs);
    this.#former = { atMs, session };
  }

  /** Never rejects: a page that gives no picture keeps the last one. */
  async takePicture(): Promise<void> {
    try {
      const response = await request(`admin/sessions/${this.#streamId}/picture`);
      const former = this.#pictureUrl;
      this.#pictureUrl = URL.createObjectURL(await response.blob());
      this.#picture.src = this.#pictureUrl;
      this.#picture.alt = 'What the page shows';
      if (former !== '') URL.revokeObjectURL(former);
    } catch {
      // The next one may come.
    }
  }

  close(): void {
    this.item.remove();
    if (this.#pictureUrl !== '') URL.revokeObjectURL(this.#pictureUrl);
  }

  #canRestart(status: AdminSession['status']): boolean {
    return status === 'connecting' || status === 'streaming';
  }

  #draw({ usage, memoryBytes }: AdminSession, atMs: number): void {
    this.#curves.memory.add(memoryBytes ?? undefined);
    const former = this.#former;
    const before = former?.session.usage ?? undefined;
    if (former === undefined || before === undefined || usage === null || atMs <= former.atMs) return;
    const seconds = (atMs - former.atMs) / 1000;
    this.#curves.bitrate.add(((usage.bytesSent - before.bytesSent) * 8) / seconds);
    if (usage.cpuSeconds !== null && before.cpuSeconds !== null)
      this.#curves.cpu.add(((usage.cpuSeconds - before.cpuSeconds) / seconds) * 100);
  }

  async #act(button: HTMLButtonElement, path: string, method: string): Promise<void> {
    button.disabled = true;
    try {
      await request(path === '' ? this.#streamId : `${this.#streamId}/${path}`, method);
      tell('action', undefined);
    } catch (error) {
      tell('action', error);
    }
    button.disabled = false;
    await readReport();
  }
}

function list(target: HTMLUListElement, texts: readonly string[]): void {
  while (target.children.length > texts.length) target.lastElementChild?.remove();
  texts.forEach((text, index) => {
    const item = target.children[index] ?? target.appendChild(element('li'));
    setText(item, text);
  });
}

const [sessionList, summary, problem, empty] = ['sessions', 'summary', 'problem', 'empty'].map(byId) as [
  HTMLElement,
  HTMLElement,
  HTMLElement,
  HTMLElement,
];
/** What went wrong: of the last action, and of the last report. */
const problems = { action: '', report: '' };

function tell(what: keyof typeof problems, thrown: unknown): void {
  problems[what] =
    thrown === undefined ? '' : thrown instanceof Error ? thrown.message : 'The request failed';
  setText(problem, problems.action === '' ? problems.report : problems.action);
}

/** By id. */
const cards = new Map<string, SessionCard>();

function show({ sessions, room, draining, mayRestart, atMs }: AdminReport): void {
  for (const session of sessions) {
    let card = cards.get(session.streamId);
    if (card === undefined) {
      card = new SessionCard(session);
      cards.set(session.streamId, card);
      sessionList.append(card.item);
    }
    card.show(session, atMs, mayRestart);
  }
  for (const [streamId, card] of cards) {
    if (sessions.some((session) => session.streamId === streamId)) continue;
    cards.delete(streamId);
    card.close();
  }
  empty.hidden = sessions.length > 0;
  const count = countText(sessions.length, 'session');
  setText(summary, draining ? `${count}, draining` : `${count}, room for ${room} more`);
}

async function readReport(): Promise<void> {
  try {
    const response = await request('admin/sessions');
    show((await response.json()) as AdminReport);
    tell('report', undefined);
  } catch (error) {
    tell('report', error);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Does something again and again, but not while nobody sees it. */
async function repeat(work: () => Promise<void>, intervalMs: number): Promise<never> {
  for (;;) {
    if (document.visibilityState === 'visible') await work();
    await pause(intervalMs);
  }
}

let turn = 0;

async function takeNextPicture(): Promise<void> {
  const waiting = [...cards.values()].filter(({ hasPicture }) => hasPicture);
  turn += 1;
  await waiting[turn % waiting.length]?.takePicture();
}

void repeat(readReport, REPORT_INTERVAL_MS);
void repeat(takeNextPicture, PICTURE_INTERVAL_MS);
