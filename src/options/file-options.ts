import { aBoolean, anObject, integerBetween, refuseUnknownNames } from './option-checks.js';

/** Files that viewers give to pages, and pages to viewers. They are deleted with their session. */
export interface FileOptions {
  /**
   * Whether a controller may give the page files of its own: answer a file chooser, or drop files on the picture. With `false` the
   * page gets none, and the controller is told. Default false.
   */
  uploads?: boolean;
  /**
   * Whether what the page downloads is kept for its controllers to fetch. With `false` it is refused, and the controller is
   * told. Default false.
   */
  downloads?: boolean;
  /**
   * Largest file, and most bytes of all files of a session in each direction, bytes, 1–1099511627776; the oldest make room for
   * new ones. Default 64 MiB.
   */
  maxBytes?: number;
  /** Most files of a session in each direction, 1–1000; the oldest make room for new ones. Default 32. */
  maxFiles?: number;
}

export type ResolvedFileOptions = Readonly<Required<FileOptions>>;

export const DEFAULT_FILES: ResolvedFileOptions = Object.freeze({
  uploads: false,
  downloads: false,
  maxBytes: 64 * 2 ** 20,
  maxFiles: 32,
});

const MAX_BYTES = 2 ** 40;

/** @throws StreamKitError `bad_option`. */
export function fileOptions(value: unknown, name: string): ResolvedFileOptions {
  const given = anObject(value, name);
  refuseUnknownNames(given, Object.keys(DEFAULT_FILES), name);
  const { uploads, downloads, maxBytes, maxFiles } = { ...DEFAULT_FILES, ...given };
  return Object.freeze({
    uploads: aBoolean(uploads, `${name}.uploads`),
    downloads: aBoolean(downloads, `${name}.downloads`),
    maxBytes: integerBetween(1, MAX_BYTES)(maxBytes, `${name}.maxBytes`),
    maxFiles: integerBetween(1, 1000)(maxFiles, `${name}.maxFiles`),
  });
}
