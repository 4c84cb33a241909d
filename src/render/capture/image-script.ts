import type { ScriptNames } from './page-scripts.js';

/**
 * Runs in every frame beside the page; serialized, so it uses nothing from outside. Tells a PNG that the page has copied, in parts
 * that the way to us takes.
 */
export function watchImages(names: ScriptNames): void {
  interface Reader {
    result: unknown;
    onload: () => void;
    readAsDataURL(image: object): void;
  }
  const scope = globalThis as unknown as Record<string, (text: string) => void> & {
    Blob: new () => { size: number };
    FileReader: new () => Reader;
    addEventListener(type: string, listener: (event: { detail: unknown }) => void): void;
  };
  const MAX_BYTES = 600 * 1024;
  /** Base64, of whole groups of three bytes. */
  const PART_LENGTH = 48 * 1024;

  scope.addEventListener(names.copiedImage, ({ detail: image }) => {
    if (!(image instanceof scope.Blob) || image.size === 0) return;
    const tell = (value: object): void =>
      scope[names.call]?.(JSON.stringify({ type: 'clipboard_image', value }));
    if (image.size > MAX_BYTES) {
      tell({ tooLarge: true });
      return;
    }
    const reader = new scope.FileReader();
    reader.onload = () => {
      const url = String(reader.result);
      const base64 = url.slice(url.indexOf(',') + 1);
      const parts = Math.ceil(base64.length / PART_LENGTH);
      for (let part = 0; part < parts; part++) {
        const data = base64.slice(part * PART_LENGTH, (part + 1) * PART_LENGTH);
        tell({ part, parts, data });
      }
    };
    reader.readAsDataURL(image);
  });
}
