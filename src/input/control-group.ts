import { AUTOMATION_ID, type ViewerRole } from '../protocol/rights.js';
import type { ResolvedControlOptions } from '../options/control-options.js';
import { StreamKitError } from '../base/errors.js';

/** One that may be given control: a viewer, or the application as {@link AUTOMATION_ID}. */
export interface ControlMember {
  /** Names it to others. */
  readonly publicId: string;
  /** What it may become. */
  readonly permittedRole: ViewerRole;
  readonly callerContext: Readonly<Record<string, unknown>> | undefined;
}

export interface ControlGroupListener<M extends ControlMember> {
  /** A member has become a controller, or is none any more. */
  onRole(member: M, role: ViewerRole): void;
  /** Another is the controller, or nobody is. */
  onController(publicId: string | null): void;
  /** One that has control is asked for it. */
  onAsked(controller: M, by: M): void;
}

/** Those that wait for control at most; who asks later has to ask again. */
const MAX_WAITING = 1000;

/** Who of a session has control. */
export class ControlGroup<M extends ControlMember> {
  readonly #streamId: string;
  readonly #options: ResolvedControlOptions;
  readonly #listener: ControlGroupListener<M>;
  readonly #members = new Map<string, M>();
  /** In the order in which they got it. */
  readonly #controllers = new Set<M>();
  /** Those that have asked for it, in order. */
  readonly #waiting = new Set<M>();
  #toldController: string | null = null;

  constructor(streamId: string, options: ResolvedControlOptions, listener: ControlGroupListener<M>) {
    this.#streamId = streamId;
    this.#options = options;
    this.#listener = listener;
  }

  /** The one that has had control the longest, by its public id. */
  get controllerId(): string | null {
    const [first] = this.#controllers;
    return first?.publicId ?? null;
  }

  isController(member: M): boolean {
    return this.#controllers.has(member);
  }

  /** @returns those that have control. */
  controllers(): readonly M[] {
    return [...this.#controllers];
  }

  /** One has come. */
  join(member: M): void {
    if (this.#members.has(member.publicId)) return;
    this.#members.set(member.publicId, member);
    const { policy, shared } = this.#options;
    const isFree = shared || this.#controllers.size === 0;
    const mayHave =
      policy === 'first'
        ? member.permittedRole === 'controller'
        : policy === 'automation' && isAutomation(member);
    if (isFree && mayHave) this.#grant(member);
  }

  /** One has gone. */
  leave(member: M): void {
    this.#members.delete(member.publicId);
    this.#waiting.delete(member);
    if (this.#controllers.delete(member)) this.#passOn();
  }

  /**
   * A member asks for control. It gets it where the policy says so; where another has it, that one is told, and it waits.
   *
   * @throws StreamKitError `forbidden` for one that never gets it.
   */
  async request(member: M): Promise<void> {
    const { policy, shared } = this.#options;
    if (member.permittedRole !== 'controller' || policy === 'none') throw forbidden();
    if (this.#controllers.has(member)) return;
    if (policy === 'first' || policy === 'automation') {
      const holders = [...this.#controllers];
      // The application gives way to a person.
      const mayTake = policy === 'automation' && holders.every(isAutomation);
      if (shared || holders.length === 0) this.#grant(member);
      else if (mayTake) {
        this.#controllers.clear();
        this.#replace(holders, member);
      } else {
        if (this.#waiting.size < MAX_WAITING) this.#waiting.add(member);
        for (const controller of this.#controllers) this.#listener.onAsked(controller, member);
      }
      return;
    }
    const { publicId, callerContext } = member;
    const { controllerId } = this;
    const isGranted = await policy({ streamId: this.#streamId, publicId, callerContext, controllerId });
    // It may have gone meanwhile.
    if (!isGranted) throw forbidden();
    if (this.#members.get(publicId) !== member || this.#controllers.has(member)) return;
    const before = shared ? [] : [...this.#controllers];
    if (!shared) this.#controllers.clear();
    this.#replace(before, member);
  }

  /** A member gives control back, or no longer waits for it. */
  release(member: M): void {
    this.#waiting.delete(member);
    if (!this.#controllers.delete(member)) return;
    this.#listener.onRole(member, 'viewer');
    this.#passOn(member);
  }

  /**
   * A member gives control back until another has had it, and then gets it after all that have asked for it.
   *
   * @throws StreamKitError `forbidden` where nobody ever gets it.
   */
  lend(member: M): void {
    if (this.#options.policy === 'none') throw forbidden();
    this.release(member);
    this.#waiting.add(member);
  }

  /** @throws StreamKitError `forbidden` where it has none to give, or the other may not have it. */
  give(member: M, to: M): void {
    if (!this.#controllers.has(member)) throw forbidden('The viewer has no control to give');
    if (to.permittedRole !== 'controller') throw forbidden('That viewer may not be given control');
    if (to === member) return;
    this.#controllers.delete(member);
    this.#replace([member], to);
  }

  /** Undefined where nobody is called so. */
  find(publicId: string): M | undefined {
    return this.#members.get(publicId);
  }

  #grant(member: M): void {
    this.#replace([], member);
  }

  #replace(before: readonly M[], member: M): void {
    this.#waiting.delete(member);
    this.#controllers.add(member);
    for (const one of before) this.#listener.onRole(one, 'viewer');
    this.#listener.onRole(member, 'controller');
    this.#tell();
  }

  /** To the one that has waited the longest, or back to the application. @param from - who has given it back. */
  #passOn(from?: M): void {
    const automation = this.#options.policy === 'automation' ? this.#members.get(AUTOMATION_ID) : undefined;
    const [next = automation === from ? undefined : automation] = this.#waiting;
    if (next !== undefined && this.#controllers.size === 0) this.#grant(next);
    else this.#tell();
  }

  #tell(): void {
    const { controllerId } = this;
    if (controllerId === this.#toldController) return;
    this.#toldController = controllerId;
    this.#listener.onController(controllerId);
  }
}

function isAutomation({ publicId }: ControlMember): boolean {
  return publicId === AUTOMATION_ID;
}

function forbidden(message = 'The viewer may not have control'): StreamKitError {
  return new StreamKitError('forbidden', message);
}
