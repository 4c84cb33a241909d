import type { StreamConnection } from '@open-game-system/stream-kit-server/client';

import { any } from './elements.js';

interface DownloadMessage {
  readonly type: 'download';
  readonly fileId: string;
  readonly name: string;
  readonly state: 'started' | 'finished' | 'failed';
  readonly bytes: number;
}

/** The server keeps about as many. */
const MAX_FILES = 32;

/** What the page has downloaded: a link for each file that is there, while this viewer has control. */
export class DownloadList {
  readonly #card = any('downloads');
  readonly #list = any('download-list');
  readonly #routerUrl: string;

  /** @param routerUrl - without a slash at its end. */
  constructor(routerUrl: string) {
    this.#routerUrl = routerUrl;
  }

  follow(connection: StreamConnection): void {
    this.stop();
    connection.on('input', (message) => {
      if (isDownload(message)) this.#show(connection.streamId ?? '', message);
    });
  }

  stop(): void {
    this.#card.hidden = true;
    this.#list.replaceChildren();
  }

  #show(streamId: string, { fileId, name, state, bytes }: DownloadMessage): void {
    const known = [...this.#list.children].find((row) => (row as HTMLElement).dataset.id === fileId);
    const row = document.createElement('li');
    row.dataset.id = fileId;
    if (state === 'finished') {
      const link = document.createElement('a');
      link.href = `${this.#routerUrl}/${streamId}/downloads/${fileId}`;
      link.download = name;
      link.textContent = name;
      row.append(link, sizeOf(bytes));
    } else {
      row.append(`${name} `, state === 'started' ? 'is on its way…' : 'was not downloaded');
    }
    if (known === undefined) this.#list.prepend(row);
    else known.replaceWith(row);
    while (this.#list.children.length > MAX_FILES) this.#list.lastElementChild?.remove();
    this.#card.hidden = false;
  }
}

function sizeOf(bytes: number): HTMLElement {
  const text = document.createElement('span');
  const [value, unit] =
    bytes < 1000 ? [bytes, 'B'] : bytes < 1e6 ? [bytes / 1000, 'kB'] : [bytes / 1e6, 'MB'];
  text.textContent = `${value < 10 && unit !== 'B' ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
  return text;
}

function isDownload(message: unknown): message is DownloadMessage {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'download';
}
