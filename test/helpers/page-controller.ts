import type { CreatedSession, TestServer } from './test-server.js';
import type { ViewerBrowser, ViewerTab } from './viewer-browser.js';

/** Keeps the data channel of the viewer's page, and what comes by it. */
const WATCH_CHANNEL = `(() => {
  window.channelMessages = [];
  const Native = RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...parameters) {
      super(...parameters);
      this.addEventListener('datachannel', ({ channel }) => {
        window.channel = channel;
        channel.onmessage = ({ data }) => window.channelMessages.push(JSON.parse(data));
      });
    }
  };
})()`;

/** A viewer in a real browser that controls a page by the messages of the protocol, as a client of another make would. */
export class PageController {
  readonly viewer: ViewerTab;
  readonly #css: { readonly width: number; readonly height: number };

  private constructor(viewer: ViewerTab, css: { width: number; height: number }) {
    this.viewer = viewer;
    this.#css = css;
  }

  /** @param css - what the picture shows of the page, CSS pixels. */
  static async connect(
    browser: ViewerBrowser,
    server: TestServer,
    session: CreatedSession,
    css: { width: number; height: number },
  ): Promise<PageController> {
    const viewer = await browser.open(server);
    await viewer.page.evaluate(WATCH_CHANNEL);
    await viewer.connect(session);
    await viewer.until("window.channel?.readyState === 'open' && channelMessages.length > 0");
    await viewer.firstPicture();
    return new PageController(viewer, css);
  }

  /** Forgets what was told so far. */
  async forget(): Promise<void> {
    await this.viewer.read('void (viewer.messages.length = 0, channelMessages.length = 0)');
  }

  async send(...messages: object[]): Promise<void> {
    await this.viewer.page.evaluate(
      (texts) => {
        for (const text of texts) (window as any).channel.send(text);
      },
      messages.map((message) => JSON.stringify(message)),
    );
  }

  /** A place of the page, in CSS pixels, as fractions of the picture. */
  at(x: number, y: number): { x: number; y: number } {
    return { x: x / this.#css.width, y: y / this.#css.height };
  }

  async click(x: number, y: number, button = 0): Promise<void> {
    const place = { type: 'pointer', button, ...this.at(x, y) };
    await this.send(
      { ...place, action: 'move', button: -1 },
      { ...place, action: 'down' },
      { ...place, action: 'up' },
    );
  }

  async press(code: string, key: string, held: readonly string[] = []): Promise<void> {
    const keyboard = (action: string, of: { code: string; key: string }): object => {
      return { type: 'keyboard', action, ...of };
    };
    const modifiers = held.map((name) => ({ code: `${name}Left`, key: name }));
    await this.send(
      ...modifiers.map((modifier) => keyboard('down', modifier)),
      keyboard('down', { code, key }),
      keyboard('up', { code, key }),
      ...modifiers.reverse().map((modifier) => keyboard('up', modifier)),
    );
  }

  /** The first message of this type since {@link forget} that fits. */
  async told(type: string, condition = 'true'): Promise<any> {
    const found = `channelMessages.find((message) => message.type === ${JSON.stringify(type)} && ${condition})`;
    try {
      await this.viewer.until(`${found} !== undefined`);
    } catch {
      throw new Error(`No ${type} in ${JSON.stringify(await this.viewer.read('channelMessages'))}`);
    }
    return this.viewer.read(found);
  }

  /** What the page has told, once a line of it begins so. */
  async lines(last: string): Promise<string[]> {
    const lines = 'viewer.messages.flatMap(({ lines = [] }) => lines)';
    try {
      await this.viewer.until(`${lines}.some((line) => line.startsWith(${JSON.stringify(last)}))`);
    } catch {
      throw new Error(`No ${last} in ${JSON.stringify(await this.viewer.read(lines))}`);
    }
    return this.viewer.read(lines);
  }

  /** Evaluates an expression in the page. */
  async run<T>(expression: string): Promise<T> {
    await this.viewer.read(`viewer.signal('message', { run: ${JSON.stringify(expression)} })`);
    const begin = `ran ${expression} `;
    const found = (await this.lines(begin)).findLast((line) => line.startsWith(begin)) ?? '';
    await this.viewer
      .read(`void viewer.messages.splice(0, viewer.messages.length, ...viewer.messages.map((message) =>
      ({ ...message, lines: message.lines?.filter((line) => !line.startsWith(${JSON.stringify(begin)})) })))`);
    return JSON.parse(found.slice(begin.length)) as T;
  }
}
