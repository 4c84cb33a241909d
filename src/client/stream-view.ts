import { connectStream, controlStream } from './index.js';
import type { ConnectStreamOptions, StreamConnection } from './index.js';

const STYLE = `:host{display:block;position:relative;overflow:hidden;
background:var(--stream-view-background,#000);color:var(--stream-view-color,#ccc);font:var(--stream-view-font,16px system-ui)}
:host([hidden]){display:none}
video{display:block;width:100%;height:100%;object-fit:var(--stream-view-fit,contain)}
p{position:absolute;inset:auto 0 0;margin:0;padding:.5em;text-align:center;pointer-events:none;
background:var(--stream-view-status-background,transparent)}
slot{display:none}
:host([status=blocked]) slot[name=play],:host([status=failed]) slot[name=failed],
:host([status=ended]) slot[name=ended]{display:inline}`;

const CONTENT = `<p part="status" role="status">
<slot name="play">Click to play</slot><slot name="failed">The stream cannot be shown</slot>
<slot name="ended">The stream has ended</slot></p>`;

/** How a `<stream-view>` stands: in its attribute `status`, and the `detail` of its event `status`. */
export type StreamViewStatus = 'idle' | 'connecting' | 'playing' | 'blocked' | 'failed' | 'ended';

/**
 * `<stream-view src="…">` shows one session, and takes input if its viewer has control.
 *
 * - `src`: the address of a session's page, as `session.viewUrl()` makes it; `token`, `seat` and the session are taken from it.
 * - `muted`: without sound. `inert`: takes no input.
 * - Event `status`, whose `detail` is a {@link StreamViewStatus}; the attribute `status` has it too.
 * - Slots `play`, `failed` and `ended`: what is said then. Parts `video` and `status`. Custom properties `--stream-view-background`,
 *   `-color`, `-font`, `-fit` (as `object-fit`) and `-status-background`.
 */
export class StreamViewElement extends HTMLElement {
  static readonly observedAttributes = ['src', 'muted'];

  readonly #root = this.attachShadow({ mode: 'open' });
  readonly #video = document.createElement('video');
  #connection: StreamConnection | undefined;
  #status: StreamViewStatus = 'idle';
  #isDue = false;

  constructor() {
    super();
    // Not a `<style>`, which a Content-Security-Policy may forbid.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.innerHTML = CONTENT;
    const video = Object.assign(this.#video, { autoplay: true, playsInline: true });
    video.part.add('video');
    this.#root.prepend(video);
  }

  /** The address of the session's page; empty: nothing is shown. */
  get src(): string {
    return this.getAttribute('src') ?? '';
  }

  set src(src: string) {
    this.setAttribute('src', src);
  }

  get status(): StreamViewStatus {
    return this.#status;
  }

  /** The connection of the client SDK; undefined while nothing is shown. */
  get connection(): StreamConnection | undefined {
    return this.#connection;
  }

  connectedCallback(): void {
    this.#restart();
  }

  disconnectedCallback(): void {
    this.#restart();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (name === 'muted') this.#video.muted = after !== null;
    else if (before !== after) this.#restart();
  }

  /** Once for all that changes in one task; one that is moved in the document goes on. */
  #restart(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      const target = this.isConnected ? targetOf(this.src) : undefined;
      if (target !== undefined && target.key === this.#key) return;
      this.#key = target?.key;
      this.#connection?.close();
      this.#connection = undefined;
      if (target === undefined) this.#show(this.isConnected && this.src !== '' ? 'failed' : 'idle');
      else this.#connect(target);
    });
  }

  /** Of what is shown. */
  #key: string | undefined;

  #connect({ options, seat }: Target): void {
    const video = this.#video;
    const connection = connectStream({ ...options, video, livekit: false });
    this.#connection = connection;
    const on: StreamConnection['on'] = (name, listener) =>
      connection.on(name, (value) => {
        if (this.#connection === connection) listener(value);
      });
    this.#show('connecting');
    on('status', (now) => {
      if (now === 'failed') this.#show('failed');
      else if (now === 'reconnecting') this.#show('connecting');
    });
    on('autoplayBlocked', () => {
      this.#show('blocked');
      const play = async (): Promise<void> => {
        await connection.play();
        // To be heard is no event of a video that plays.
        if (this.#connection === connection && this.#status === 'blocked') this.#show('playing');
      };
      this.addEventListener('pointerdown', () => void play().catch(() => undefined), { once: true });
    });
    video.onplaying = () => {
      if (this.#status !== 'blocked' || !video.muted || this.hasAttribute('muted')) this.#show('playing');
    };
    on('closed', () => this.#show('ended'));
    if (this.inert) return;
    controlStream(connection, video, { gamepadSeat: seat }).catch(() => undefined);
  }

  #show(status: StreamViewStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.setAttribute('status', status);
    this.dispatchEvent(new CustomEvent('status', { detail: status }));
  }
}

interface Target {
  readonly key: string;
  readonly options: ConnectStreamOptions;
  readonly seat: number | undefined;
}

/** Undefined: it is no address of a session's page. */
function targetOf(src: string): Target | undefined {
  if (src === '' || !URL.canParse(src, document.baseURI)) return undefined;
  const { origin, pathname, searchParams, href } = new URL(src, document.baseURI);
  const [, path, streamId] = /^(.*)\/([^/]+)\/view\/?$/.exec(pathname) ?? [];
  if (path === undefined || streamId === undefined) return undefined;
  const token = searchParams.get('token') ?? undefined;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const seat = Number(searchParams.get('seat'));
  return {
    key: href,
    options: { url: `${origin}${path}`, streamId, headers, ...(token === undefined ? {} : { token }) },
    seat: seat >= 1 ? seat : undefined,
  };
}

if (customElements.get('stream-view') === undefined) customElements.define('stream-view', StreamViewElement);

declare global {
  interface HTMLElementTagNameMap {
    'stream-view': StreamViewElement;
  }
}
