import type { StreamConnection } from '@open-game-system/stream-kit-server/client';

import { any } from './elements.js';

/** Something over the picture by which the one who has control gives input; hidden until it is shown. */
export abstract class PictureOverlay {
  protected readonly element: HTMLElement;
  #connection: StreamConnection | undefined;

  /** @param id - of its element. */
  protected constructor(id: string) {
    this.element = any(id);
  }

  get isShown(): boolean {
    return !this.element.hidden;
  }

  follow(connection: StreamConnection): void {
    this.stop();
    this.#connection = connection;
    connection.on('role', ({ role }) => {
      if (role !== 'controller') this.hide();
    });
  }

  stop(): void {
    this.hide();
    this.#connection = undefined;
  }

  show(): void {
    this.element.hidden = false;
  }

  hide(): void {
    this.element.hidden = true;
  }

  protected send(message: object): void {
    this.#connection?.sendInput(message);
  }
}
