import { randomBytes } from 'node:crypto';

import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { CdpSession } from './cdp-connection.js';
import type { ScriptCall, ScriptNames } from './page-scripts.js';

export interface FrameScriptsParameters {
  /** Runs in every frame before any script of its own, among them. Serialized. */
  readonly inPage: (names: ScriptNames) => void;
  /** They run in every frame beside the page, in a world of their own. Serialized. */
  readonly beside: readonly ((names: ScriptNames) => void)[];
  /** One of those beside has called, in this frame. */
  readonly onCall: (call: ScriptCall, frame: ScriptFrame) => void;
}

/** The scripts beside the page in one frame. */
export interface ScriptFrame {
  /** Names the document. */
  readonly key: string;
  /** Calls a function of theirs. */
  call(name: string, value?: unknown): Promise<unknown>;
  /** Calls one that gives an element. Undefined: it gives none. */
  element(name: string): Promise<{ session: CdpSession; objectId: string } | undefined>;
}

/** One document: where a script of ours runs. What it is told is the latest of its name, one at a time. */
interface Context {
  readonly session: CdpSession;
  /** As the calls of the session name it. */
  readonly contextId: number;
  readonly uniqueId: string;
  readonly isInPage: boolean;
  readonly isMainFrame: boolean;
  isBusy: boolean;
  due: Set<string>;
}

/** Frames beyond this are not told; a page may have thousands. */
const CONTEXTS_MAX = 128;
/** A call of the one beside: 64 KiB of text, each byte as up to six in JSON. */
const CALL_BYTES_MAX = 400 * 1024;

