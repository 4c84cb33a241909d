import type { ViewerRole } from '../protocol/rights.js';
import type { ViewerDiagnostics } from '../protocol/session-diagnostics.js';
import { publicIdPayload } from '../protocol/signals.js';
import type { ViewerBounds } from '../protocol/viewer-bounds.js';
import { StreamKitError } from '../base/errors.js';
import type { Caller } from './caller.js';
import { obeys, viewerRoleOf } from './caller.js';
import { customSignal } from './server-sent-event.js';
import type { OpenSeat } from './session-control.js';
import { NO_MEDIA } from './session-diagnostics.js';
import { type SessionViewer, sessionViewer } from './session-viewer.js';
import { ViewerInput } from './viewer-input.js';
import { changedWishes, shownBounds, type ViewerLimits, type ViewerWishes } from './viewer-limits.js';
import type { ViewerLog } from './viewer-log.js';
import type { ViewerMedia } from './viewer-media.js';
import type { WebSocketLink } from './websocket-link.js';

export interface ViewerParameters {
  /** A secret: whoever has it acts for this viewer. */
  readonly id: string;
  /** Who has made it. */
  readonly caller: Caller;
  readonly log: ViewerLog;
  /** What it wants at most. Default: no limit. */
  readonly wishes?: ViewerWishes;
  readonly openSeat: OpenSeat;
  /** Of the viewer with this secret id. */
  readonly findPublicId: (viewerId: string) => string | undefined;
}

/** The way by which a viewer has come, unless that is a WebSocket. */
export interface ViewerLink {
  /** Undefined where there is, or was, no peer. */
  readonly media: ViewerMedia | undefined;
  readonly attached: boolean;
  /** When it was lost, for a while; undefined for one that is there, or has not come yet. */
  readonly awaySinceUs: number | undefined;
  /** Its picture and sound come from a media server. Default: they do not. */
  readonly isElsewhere?: boolean;
  /** False: there is nothing to send it on. */
  sendSignal(event: Uint8Array): boolean;
  /** There is a new patch. */
  sendPatches(): void;
  /** Tells the client, and closes what there is. Idempotent. */
  close(reason: string): Promise<void>;
}

/**
 * One client of a session, by whatever links it has: an event stream with the peer that is offered over it, a peer that it has
 * offered itself (WHEP), a WebSocket. It comes with one of them; one with an event stream may have a WebSocket as well.
 */
export class Viewer {
  /** A secret. */
  readonly id: string;
  readonly caller: Caller;
  readonly log: ViewerLog;
  readonly input: ViewerInput;
  /** Set once, by who makes the viewer; undefined for one that has a WebSocket alone. */
  link: ViewerLink | undefined;
  #socket: WebSocketLink | undefined;
  #limits: ViewerLimits;
  #isGone = false;

  constructor({ id, caller, log, wishes = {}, openSeat, findPublicId }: ViewerParameters) {
    this.id = id;
    this.caller = caller;
    this.log = log;
    this.#limits = { wishes, bounds: {} };
    this.input = new ViewerInput(openSeat, findPublicId, {
      // The channels of the seat tell it too.
      onRole: (roles) => void this.link?.sendSignal(customSignal('role', roles)),
      onAsked: (publicId) => this.#ask(publicId),
    });
  }

  /** Names it to others. */
  get publicId(): string {
    return this.log.publicId;
  }

  get role(): ViewerRole {
    return this.input.seat.role;
  }

  /** What it may become; a `viewer` is never given control. */
  get permittedRole(): ViewerRole {
    return viewerRoleOf(this.caller);
  }

  /** Undefined where it has, or had, no peer. */
  get media(): ViewerMedia | undefined {
    return this.link?.media;
  }

  /** Its WebSocket is open. */
  get hasSocket(): boolean {
    return this.#socket !== undefined;
  }

  /** One of its links is open. */
  get attached(): boolean {
    return this.link?.attached === true || this.hasSocket;
  }

  /** When it lost its last link, for a while; undefined for one that is there, or has not come yet. */
  get awaySinceUs(): number | undefined {
    return this.hasSocket ? undefined : this.link?.awaySinceUs;
  }

  /** The session knows it no more. */
  get gone(): boolean {
    return this.#isGone;
  }

  /** What it gets at most. */
  get limits(): ViewerLimits {
    return this.#limits;
  }

  get diagnostics(): ViewerDiagnostics {
    const media = this.media?.diagnostics ?? NO_MEDIA;
    const elsewhere = this.link?.isElsewhere === true;
    const { wishes, bounds } = this.#limits;
    const shown = { wishes: shownBounds(wishes), bounds: shownBounds(bounds) };
    return { publicId: this.publicId, attached: this.attached, elsewhere, ...shown, ...media };
  }

  /** As the application sees it. */
  get description(): SessionViewer {
    return sessionViewer(this.caller, { ...this.diagnostics, role: this.role });
  }

  /** Changes what it wants at most. @throws StreamKitError `unprocessable` for what is no such change. */
  setWishes(change: unknown): void {
    this.#setLimits({ ...this.#limits, wishes: changedWishes(this.#limits.wishes, change, 'unprocessable') });
  }

  /**
   * Changes what it is allowed at most.
   *
   * @returns the bounds in force.
   * @throws StreamKitError `bad_request` for what is no such change, `conflict` for a viewer that has a WebSocket alone.
   */
  setBounds(change: unknown): ViewerBounds {
    const bounds = changedWishes(this.#limits.bounds, change, 'bad_request');
    if (this.link === undefined) {
      const sentence = 'The viewer has a WebSocket alone: all viewers by WebSocket get the same pictures';
      throw new StreamKitError('conflict', sentence);
    }
    this.#setLimits({ ...this.#limits, bounds });
    return shownBounds(bounds);
  }

  obeys(caller: Caller): boolean {
    return obeys(this.caller, caller);
  }

  /** Takes a WebSocket. @returns the one that it had, which is of no more use. */
  takeSocket(socket: WebSocketLink): WebSocketLink | undefined {
    const previous = this.#socket;
    this.#socket = socket;
    socket.arrive((listener) => this.input.openChannel(listener));
    return previous;
  }

  /** A WebSocket has closed, which may be one that another has replaced. */
  dropSocket(socket: WebSocketLink): void {
    if (this.#socket === socket) this.#socket = undefined;
  }

  /** Closes its WebSocket, if it has one, with a code of RFC 6455 section 7.4.1. */
  closeSocket(code: number, reason: string): void {
    this.#socket?.close(code, reason);
  }

  /** Tells the client, ends its event stream and shuts its peer. A WebSocket that still reads goes on. Idempotent. */
  async close(reason: string): Promise<void> {
    this.#isGone = true;
    this.input.seat.leave();
    await this.link?.close(reason);
  }

  #setLimits(limits: ViewerLimits): void {
    this.#limits = limits;
    this.media?.setLimits(limits);
  }

  /** Another viewer asks for the control that this one has. */
  #ask(publicId: string): void {
    const payload = publicIdPayload(publicId);
    if (this.link?.sendSignal(customSignal('control_requested', payload)) === true) return;
    this.#socket?.tell(JSON.stringify({ type: 'control_requested', ...payload }));
  }
}
