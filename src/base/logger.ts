/** The part of a pino logger that the rooms use; a pino instance is one as it is. */
export interface Logger {
  debug(context: object, message: string): void;
  info(context: object, message: string): void;
  warn(context: object, message: string): void;
  error(context: object, message: string): void;
  child(bindings: Record<string, unknown>): Logger;
}

/** Names what a line is about: `streamId`, and `viewer`, its public number. */
export type LogContext = Readonly<Record<string, string | number>>;

/** Drops everything: the default of a library, which must not write to its host's terminal unasked. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
