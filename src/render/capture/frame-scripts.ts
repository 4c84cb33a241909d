import { randomBytes } from 'node:crypto';

import type { Protocol } from 'puppeteer';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { CdpSession } from './cdp-connection.js';
import { relayCalls } from './call-relay.js';
import type { ScriptCall, ScriptNames } from './page-scripts.js';

export interface FrameScriptsParameters {
  readonly names: ScriptNames;
  /** Runs in every frame before any script of its own, among them. Serialized. */
  readonly inPage: (names: ScriptNames) => void;
  /** They run in every frame beside the page, in a world of their own. Serialized. */
  readonly beside: readonly ((names: ScriptNames) => void)[];
  /** Prepares the session of the tab, and that of each frame that has a process of its own. */
  readonly prepare: (session: CdpSession) => Promise<unknown>;
  /** One of those beside has called, in this frame. */
  readonly onCall: (call: ScriptCall, frame: ScriptFrame) => void;
  /** The main frame of the tab has another document. */
  readonly onNavigated: () => void;
  /** A document is gone, with all that it has said and not taken back. @param key - of its {@link ScriptFrame}. */
  readonly onGone: (key: string) => void;
}

/** An element of a page, for calls of the DevTools protocol. */
export interface FrameElement {
  readonly session: CdpSession;
  readonly objectId: string;
}

/** The scripts beside the page in one frame. */
export interface ScriptFrame {
  /** Names the document. */
  readonly key: string;
  readonly isMainFrame: boolean;
  /** Calls a function of theirs. */
  call(name: string, value?: unknown): Promise<unknown>;
  /**
   * Tells the script in the page of this document something once, and not by a gesture of the user.
   *
   * @returns whether the document had it. Otherwise it is gone.
   */
  tellPage(name: string, value: unknown): Promise<boolean>;
  /** Calls one that gives an element. Undefined: it gives none. */
  element(name: string): Promise<FrameElement | undefined>;
}

/** One document: where the scripts beside the page run. What it is told is the latest of its name, one at a time. */
interface Context {
  readonly session: CdpSession;
  readonly frameId: string;
  /** As the calls of the session name it. */
  readonly contextId: number;
  readonly key: string;
  readonly isMainFrame: boolean;
  isBusy: boolean;
  due: Set<string>;
}

/** Frames beside the main one and beyond this are not told; a page may have thousands. */
const CONTEXTS_MAX = 128;

/**
 * Scripts in every frame of a page, those in processes of their own among them, and the way to them and back.
 *
 * The domain `Runtime` stays disabled: with it, Chromium would send us every value that the page logs or throws, whatever
 * its size, and the page would answer nothing for as long. So frames are found by the domain `Page`, and only the world
 * beside the page has a binding.
 */
export class FrameScripts {
  readonly #parameters: FrameScriptsParameters;
  readonly #logger: Logger;
  readonly #worldName = `w${randomBytes(8).toString('hex')}`;
  readonly #names: ScriptNames;
  /** By frame. */
  readonly #contexts = new Map<string, Context>();
  /** The sessions of frames that have a process of their own, by frame. */
  readonly #ownSessions = new Map<string, CdpSession>();
  /** What was told last, by name. */
  readonly #told = new Map<string, unknown>();
  #documents = 0;
  /** Frames of the main frame's document that are being looked at, by id. */
  #entering = new Set<string>();
  #closed = false;

  private constructor(parameters: FrameScriptsParameters, logger: Logger) {
    this.#parameters = parameters;
    this.#names = parameters.names;
    this.#logger = logger;
  }

  /** Into every document that is loaded from now on. */
  static async install(
    cdp: CdpSession,
    parameters: FrameScriptsParameters,
    logger: Logger,
  ): Promise<FrameScripts> {
    const scripts = new FrameScripts(parameters, logger);
    await scripts.#prepare(cdp, true);
    return scripts;
  }

