import { aBoolean, aFunction, badOption, listOf, oneOf } from './option-checks.js';
import { option, type OptionsOf, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

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

const CONTROL = {
  /**
   * `first`: the first viewer that may, until it goes or gives control away; then the one that has asked for it the
   * longest, or the next that comes or asks. `none`: nobody. `automation`: the application and its DevTools clients, until a
   * viewer asks, which takes over at once; when it gives control back or goes, they go on. A function is asked for each that
   * asks for control: true, or a promise of it, gives it control, also in place of one that has it. Default `first`.
   */
  policy: option<'first' | 'none' | 'automation' | ControlPolicy>(controlPolicy, 'first'),
  /** Whether several viewers may have control at once. Default false. */
  shared: option<boolean>(aBoolean, false),
  /**
   * Shortcuts of the browser that act, where the page does not prevent them: `reload`, `back`, `zoom`. All others only
   * give the page its key events. Default none.
   */
  browserShortcuts: option<readonly BrowserShortcut[]>(listOf(oneOf('reload', 'back', 'zoom')), []),
  /**
   * When a page may write the clipboard of the controller: `copy`: within 5 s of a copy or cut by its keys; `press`: of any
   * press, so that buttons that copy work as well. Default `copy`.
   */
  clipboard: option<'copy' | 'press'>(oneOf('copy', 'press'), 'copy'),
  /**
   * Whether images that a page writes to the clipboard are written to the controller's too, at the same moments as text: PNG of
   * at most 600 KiB, by the Clipboard API. Default false.
   */
  clipboardImages: option<boolean>(aBoolean, false),
};

/** Who may send input to a session. */
export interface ControlOptions extends OptionsOf<typeof CONTROL> {}

export type ResolvedControlOptions = ResolvedOptionsOf<typeof CONTROL>;

/** @throws StreamKitError `bad_option`. */
export const controlOptions = tableCheck(CONTROL);

export const DEFAULT_CONTROL = controlOptions({}, 'control');

function controlPolicy(value: unknown, name: string): 'first' | 'none' | 'automation' | ControlPolicy {
  if (value === 'first' || value === 'none' || value === 'automation') return value;
  if (typeof value !== 'function') throw badOption('first, none, automation or function', name, value);
  return aFunction(value, name) as unknown as ControlPolicy;
}
