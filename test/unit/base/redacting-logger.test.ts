import { describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import type { Logger } from '../../../src/base/logger.js';
import { redactingLogger } from '../../../src/base/redacting-logger.js';

interface Line {
  readonly context: Record<string, unknown>;
  readonly message: string;
}

/** A logger on top of one that keeps its lines. */
function kept(secrets: readonly string[] = []): { logger: Logger; lines: Line[] } {
  const lines: Line[] = [];
  const at =
    (bindings: object) =>
    (context: object, message: string): void =>
      void lines.push({ context: { ...bindings, ...context }, message });
  const make = (bindings: object): Logger => {
    const log = at(bindings);
    const child: Logger['child'] = (more) => make({ ...bindings, ...more });
    return { debug: log, info: log, warn: log, error: log, child };
  };
  return { logger: redactingLogger(make({}), secrets), lines };
}

const profile = '/dev/shm/stream-kit-123-4567-0123456789abcdef';

describe('a redacting logger', () => {
  it.each([
    [
      'net::ERR_FAILED at https://a.example:8443/room/t0ken?key=s3cret#x',
      'net::ERR_FAILED at https://a.example:8443/…',
    ],
    ['fetched "http://user:pa55@a.example/x" twice', 'fetched "http://a.example/…" twice'],
    ['wss://user:pa55@a.example', 'wss://a.example'],
    ['https://a.example?key=s3cret, then', 'https://a.example/… then'],
    ['see https://a.example', 'see https://a.example'],
    ['data:text/html,<title>x</title>', 'data:…<title>x</title>'],
    ['at run (file:///srv/app/dist/x.js?v=1:10:5)', 'at run (file:///srv/app/dist/x.js?v=1:10:5)'],
    [`ENOENT: no such file, open '${profile}/Default/Cookies'`, `ENOENT: no such file, open '[profile]'`],
    [`--user-data-dir=${profile} --headless`, '--user-data-dir=[profile] --headless'],
    [
      'a=ice-ufrag:abcd\r\na=ice-pwd:p4ssw0rd/+p4ssw0rd\r\na=mid:0',
      'a=ice-ufrag:abcd\r\na=ice-pwd:[redacted]\r\na=mid:0',
    ],
    ['turn says turn-s3cret twice: turn-s3cret', 'turn says [redacted] twice: [redacted]'],
    ['removed stream-kit', 'removed stream-kit'],
    ['token skt1.eyJhIjoxfQ.c2ln-_ was bad', 'token [redacted] was bad'],
  ])('makes of %j %j', (said, logged) => {
    const { logger, lines } = kept(['turn-s3cret', '', 'a']);
    logger.debug({ reason: said }, said);
    expect(lines).toEqual([{ context: { reason: logged }, message: logged }]);
  });

  it('cleans an error and all that caused it, and leaves the original as it is', () => {
    const { logger, lines } = kept();
    const cause = Object.assign(new Error('at https://a.example/?key=s3cret'), { path: `${profile}/x` });
    const error = new StreamKitError('capture_failed', 'The page could not be loaded', { cause });
    logger.error({ err: error }, 'session failed');
    const err = lines[0]?.context.err as StreamKitError & { cause: Error & { path: string } };
    expect(err).toBeInstanceOf(StreamKitError);
    expect([err.name, err.message, err.code]).toEqual(['StreamKitError', error.message, 'capture_failed']);
    expect([err.cause.message, err.cause.path]).toEqual(['at https://a.example/…', '[profile]']);
    expect(err.stack).toContain('redacting-logger.test');
    expect(String(err.cause.stack)).not.toContain('s3cret');
    expect([cause.message, error.cause]).toEqual(['at https://a.example/?key=s3cret', cause]);
  });

  it('survives an error that caused itself', () => {
    const { logger, lines } = kept();
    const error = new Error('x');
    error.cause = error;
    logger.warn({ err: error }, 'x');
    expect(lines).toHaveLength(1);
  });

  it('cleans what a child is bound to, and not what the application said of its caller', () => {
    const { logger, lines } = kept();
    const caller = { profile: 'https://a.example/users/1?tab=2' };
    logger.child({ page: 'https://a.example/?key=s3cret' }).info({ caller, count: 3 }, 'x');
    expect(lines[0]?.context).toEqual({ page: 'https://a.example/…', caller, count: 3 });
  });

  it('takes no time over a long text', () => {
    const { logger } = kept();
    // The quickest of some: the machine may stand still meanwhile.
    const tookMs = Array.from({ length: 5 }, () => {
      const startedAtMs = performance.now();
      for (const part of ['a.', '/a', 'a://', '/stream-kit-1-1-', 'ice-pwd:', '@'])
        logger.info({}, part.repeat(20_000));
      return performance.now() - startedAtMs;
    });
    expect(Math.min(...tookMs)).toBeLessThan(500);
  });
});
