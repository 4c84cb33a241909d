import { aBoolean, integerBetween } from './option-checks.js';
import { option, type OptionsOf, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

const MAX_BYTES = 2 ** 40;

const FILES = {
  /**
   * Whether a controller may give the page files of its own: answer a file chooser, or drop files on the picture. With `false` the
   * page gets none, and the controller is told. Default false.
   */
  uploads: option<boolean>(aBoolean, false),
  /**
   * Whether what the page downloads is kept for its controllers to fetch. With `false` it is refused, and the controller is
   * told. Default false.
   */
  downloads: option<boolean>(aBoolean, false),
  /**
   * Largest file, and most bytes of all files of a session in each direction, bytes, 1–1099511627776; the oldest make room for
   * new ones. Default 64 MiB.
   */
  maxBytes: option<number>(integerBetween(1, MAX_BYTES), 64 * 2 ** 20),
  /** Most files of a session in each direction, 1–1000; the oldest make room for new ones. Default 32. */
  maxFiles: option<number>(integerBetween(1, 1000), 32),
};

/** Files that viewers give to pages, and pages to viewers. They are deleted with their session. */
export interface FileOptions extends OptionsOf<typeof FILES> {}

export type ResolvedFileOptions = ResolvedOptionsOf<typeof FILES>;

/** @throws StreamKitError `bad_option`. */
export const fileOptions = tableCheck(FILES);

export const DEFAULT_FILES = fileOptions({}, 'files');
