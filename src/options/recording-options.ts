import { directoryPath, integerBetween } from './option-checks.js';
import {
  option,
  type OptionsOf,
  orSwitch,
  required,
  type ResolvedOptionsOf,
  tableCheck,
} from './option-definition.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const bytes = integerBetween(MIB, Number.MAX_SAFE_INTEGER);

const RECORDING = {
  /** Where the files go; made if it is missing. Nothing else of the server reads or removes what is in it. */
  directory: required<string>(directoryPath),
  /** How large one recording may get, its files together, bytes, 1 MiB–2^53. Default 4 GiB. */
  maxBytes: option<number>(bytes, 4 * GIB),
  /** How large all recordings in `directory` may get together, those of earlier runs included, bytes, 1 MiB–2^53. Default 20 GiB. */
  maxTotalBytes: option<number>(bytes, 20 * GIB),
  /** Most recordings that run at once, 1–1000. Default 4. */
  maxRecordings: option<number>(integerBetween(1, 1000), 4),
  /** How long one recording may run, ms, 1000–2147483647. Default 4 hours. */
  maxDurationMs: option<number>(integerBetween(1000, 2_147_483_647), 4 * 3_600_000),
  /** How far keyframes, and with them the places one can seek to, may lie apart, ms, 500–60000. Default 5000. */
  keyframeIntervalMs: option<number>(integerBetween(500, 60_000), 5000),
};

/** Whether and within which bounds sessions may be recorded. */
export interface RecordingOptions extends OptionsOf<typeof RECORDING> {}

const HLS = {
  /** Length of a segment, ms, 1000–10000. Default 2000. */
  segmentMs: option<number>(integerBetween(1000, 10_000), 2000),
  /** Segments in the playlist, 3–30. Default 6. */
  windowSegments: option<number>(integerBetween(3, 30), 6),
  /** Segments stop being made when nobody asked for this long, ms, 5000–600000. Default 30000. */
  idleMs: option<number>(integerBetween(5000, 600_000), 30_000),
};

/** The live playlist of a session, RFC 8216. */
export interface HlsOptions extends OptionsOf<typeof HLS> {}

export type ResolvedRecordingOptions = ResolvedOptionsOf<typeof RECORDING>;
export type ResolvedHlsOptions = ResolvedOptionsOf<typeof HLS>;

/** @throws StreamKitError `bad_option`. */
export const recordingOptions = tableCheck(RECORDING);

/**
 * Of a boolean or an object. Undefined: no playlist.
 *
 * @throws StreamKitError `bad_option`.
 */
export const hlsOptions = orSwitch(tableCheck(HLS));
