import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Protocol } from 'puppeteer';

import { systemClock } from '../../base/clock.js';
import { asError } from '../../base/errors.js';
import { cleanFileName } from '../../base/file-name.js';
import type { Logger } from '../../base/logger.js';
import { TokenBucket } from '../../base/token-bucket.js';
import type { PageEvent } from '../../protocol/page-events.js';
import type { CaptureFiles } from './capture.js';
import type { CdpSession } from './cdp-connection.js';

/** Downloads on the way at once; one more is refused. */
const MAX_ACTIVE = 4;
/** A page may download in a loop: so many at once, and then so many per second. */
const DOWNLOADS_AT_ONCE = 10;
const DOWNLOADS_PER_SECOND = 1;
/** Of what it is refused. */
const REFUSALS_AT_ONCE = 5;
const GUID = /^[\da-f-]{36}$/i;

interface Download {
  readonly name: string;
  /** Undefined: it goes on. */
  refusal?: string;
}

/**
 * What a page downloads: refused, or kept in the folder of the session under names of the browser's own. What the page names
 * it is never a path.
 */
export class PageDownloads {
  readonly #browser: CdpSession;
  readonly #files: CaptureFiles;
  readonly #emit: (event: PageEvent) => void;
  readonly #logger: Logger;
  readonly #active = new Map<string, Download>();
  readonly #rate = new TokenBucket(systemClock, DOWNLOADS_PER_SECOND, DOWNLOADS_AT_ONCE);
  readonly #refusals = new TokenBucket(systemClock, 1, REFUSALS_AT_ONCE);

  private constructor(
    browser: CdpSession,
    files: CaptureFiles,
    emit: (event: PageEvent) => void,
    logger: Logger,
  ) {
    this.#browser = browser;
    this.#files = files;
    this.#emit = emit;
    this.#logger = logger;
  }

  /** From now on. @param files - undefined: nothing is kept. */
  static async begin(
    browser: CdpSession,
    files: CaptureFiles | undefined,
    emit: (event: PageEvent) => void,
    logger: Logger,
  ): Promise<void> {
    if (files?.downloads !== true) {
      const refusals = new TokenBucket(systemClock, 1, REFUSALS_AT_ONCE);
      browser.on('Browser.downloadWillBegin', () => {
        if (refusals.take(1)) emit(refused('Pages may not save files'));
      });
      await browser.send('Browser.setDownloadBehavior', { behavior: 'deny', eventsEnabled: true });
      return;
    }
    const downloads = new PageDownloads(browser, files, emit, logger);
    browser.on('Browser.downloadWillBegin', (event) => downloads.#begin(event.guid, event.suggestedFilename));
    browser.on('Browser.downloadProgress', ({ guid, totalBytes, receivedBytes, state }) => {
      downloads.#progress(guid, Math.max(totalBytes, receivedBytes), state).catch((thrown: unknown) => {
        logger.warn({ err: asError(thrown) }, 'a download could not be kept');
      });
    });
    const downloadPath = join(files.directory, 'downloads');
    await mkdir(downloadPath, { recursive: true, mode: 0o700 });
    await browser.send('Browser.setDownloadBehavior', {
      ...{ behavior: 'allowAndName', downloadPath, eventsEnabled: true },
    });
  }

  #begin(guid: string, suggestedName: string): void {
    if (!GUID.test(guid)) return;
    const name = cleanFileName(suggestedName);
    const download: Download = { name };
    const isMany = this.#active.size >= MAX_ACTIVE || !this.#rate.take(1);
    this.#active.set(guid, download);
    if (isMany) this.#refuse(guid, download, `${name} is refused: the page downloads too much at once`);
    else this.#emit({ type: 'download', fileId: guid, name, state: 'started', bytes: 0 });
  }

  async #progress(
    guid: string,
    bytes: number,
    state: Protocol.Browser.DownloadProgressEvent['state'],
  ): Promise<void> {
    const download = this.#active.get(guid);
    if (download === undefined) return;
    const { name } = download;
    const { maxBytes } = this.#files;
    if (download.refusal === undefined && bytes > maxBytes)
      this.#refuse(guid, download, `${name} is refused: it is larger than ${maxBytes} bytes`);
    if (state === 'inProgress') return;
    this.#active.delete(guid);
    const path = join(this.#files.directory, 'downloads', guid);
    if (download.refusal !== undefined) await rm(path, { force: true });
    else if (state === 'completed') {
      const { size } = await stat(path);
      this.#emit({ type: 'download', fileId: guid, name, state: 'finished', bytes: size });
    } else this.#emit({ type: 'download', fileId: guid, name, state: 'failed', bytes: 0 });
  }

  #refuse(guid: string, download: Download, message: string): void {
    download.refusal = message;
    if (this.#refusals.take(1)) this.#emit(refused(message));
    this.#browser.send('Browser.cancelDownload', { guid }).catch((thrown: unknown) => {
      this.#logger.debug({ err: asError(thrown) }, 'the download had ended');
    });
  }
}

function refused(message: string): PageEvent {
  return { type: 'refused', what: 'download', message };
}
