import { anObject, type OptionCheck, refuseUnknownNames } from './option-checks.js';

/** One option: what a caller may give, and what becomes of it. Its docstring is the one that users read. */
export interface OptionDefinition<Given, Resolved> {
  /** Never there; it carries the type. */
  readonly given?: () => Given;
  readonly isRequired: boolean;
  readonly check: OptionCheck<Resolved>;
  /** What it is where it is left out. */
  readonly fallback?: Resolved | undefined;
}

/** An option that must be given. */
export interface RequiredOptionDefinition<Given, Resolved> extends OptionDefinition<Given, Resolved> {
  readonly isRequired: true;
}

/** The options of one object, by name. */
export type OptionTable = Readonly<Record<string, OptionDefinition<unknown, unknown>>>;

type GivenOf<T> = T extends OptionDefinition<infer Given, unknown> ? Given : never;
type RequiredNames<T> = {
  [Name in keyof T]: T[Name] extends { readonly isRequired: true } ? Name : never;
}[keyof T];
// Mapped over names of T, so that editors show the docstrings of the table.
type OptionalPart<T, Name extends keyof T> = { [N in Name]?: GivenOf<T[N]> };
type RequiredPart<T, Name extends keyof T> = { [N in Name]: GivenOf<T[N]> };

/** What a caller may give. */
export type OptionsOf<T> = OptionalPart<T, Exclude<keyof T, RequiredNames<T>>> &
  RequiredPart<T, RequiredNames<T>>;

/** {@link OptionsOf} the same table, checked and with defaults filled in. */
export type ResolvedOptionsOf<T> = {
  readonly [Name in keyof T]: T[Name] extends OptionDefinition<unknown, infer Resolved> ? Resolved : never;
};

/** An option without a default: where it is left out, it is undefined. */
export function option<Given, Resolved = Given>(
  check: OptionCheck<NoInfer<Resolved>>,
): OptionDefinition<Given, Resolved | undefined>;
export function option<Given, Resolved = Given>(
  check: OptionCheck<NoInfer<Resolved>>,
  fallback: NoInfer<Resolved>,
): OptionDefinition<Given, Resolved>;
export function option<Resolved>(
  check: OptionCheck<Resolved>,
  fallback?: Resolved,
): OptionDefinition<unknown, Resolved | undefined> {
  return { isRequired: false, check, fallback: Array.isArray(fallback) ? Object.freeze(fallback) : fallback };
}

/** An option that must be given. */
export function required<Given, Resolved = Given>(
  check: OptionCheck<NoInfer<Resolved>>,
): RequiredOptionDefinition<Given, Resolved> {
  return { isRequired: true, check };
}

/**
 * Checks the options and fills in the defaults.
 *
 * @param where - the object, in words.
 * @param prefix - of the name of an option.
 * @returns frozen.
 * @throws StreamKitError `bad_option` for the first one that is wrong or unknown.
 */
export function resolveTable<T extends OptionTable>(
  table: T,
  given: Readonly<Record<string, unknown>>,
  where: string,
  prefix = `${where}.`,
): ResolvedOptionsOf<T> {
  refuseUnknownNames(given, Object.keys(table), where);
  const resolved = Object.entries(table).map(([name, { isRequired, check, fallback }]) => [
    name,
    given[name] === undefined && !isRequired ? fallback : check(given[name], `${prefix}${name}`),
  ]);
  return Object.freeze(Object.fromEntries(resolved)) as ResolvedOptionsOf<T>;
}

/** The check of an option that is an object of options. */
export function tableCheck<T extends OptionTable>(table: T): OptionCheck<ResolvedOptionsOf<T>> {
  return (value, name) => resolveTable(table, anObject(value, name), name);
}

/** `false`: undefined. `true`: the defaults. Or an object of options. */
export function orSwitch<T>(check: OptionCheck<T>): OptionCheck<T | undefined> {
  return (value, name) => (value === false ? undefined : check(value === true ? {} : value, name));
}

/** As {@link resolveTable}, of the options that are given alone: nothing is filled in. */
export function statedOptions<T extends OptionTable>(
  table: T,
  given: Readonly<Record<string, unknown>>,
  where: string,
): Readonly<Partial<OptionsOf<T>>> {
  refuseUnknownNames(given, Object.keys(table), where);
  const stated = Object.entries(table)
    .filter(([name]) => given[name] !== undefined)
    .map(([name, { check }]) => [name, check(given[name], `${where}.${name}`)]);
  return Object.freeze(Object.fromEntries(stated)) as Readonly<Partial<OptionsOf<T>>>;
}

/** Without the options that are undefined. */
export function defined<T extends object>(
  resolved: T,
): { readonly [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const entries = Object.entries(resolved).filter(([, value]) => value !== undefined);
  return Object.freeze(Object.fromEntries(entries));
}
