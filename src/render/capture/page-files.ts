import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Protocol } from 'puppeteer';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { PageEvent } from '../../protocol/page-events.js';
import type { CaptureFiles } from './capture.js';
import type { CdpSession } from './cdp-connection.js';
import { dropAt } from './file-drop.js';
import { ANSWER_TIMEOUT_MS, type PagePrompts } from './page-prompts.js';

/** Of the attribute `accept`, UTF-16 units. */
const MAX_ACCEPT_LENGTH = 1024;

export interface PageFilesParameters {
  /** Undefined: the page gets none. */
  readonly files: CaptureFiles | undefined;
  readonly prompts: PagePrompts;
  readonly emit: (event: PageEvent) => void;
  readonly logger: Logger;
}

/**
 * The files that a page gets: its controller answers file choosers with those that it has uploaded, or drops them on the page. No
 * file of this machine is picked.
 */
export class PageFiles {
  readonly #parameters: PageFilesParameters;
  #isDropping = false;

  constructor(parameters: PageFilesParameters) {
    this.#parameters = parameters;
  }

  /**
   * Takes the choosers of one session: that of a tab, or of a frame in a process of its own.
   *
   * @param isShown - what another tab asks is cancelled.
   */
  async watch(session: CdpSession, isShown: () => boolean): Promise<void> {
    session.on('Page.fileChooserOpened', (chooser) => {
      this.#ask(session, chooser, isShown).catch((thrown: unknown) => {
        this.#parameters.logger.debug({ err: asError(thrown) }, 'the file chooser was gone');
      });
    });
    await session.send('Page.setInterceptFileChooserDialog', { enabled: true });
  }

  /**
   * Drops uploaded files on the page of a tab, as if they were dragged there.
   *
   * @param place - CSS pixels of the viewport.
   */
  drop(session: CdpSession, place: { x: number; y: number }, fileIds: readonly string[]): void {
    const { files, emit, logger } = this.#parameters;
    if (files?.uploads !== true || this.#isDropping) {
      const message =
        files?.uploads === true ? 'Other files are just being dropped' : 'Pages may not read files';
      emit({ type: 'refused', what: 'file_drop', message });
      return;
    }
    this.#isDropping = true;
    this.#drop(session, place, files, fileIds)
      .catch((thrown: unknown) => {
        logger.debug({ err: asError(thrown) }, 'the page was gone before files were dropped on it');
      })
      .finally(() => (this.#isDropping = false));
  }

  async #drop(
    session: CdpSession,
    place: { x: number; y: number },
    files: CaptureFiles,
    fileIds: readonly string[],
  ): Promise<void> {
    const paths = await uploadedPaths(files, fileIds);
    if (paths.length === 0 || (await dropAt(session, place, paths))) return;
    const message = 'Files cannot be dropped on a frame of another site';
    this.#parameters.emit({ type: 'refused', what: 'file_drop', message });
  }

  async #ask(
    session: CdpSession,
    { mode, backendNodeId, frameId }: Protocol.Page.FileChooserOpenedEvent,
    isShown: () => boolean,
  ): Promise<void> {
    const { files, prompts, emit } = this.#parameters;
    // Without an element it is the File System Access API, which nothing can answer.
    if (backendNodeId === undefined || files?.uploads !== true) {
      emit({ type: 'refused', what: 'file_chooser', message: 'Pages may not read files' });
      if (backendNodeId !== undefined) await cancel(session, backendNodeId);
      return;
    }
    const accept = await acceptOf(session, backendNodeId);
    if (!isShown()) {
      await cancel(session, backendNodeId);
      return;
    }
    const multiple = mode === 'selectMultiple';
    const { id, answer } = prompts.ask<'file_chooser'>(
      (name) => ({ type: 'file_chooser', id: name, multiple, accept }),
      () => isUploading(files),
    );
    const withdraw = (): void => prompts.withdraw(id);
    // Frames of a document that is replaced are not reported as detached.
    const onNavigated = ({ frame: { id: navigated, parentId } }: Protocol.Page.FrameNavigatedEvent): void => {
      const hasAll = parentId === undefined || navigated === session.target.targetId;
      if (navigated === frameId || hasAll) withdraw();
    };
    const onDetached = (detached: Protocol.Page.FrameDetachedEvent): void => {
      if (detached.frameId === frameId) withdraw();
    };
    session.on('Page.frameNavigated', onNavigated);
    session.on('Page.frameDetached', onDetached);
    session.once('Inspector.targetCrashed', withdraw);
    session.once('disconnected', withdraw);
    const answered = await answer;
    session.off('Page.frameNavigated', onNavigated);
    session.off('Page.frameDetached', onDetached);
    session.off('Inspector.targetCrashed', withdraw);
    session.off('disconnected', withdraw);
    const fileIds = 'cancel' in answered ? [] : answered.fileIds;
    const paths = (await uploadedPaths(files, fileIds)).slice(0, multiple ? undefined : 1);
    if (paths.length === 0) await cancel(session, backendNodeId);
    else await session.send('DOM.setFileInputFiles', { files: paths, backendNodeId });
  }
}

/** Whether a piece of a file has come lately: its controller is still answering. Never rejects. */
async function isUploading({ directory }: CaptureFiles): Promise<boolean> {
  const incoming = join(directory, 'incoming');
  const names = await readdir(incoming).catch(() => []);
  const paths = [join(directory, 'uploads'), ...names.map((name) => join(incoming, name))];
  const times = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return Math.max(...times) > Date.now() - ANSWER_TIMEOUT_MS;
}

/** Those that are still there. */
async function uploadedPaths(files: CaptureFiles, fileIds: readonly string[]): Promise<string[]> {
  const paths = await Promise.all(fileIds.map((fileId) => uploadedPath(files, fileId)));
  return paths.filter((path) => path !== undefined);
}

/** Each upload has a folder of its own, in which it is alone. @param fileId - letters, digits and hyphens. */
async function uploadedPath({ directory }: CaptureFiles, fileId: string): Promise<string | undefined> {
  if (!/^[\w-]+$/.test(fileId)) return undefined;
  const folder = join(directory, 'uploads', fileId);
  const [name] = await readdir(folder).catch(() => []);
  return name === undefined ? undefined : join(folder, name);
}

async function acceptOf(session: CdpSession, backendNodeId: number): Promise<string> {
  const { node } = await session.send('DOM.describeNode', { backendNodeId });
  const { attributes = [] } = node;
  const at = attributes.findIndex((name, index) => index % 2 === 0 && name === 'accept');
  return (at < 0 ? '' : (attributes[at + 1] ?? '')).slice(0, MAX_ACCEPT_LENGTH);
}

/** As a browser tells the page of a chooser that was closed (HTML, "Show the picker, if applicable"). */
async function cancel(session: CdpSession, backendNodeId: number): Promise<void> {
  const { object } = await session.send('DOM.resolveNode', { backendNodeId });
  if (object.objectId === undefined) return;
  await session.send('Runtime.callFunctionOn', {
    objectId: object.objectId,
    functionDeclaration: "function () { this.dispatchEvent(new Event('cancel', { bubbles: true })); }",
  });
  await session.send('Runtime.releaseObject', { objectId: object.objectId });
}