  /** Tells the script in the page of every frame, now and later. Of what comes faster than it is taken the latest counts. */
  tellPage(name: string, value: unknown): void {
    this.#told.set(name, value);
    for (const context of this.#contexts.values()) this.#tell(context, name);
  }

  /** Calls the script beside the page in the main frame, as if by a gesture of the user. */
  async callBeside(name: string, value: unknown): Promise<unknown> {
    const context = [...this.#contexts.values()].find(({ isMainFrame }) => isMainFrame);
    if (context === undefined || this.#closed) throw new Error('There is no document');
    return this.#call(context, name, value, true);
  }

  /** Calls the scripts beside the page in every frame. Frames that go meanwhile are passed over. */
  async callEveryBeside(name: string): Promise<void> {
    const contexts = [...this.#contexts.values()];
    await Promise.allSettled(contexts.map((context) => this.#call(context, name, undefined)));
  }

  close(): void {
    this.#closed = true;
    this.#contexts.clear();
  }

  async #prepare(session: CdpSession, isMain: boolean): Promise<void> {
    const { inPage, beside } = this.#parameters;
    session.on('Runtime.bindingCalled', ({ name, payload, executionContextId }) => {
      if (name !== this.#names.binding) return;
      const context = [...this.#contexts.values()].find(
        (one) => one.session === session && one.contextId === executionContextId,
      );
      if (context !== undefined) this.#onCall(payload, context);
    });
    const enter = (frameId: string, isMainFrame: boolean): void => {
      this.#enter(session, frameId, isMainFrame).catch((thrown: unknown) => {
        this.#logger.debug({ err: asError(thrown) }, 'a document was gone');
      });
    };
    const adopt = (child: CdpSession): Promise<void> => {
      const { targetId: frameId } = child.target;
      this.#ownSessions.set(frameId, child);
      child.once('disconnected', () => {
        if (this.#ownSessions.get(frameId) !== child) return;
        this.#ownSessions.delete(frameId);
        // It may have come back into this process, which may have been reported before.
        enter(frameId, false);
      });
      return this.#prepare(child, false);
    };
    session.on('Page.frameAttached', ({ frameId }) => enter(frameId, false));
    session.on('Page.frameNavigated', ({ frame }) => {
      const isMainFrame = isMain && frame.parentId === undefined;
      // The frames of the document before are not reported as detached.
      if (isMainFrame || frame.id === session.target.targetId) this.#forget(session);
      else this.#forget(session, frame.id);
      // Those that were being looked at would count for as long as a busy process takes to answer for them.
      if (isMainFrame) this.#entering = new Set();
      if (isMainFrame && !this.#closed) this.#parameters.onNavigated();
      enter(frame.id, isMainFrame);
    });
    session.on('Page.frameDetached', ({ frameId }) => this.#forget(session, frameId));
    session.on('Inspector.targetCrashed', () => this.#forget(session));
    session.once('disconnected', () => this.#forget(session));
    session.on('sessionattached', (child) => {
      // A frame of another site has a process and a session of its own. Workers come too: whatever the filter says, they
      // would wait for a debugger.
      const work = child.target.type === 'iframe' ? adopt(child) : Promise.resolve();
      work
        .catch((thrown: unknown) => this.#logger.debug({ err: asError(thrown) }, 'a frame was gone'))
        .then(() => child.send('Runtime.runIfWaitingForDebugger'))
        .then(() => (child.target.type === 'iframe' ? undefined : child.detach()))
        .catch(() => undefined);
    });
    const source = (script: (names: ScriptNames) => void): string =>
      `(${script.toString()})(${JSON.stringify(this.#names)})`;
    await Promise.all([
      session.send('Page.enable'),
      this.#parameters.prepare(session),
      // A tab that the page has opened may have its document already.
      session.send('Page.addScriptToEvaluateOnNewDocument', {
        source: source(inPage),
        runImmediately: true,
      }),
      ...[relayCalls, ...beside].map((script) =>
        session.send('Page.addScriptToEvaluateOnNewDocument', {
          source: source(script),
          worldName: this.#worldName,
          runImmediately: true,
        }),
      ),
      session.send('Target.setAutoAttach', {
        autoAttach: true,
        // Not before it has our scripts.
        waitForDebuggerOnStart: true,
        flatten: true,
      }),
    ]);
    // What is there already.
    const { frameTree } = await session.send('Page.getFrameTree');
    const visit = ({ frame, childFrames = [] }: Protocol.Page.FrameTree): void => {
      enter(frame.id, isMain && frame.parentId === undefined);
      for (const child of childFrames) visit(child);
    };
    visit(frameTree);
  }

  /**
   * Whether a frame has another process than that of this session. A process that is busy reports frames, and answers for
   * them, after they have left it.
   */
  #isElsewhere(frameId: string, session: CdpSession): boolean {
    return (this.#ownSessions.get(frameId) ?? session) !== session;
  }

  /** The documents of a session are gone. @param frameId - undefined: of all its frames. */
  #forget(session: CdpSession, frameId?: string): void {
    for (const context of [...this.#contexts.values()]) {
      if (context.session !== session || (frameId !== undefined && context.frameId !== frameId)) continue;
      this.#contexts.delete(context.frameId);
      this.#parameters.onGone(context.key);
    }
  }

  /** Makes the way to and from the document that a frame has now. */
  async #enter(session: CdpSession, frameId: string, isMainFrame: boolean): Promise<void> {
    if (this.#closed || this.#isElsewhere(frameId, session)) return;
    const entering = this.#entering;
    const others = new Set([...this.#contexts.keys(), ...entering]);
    others.delete(frameId);
    if (!isMainFrame && others.size >= CONTEXTS_MAX) return;
    entering.add(frameId);
    try {
      // It exists, since scripts of ours ran in it, and keeps its name with each document.
      const { executionContextId: contextId } = await session.send('Page.createIsolatedWorld', {
        ...{ frameId, worldName: this.#worldName },
      });
      if (this.#isElsewhere(frameId, session)) return;
      const former = this.#contexts.get(frameId);
      // It was reported twice.
      if (former?.session === session && former.contextId === contextId) return;
      if (former !== undefined) this.#forget(former.session, frameId);
      const key = String(++this.#documents);
      const context = {
        session,
        frameId,
        contextId,
        key,
        isMainFrame,
        isBusy: false,
        due: new Set<string>(),
      };
      this.#contexts.set(frameId, context);
      const { binding } = this.#names;
      // By the name of the context it would need the domain `Runtime`.
      // oxlint-disable-next-line typescript/no-deprecated -- see above.
      await session.send('Runtime.addBinding', { name: binding, executionContextId: contextId });
      await this.#call(context, 'connect', undefined);
      for (const name of this.#told.keys()) this.#tell(context, name);
    } finally {
      entering.delete(frameId);
    }
  }

  #onCall(payload: string, context: Context): void {
    if (this.#closed) return;
    let call: unknown;
    try {
      call = JSON.parse(payload);
    } catch {
      return;
    }
    if (!isCall(call)) return;
    this.#parameters.onCall(call, {
      key: context.key,
      isMainFrame: context.isMainFrame,
      call: (name, value) => this.#call(context, name, value, true),
      tellPage: (name, value) =>
        this.#call(context, 'tellPage', { [name]: value }).then(
          (isTold) => isTold === true,
          () => false,
        ),
      element: (name) => this.#element(context, name),
    });
  }

  #tell(context: Context, name: string): void {
    if (this.#closed) return;
    context.due.add(name);
    if (!context.isBusy) void this.#pump(context);
  }

  async #pump(context: Context): Promise<void> {
    context.isBusy = true;
    for (const name of context.due) {
      context.due.delete(name);
      // A document may go at any time.
      await this.#call(context, 'tellPage', { [name]: this.#told.get(name) }).catch(() => undefined);
    }
    context.isBusy = false;
  }

  async #call(
    { session, contextId }: Context,
    name: string,
    value: unknown,
    userGesture = false,
  ): Promise<unknown> {
    const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
      expression: this.#expression(name, value),
      contextId,
      userGesture,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text);
    return result.value;
  }

  async #element({ session, contextId }: Context, name: string): Promise<FrameElement | undefined> {
    const { result } = await session.send('Runtime.evaluate', {
      expression: this.#expression(name, undefined),
      contextId,
    });
    return result.objectId === undefined ? undefined : { session, objectId: result.objectId };
  }

  #expression(name: string, value: unknown): string {
    const receiver = `globalThis[Symbol.for(${JSON.stringify(this.#names.receiver)})]`;
    return `${receiver}?.[${JSON.stringify(name)}]?.(${value === undefined ? '' : JSON.stringify(value)})`;
  }
}

const CALL_TYPES = new Set([
  'bridge',
  'cursor',
  'clipboard',
  'clipboard_image',
  'widget',
  'editing',
  'pointer_lock',
  'rumble',
  'close',
  'late',
]);

function isCall(value: unknown): value is ScriptCall {
  if (typeof value !== 'object' || value === null || !('type' in value) || !('value' in value)) return false;
  return typeof value.type === 'string' && CALL_TYPES.has(value.type);
}
