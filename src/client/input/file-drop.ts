import { placeIn, type Box } from '../media/picture-place.js';

/** Of files in one drop, as the server takes them. */
const MAX_FILES = 100;

export interface FileDropParameters {
  /** Where the picture is, CSS pixels of the window. */
  readonly picture: () => Box;
  /** Takes a file to the server. */
  readonly upload: (file: File) => Promise<{ fileId: string }>;
  readonly send: (message: object) => boolean;
  /** Files were dropped; `given` resolves when the page has been given them, and rejects where it cannot be. */
  readonly onDrop: (files: readonly File[], given: Promise<void>) => void;
}

/** Files that the user drags from the desktop onto the picture: they are uploaded, and dropped on the page at that place. */
export class FileDrop {
  readonly #parameters: FileDropParameters;

  constructor(parameters: FileDropParameters) {
    this.#parameters = parameters;
  }

  /** Says to the browser that the files may be dropped here. */
  over(event: DragEvent): void {
    if (event.dataTransfer?.types.includes('Files') !== true) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = this.#placeOf(event) === undefined ? 'none' : 'copy';
  }

  drop(event: DragEvent): void {
    const files = [...(event.dataTransfer?.files ?? [])].slice(0, MAX_FILES);
    if (files.length === 0) return;
    // Or the browser would open them in place of this page.
    event.preventDefault();
    const place = this.#placeOf(event);
    if (place === undefined) return;
    const given = this.#give(files, place);
    given.catch(() => undefined);
    this.#parameters.onDrop(files, given);
  }

  #placeOf({ clientX, clientY }: DragEvent): { x: number; y: number } | undefined {
    return placeIn(this.#parameters.picture(), clientX, clientY);
  }

  async #give(files: readonly File[], place: { x: number; y: number }): Promise<void> {
    const fileIds: string[] = [];
    for (const file of files) fileIds.push((await this.#parameters.upload(file)).fileId);
    if (!this.#parameters.send({ type: 'drop', ...place, fileIds }))
      throw new Error('The connection is lost');
  }
}
