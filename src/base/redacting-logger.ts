import type { Logger } from './logger.js';

/** Stands where something was that is nobody's business. */
const REDACTED = '[redacted]';
/** Beyond it a chain of causes is cut: it may lead back to itself. */
const MAX_CAUSES = 8;
const MIN_SECRET_LENGTH = 4;
/** What is longer is cut: some of it may come from a page. */
const MAX_TEXT_LENGTH = 16 * 1024;

/**
 * What must not be in a log whoever put it into an error's message: of a URL all but its scheme and host, since a path
 * or a query may hold a token (a module of ours, `file:`, stays whole); the paths of profiles, in which a page's cookies
 * lie; stream tokens; the ICE password of an SDP.
 */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [
    /\b(?!file:)([a-z][a-z\d+.-]{0,30}:\/\/)(?:[^\s/?#"'<>\\]*@)?([^\s/?#"'<>\\@]*)[/?#][^\s"'<>]*/gi,
    '$1$2/…',
  ],
  [/\b(?!file:)([a-z][a-z\d+.-]{0,30}:\/\/)[^\s/?#"'<>\\]*@/gi, '$1'],
  [/\bdata:[^\s"'<>]*/gi, 'data:…'],
  [/(?:\/[^\s/"']+){0,8}\/stream-kit-\d+-\d+-[0-9a-f]{16}[^\s"',:)]*/g, '[profile]'],
  [/\bskt1\.[\w.-]+/g, REDACTED],
  [/(\bice-pwd[:=]\s*)[A-Za-z\d+/]+/gi, `$1${REDACTED}`],
];

/**
 * A logger that keeps secrets out of the log, at any level: those that are known, and what errors of the browser, of the
 * system or of a peer are known to quote. What the caller itself put into an object (`caller`) is passed as it is.
 *
 * @param secrets - taken out wherever they stand; ones so short that they would be found everywhere are ignored.
 */
export function redactingLogger(logger: Logger, secrets: readonly string[]): Logger {
  const known = secrets.filter(({ length }) => length >= MIN_SECRET_LENGTH);
  const text = (value: string): string => {
    let clean = value;
    for (const secret of known) clean = clean.replaceAll(secret, REDACTED);
    if (clean.length > MAX_TEXT_LENGTH) clean = `${clean.slice(0, MAX_TEXT_LENGTH)}…`;
    for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
    return clean;
  };
  const entry = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') return text(value);
    if (!(value instanceof Error)) return value;
    return depth < MAX_CAUSES ? cleanError(value, depth) : undefined;
  };
  const entries = (object: object, depth: number): Record<string, unknown> =>
    Object.fromEntries(Object.entries(object).map(([name, value]) => [name, entry(value, depth)]));
  /** Another error of the same class, so that serializers and readers still know what it is. */
  const cleanError = (error: Error, depth: number): Error => {
    const clean = new Error(text(error.message));
    Object.setPrototypeOf(clean, Object.getPrototypeOf(error) as object);
    // Once, below, whether it is enumerable or not.
    Object.assign(clean, entries(Object.assign({}, error, { cause: undefined }), depth + 1));
    const hide = (name: string, value: unknown): void => {
      Object.defineProperty(clean, name, { value, configurable: true, writable: true, enumerable: false });
    };
    hide('stack', error.stack === undefined ? undefined : text(error.stack));
    hide('cause', entry(error.cause, depth + 1));
    return clean;
  };
  const wrap = (inner: Logger): Logger => ({
    debug: (context, message) => inner.debug(entries(context, 0), text(message)),
    info: (context, message) => inner.info(entries(context, 0), text(message)),
    warn: (context, message) => inner.warn(entries(context, 0), text(message)),
    error: (context, message) => inner.error(entries(context, 0), text(message)),
    child: (bindings) => wrap(inner.child(entries(bindings, 0))),
  });
  return wrap(logger);
}
