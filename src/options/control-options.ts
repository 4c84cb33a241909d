import {
  aBoolean,
  aFunction,
  anObject,
  badOption,
  listOf,
  oneOf,
  refuseUnknownNames,
} from './option-checks.js';

/** One viewer, or the application, that asks for control of a session. */
export interface ControlRequest {
  readonly streamId: string;
  /** The viewer, by its public id; `automation`: the application, by `session.control.request()`. */
  readonly publicId: string;
  /** Who it is, as `validateRequest` put it. */
  readonly callerContext: Readonly<Record<string, unknown>> | undefined;
  /** Who has control now, by its public id. */
  readonly controllerId: string | null;
}

/** Decides whether a viewer that asks for control gets it, also from one that has it. */
export type ControlPolicy = (request: ControlRequest) => boolean | Promise<boolean>;

/**
 * Shortcuts of a browser: `reload` (F5, Ctrl+R), `back` (Alt+Left, Alt+Right) and `zoom` (Ctrl with plus, minus or 0).
 */
export type BrowserShortcut = 'reload' | 'back' | 'zoom';

/** Who may send input to a session. */
export interface ControlOptions {
  /**
   * `first`: the first viewer that may, until it goes or gives control away; then the one that has asked for it the
   * longest, or the next that comes or asks. `none`: nobody. `automation`: the application and its DevTools clients, until a
   * viewer asks, which takes over at once; when it gives control back or goes, they go on. A function is asked for each that
   * asks for control: true, or a promise of it, gives it control, also in place of one that has it. Default `first`.
   */
  policy?: 'first' | 'none' | 'automation' | ControlPolicy;
  /** Whether several viewers may have control at once. Default false. */
  shared?: boolean;
  /**
   * Shortcuts of the browser that act, where the page does not prevent them: `reload`, `back`, `zoom`. All others only
   * give the page its key events. Default none.
   */
  browserShortcuts?: readonly BrowserShortcut[];
  /**
   * When a page may write the clipboard of the controller: `copy`: within 5 s of a copy or cut by its keys; `press`: of any
   * press, so that buttons that copy work as well. Default `copy`.
   */
  clipboard?: 'copy' | 'press';
  /**
   * Whether images that a page writes to the clipboard are written to the controller's too, at the same moments as text: PNG of
   * at most 600 KiB, by the Clipboard API. Default false.
   */
  clipboardImages?: boolean;
}

export type ResolvedControlOptions = Readonly<Required<ControlOptions>>;

const DEFAULTS: ResolvedControlOptions = Object.freeze({
  policy: 'first',
  shared: false,
  browserShortcuts: Object.freeze([]),
  clipboard: 'copy',
  clipboardImages: false,
});

/** @throws StreamKitError `bad_option`. */
export function controlOptions(value: unknown, name: string): ResolvedControlOptions {
  if (value === undefined) return DEFAULTS;
  const given = anObject(value, name);
  refuseUnknownNames(given, Object.keys(DEFAULTS), name);
  const {
    policy = DEFAULTS.policy,
    shared = DEFAULTS.shared,
    browserShortcuts = [],
    clipboard = 'copy',
    clipboardImages = DEFAULTS.clipboardImages,
  } = given;
  return Object.freeze({
    policy: controlPolicy(policy, `${name}.policy`),
    shared: aBoolean(shared, `${name}.shared`),
    browserShortcuts: listOf(oneOf('reload', 'back', 'zoom'))(browserShortcuts, `${name}.browserShortcuts`),
    clipboard: oneOf('copy', 'press')(clipboard, `${name}.clipboard`),
    clipboardImages: aBoolean(clipboardImages, `${name}.clipboardImages`),
  });
}

function controlPolicy(value: unknown, name: string): ResolvedControlOptions['policy'] {
  if (value === 'first' || value === 'none' || value === 'automation') return value;
  if (typeof value !== 'function') throw badOption('first, none, automation or function', name, value);
  return aFunction(value, name) as unknown as ControlPolicy;
}
