import {
  controlStream,
  type InputControl,
  type StreamConnection,
} from '@open-game-system/stream-kit-server/client';

import { any, button } from './elements.js';
import { LatencyMeter } from './latency-meter.js';

/** Who plays: says it, lets it be asked for and given back, and sends what the one who has it does in the picture. */
export class ControlView {
  readonly #video: HTMLVideoElement;
  readonly #tell: (text: string) => void;
  readonly #stage = any('stage');
  readonly #pilot = any('pilot');
  readonly #button = button('take');
  readonly #meter: LatencyMeter;
  #connection: StreamConnection | undefined;
  #control: InputControl | undefined;
  #hasAsked = false;

  /** @param tell - shows a sentence for a moment. */
  constructor(video: HTMLVideoElement, tell: (text: string) => void) {
    this.#video = video;
    this.#tell = tell;
    this.#meter = new LatencyMeter(video, any('input-latency'));
    this.#button.addEventListener('click', () => this.#toggle());
    for (const name of ['focusin', 'focusout']) this.#stage.addEventListener(name, () => this.#show());
  }

  /** Whether this viewer plays: the picture is its own to press on. */
  get isPlaying(): boolean {
    return this.#connection?.role === 'controller';
  }

  /** Whether keys go to the page that is streamed. */
  get hasKeys(): boolean {
    return this.#control?.focused ?? false;
  }

  follow(connection: StreamConnection): void {
    this.stop();
    this.#connection = connection;
    for (const name of ['role', 'viewer', 'state'] as const) connection.on(name, () => this.#show());
    connection.on('controlRequested', ({ publicId }) => this.#tell(`Viewer ${publicId} would like to play`));
    this.#show();
    controlStream(connection, this.#video, {
      // Full screen and a way out for those without a mouse.
      acceptKey: ({ key, shiftKey }) => key !== 'F11' && !(shiftKey && key === 'Escape'),
      onPress: () => this.#meter.press(),
      onDrop: (files, given) => this.#showDrop(files.length, given),
    }).then(
      (control) => {
        if (this.#connection === connection) this.#control = control;
        else control.stop();
      },
      () => this.#tell('The controls could not be loaded.'),
    );
  }

  /** The connection has ended. */
  stop(): void {
    this.#control?.stop();
    this.#control = undefined;
    this.#connection = undefined;
    this.#hasAsked = false;
    this.#meter.reset();
    this.#stage.classList.remove('playing');
  }

  /** For another one, who shall not wait until the server misses this one. */
  async handBack(): Promise<void> {
    if (this.isPlaying) await this.#connection?.releaseControl().catch(() => undefined);
  }

  /** Gives the keys back to this page. */
  leave(): void {
    this.#control?.blur();
  }

  /** The keyboard of a phone; to be called from a click. */
  showKeyboard(): void {
    this.#control?.showKeyboard();
  }

  #showDrop(count: number, given: Promise<void>): void {
    const what = count === 1 ? 'The file' : `${count} files`;
    this.#tell(`Uploading ${count === 1 ? 'a file' : what}…`);
    given.then(
      () => this.#tell(`${what} dropped on the page`),
      (error: unknown) => this.#tell(error instanceof Error ? error.message : 'The upload failed.'),
    );
  }

  #toggle(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const wasPlaying = this.isPlaying;
    this.#hasAsked = !wasPlaying;
    (wasPlaying ? connection.releaseControl() : connection.requestControl())
      .catch((error: unknown) => {
        this.#hasAsked = false;
        this.#tell(error instanceof Error ? error.message : 'That did not work.');
      })
      .finally(() => this.#show());
  }

  #show(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const { controllerId, publicId } = connection;
    if (this.isPlaying && this.#hasAsked) {
      this.#hasAsked = false;
      // Who has asked for it wants to play right away; once all have heard of the role.
      queueMicrotask(() => this.#control?.focus());
    }
    this.#stage.classList.toggle('playing', this.isPlaying);
    this.#pilot.textContent = this.isPlaying
      ? this.hasKeys
        ? 'You have control; Shift+Escape gives the keys back'
        : 'Click the picture to play'
      : controllerId === null || controllerId === publicId
        ? 'Nobody has control'
        : `Viewer ${controllerId} has control`;
    this.#button.textContent = this.isPlaying ? 'Release control' : this.#hasAsked ? 'Asked' : 'Take control';
    this.#button.disabled = this.#hasAsked;
  }
}