/** Scripts in every frame of a page, those in processes of their own among them, and the way to them and back. */
export class FrameScripts {
  readonly #parameters: FrameScriptsParameters;
  readonly #logger: Logger;
  readonly #worldName = `w${randomBytes(8).toString('hex')}`;
  readonly #names: ScriptNames = {
    binding: `b${randomBytes(8).toString('hex')}`,
    receiver: `r${randomBytes(8).toString('hex')}`,
    copied: `c${randomBytes(8).toString('hex')}`,
    rumbled: `v${randomBytes(8).toString('hex')}`,
  };
  readonly #contexts = new Map<string, Context>();
  /** What was told last, by name. */
  readonly #told = new Map<string, unknown>();
  #closed = false;

  private constructor(parameters: FrameScriptsParameters, logger: Logger) {
    this.#parameters = parameters;
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
    const context = [...this.#contexts.values()].find(
      ({ isInPage, isMainFrame }) => !isInPage && isMainFrame,
    );
    if (context === undefined || this.#closed) throw new Error('There is no document');
    return this.#call(context, name, value, true);
  }

  /** Calls the scripts beside the page in every frame. Frames that go meanwhile are passed over. */
  async callEveryBeside(name: string): Promise<void> {
    const beside = [...this.#contexts.values()].filter(({ isInPage }) => !isInPage);
    await Promise.allSettled(beside.map((context) => this.#call(context, name, undefined)));
  }

  close(): void {
    this.#closed = true;
    this.#contexts.clear();
  }

  async #prepare(session: CdpSession, isMain: boolean): Promise<void> {
    const { inPage, beside } = this.#parameters;
    const { binding } = this.#names;
    session.on('Runtime.bindingCalled', ({ name, payload, executionContextId }) => {
      if (name !== binding) return;
      const context = [...this.#contexts.values()].find(
        (one) => one.session === session && one.contextId === executionContextId,
      );
      if (context !== undefined) this.#onCall(payload, context);
    });
    session.on('Runtime.executionContextCreated', ({ context }) => {
      const { isDefault = false, frameId } = (context.auxData ?? {}) as {
        isDefault?: boolean;
        frameId?: string;
      };
      if (!isDefault && context.name !== this.#worldName) return;
      if (this.#closed || this.#contexts.size >= CONTEXTS_MAX) return;
      const { uniqueId } = context;
      // The main frame of a tab has the name of its target.
      const isMainFrame = isMain && frameId === session.target.targetId;
      const added = {
        session,
        contextId: context.id,
        uniqueId,
        isInPage: isDefault,
        isMainFrame,
        isBusy: false,
        due: new Set<string>(),
      };
      this.#contexts.set(uniqueId, added);
      for (const name of this.#told.keys()) this.#tell(added, name);
    });
    session.on('Runtime.executionContextDestroyed', ({ executionContextUniqueId }) => {
      this.#contexts.delete(executionContextUniqueId);
    });
    const forget = (): void => {
      for (const [id, context] of this.#contexts) if (context.session === session) this.#contexts.delete(id);
    };
    session.on('Runtime.executionContextsCleared', forget);
    session.once('disconnected', forget);
    session.on('sessionattached', (child) => {
      // A frame of another site has a process and a session of its own. Workers come too: whatever the filter says, they
      // would wait for a debugger.
      const work = child.target.type === 'iframe' ? this.#prepare(child, false) : Promise.resolve();
      work
        .catch((thrown: unknown) => this.#logger.debug({ err: asError(thrown) }, 'a frame was gone'))
        .then(() => child.send('Runtime.runIfWaitingForDebugger'))
        .then(() => (child.target.type === 'iframe' ? undefined : child.detach()))
        .catch(() => undefined);
    });
    const source = (script: (names: ScriptNames) => void): string =>
      `(${script.toString()})(${JSON.stringify(this.#names)})`;
    await Promise.all([
      session.send('Runtime.enable'),
      session.send('Page.enable'),
      session.send('Runtime.addBinding', { name: binding, executionContextName: this.#worldName }),
      // A tab that the page has opened may have its document already.
      session.send('Page.addScriptToEvaluateOnNewDocument', {
        source: source(inPage),
        runImmediately: true,
      }),
      ...beside.map((script) =>
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
  }

  #onCall(payload: string, context: Context): void {
    if (this.#closed || payload.length > CALL_BYTES_MAX) return;
    let call: unknown;
    try {
      call = JSON.parse(payload);
    } catch {
      return;
    }
    if (!isCall(call)) return;
    this.#parameters.onCall(call, {
      key: context.uniqueId,
      call: (name, value) => this.#call(context, name, value, true),
      element: (name) => this.#element(context, name),
    });
  }

  #tell(context: Context, name: string): void {
    if (!context.isInPage || this.#closed) return;
    context.due.add(name);
    if (!context.isBusy) void this.#pump(context);
  }

  async #pump(context: Context): Promise<void> {
    context.isBusy = true;
    for (const name of context.due) {
      context.due.delete(name);
      // A document may go at any time.
      await this.#call(context, name, this.#told.get(name)).catch(() => undefined);
    }
    context.isBusy = false;
  }

  async #call(
    { session, uniqueId }: Context,
    name: string,
    value: unknown,
    userGesture = false,
  ): Promise<unknown> {
    const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
      expression: this.#expression(name, value),
      uniqueContextId: uniqueId,
      userGesture,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text);
    return result.value;
  }

  async #element(
    { session, uniqueId }: Context,
    name: string,
  ): Promise<{ session: CdpSession; objectId: string } | undefined> {
    const { result } = await session.send('Runtime.evaluate', {
      expression: this.#expression(name, undefined),
      uniqueContextId: uniqueId,
    });
    return result.objectId === undefined ? undefined : { session, objectId: result.objectId };
  }

  #expression(name: string, value: unknown): string {
    const receiver = `globalThis[Symbol.for(${JSON.stringify(this.#names.receiver)})]`;
    return `${receiver}?.[${JSON.stringify(name)}]?.(${value === undefined ? '' : JSON.stringify(value)})`;
  }
}

const CALL_TYPES = new Set(['cursor', 'clipboard', 'widget', 'editing', 'pointer_lock', 'rumble', 'late']);

function isCall(value: unknown): value is ScriptCall {
  if (typeof value !== 'object' || value === null || !('type' in value) || !('value' in value)) return false;
  return typeof value.type === 'string' && CALL_TYPES.has(value.type);
}
