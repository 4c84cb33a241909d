/** A command of the domain `Input` in a session. */
export interface InputCommand {
  readonly sessionId: string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** What one guest holds at most; what it presses beyond is not released for it. */
const MAX_HELD = 64;

/** The keys, buttons and touches that a guest holds, so that they can be let go of when it loses control or leaves. */
export class CdpGuestHeld {
  /** The commands that release them, by what is held. */
  readonly #releases = new Map<string, InputCommand>();

  /** A command that is sent to the page: hostile. */
  note({ sessionId, method, params }: InputCommand): void {
    const { type, modifiers, x, y } = params;
    const hold = (name: string, release: Readonly<Record<string, unknown>>): void => {
      if (this.#releases.size >= MAX_HELD && !this.#releases.has(name)) return;
      this.#releases.set(name, { sessionId, method, params: release });
    };
    if (method === 'Input.dispatchKeyEvent') {
      const { key, code, windowsVirtualKeyCode, location } = params;
      const name = `key ${sessionId} ${shortText(code)} ${shortText(key)}`;
      if (type === 'keyDown' || type === 'rawKeyDown') {
        hold(name, { type: 'keyUp', key, code, windowsVirtualKeyCode, location });
      } else if (type === 'keyUp') this.#releases.delete(name);
    } else if (method === 'Input.dispatchMouseEvent') {
      const { button, clickCount } = params;
      const name = `button ${sessionId} ${shortText(button)}`;
      if (type === 'mousePressed') hold(name, { type: 'mouseReleased', x, y, button, clickCount, modifiers });
      else if (type === 'mouseReleased') this.#releases.delete(name);
      else if (type === 'mouseMoved') this.#move(sessionId, x, y);
    } else if (method === 'Input.dispatchTouchEvent') {
      const name = `touch ${sessionId}`;
      if (type === 'touchStart' || type === 'touchMove') hold(name, { type: 'touchCancel', touchPoints: [] });
      else if (type === 'touchEnd' || type === 'touchCancel') this.#releases.delete(name);
    }
  }

  /** The session is gone, and with it what was held in its page. */
  forget(sessionId: string): void {
    for (const [name, command] of this.#releases)
      if (command.sessionId === sessionId) this.#releases.delete(name);
  }

  /** @returns what lets go of all that is held; once. */
  take(): readonly InputCommand[] {
    const commands = [...this.#releases.values()];
    this.#releases.clear();
    return commands;
  }

  /** Buttons are released where the pointer is. */
  #move(sessionId: string, x: unknown, y: unknown): void {
    for (const [name, command] of this.#releases) {
      if (command.sessionId === sessionId && command.params.type === 'mouseReleased')
        this.#releases.set(name, { ...command, params: { ...command.params, x, y } });
    }
  }
}

/** What a guest names is not kept at any length. */
function shortText(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 40) : '';
}
