import type { LaunchOptions } from 'puppeteer';

import { StreamKitError } from '../base/errors.js';
import { anObject, badOption, oneOf, type OptionCheck } from './option-checks.js';

/** By these the browser would not be driven over a pipe, or not have a profile of its own. */
const NEVER_FLAGS = /^(?:remote-debugging-.*|user-data-dir)$/;

/**
 * By these it would not go through the proxy, would resolve names itself or send UDP; those without a value win over a
 * `--proxy-server`, wherever they stand. With `disable-web-security` a page may load files of this machine.
 */
const ESCAPING_FLAGS = new RegExp(
  `^(?:${[
    'proxy-(?:server|bypass-list|pac-url|auto-detect)',
    'no-proxy-server',
    'host-(?:resolver-)?rules',
    '(?:force-)?webrtc-ip-handling-policy',
    'enable-quic',
    'origin-to-force-quic-on',
    'disable-web-security',
  ].join('|')})$`,
);

/** What is understood of Puppeteer's options, besides those that say what is so anyway. */
const NAMES = new Set([
  ...[
    'acceptInsecureCerts',
    'args',
    'devtools',
    'enableExtensions',
    'env',
    'executablePath',
    'headless',
    'timeout',
  ],
  ...['browser', 'defaultViewport', 'handleSIGHUP', 'handleSIGINT', 'handleSIGTERM', 'pipe', 'protocol'],
]);

/** @param contained - what pages may reach is restricted. */
export function launchOptions(contained: boolean): OptionCheck<Readonly<LaunchOptions>> {
  return (value, name) => {
    const given = anObject(value, name);
    if (given.pipe === false) throw badOption('true or nothing', `${name}.pipe`, given.pipe);
    if (given.userDataDir !== undefined) {
      throw refusal(`${name}.userDataDir because each session has a profile of its own`);
    }
    if (given.browser !== undefined) oneOf('chrome')(given.browser, `${name}.browser`);
    for (const [key, one] of Object.entries(given)) {
      if (one === undefined) continue;
      if (!NAMES.has(key)) {
        throw refusal(`${name}.${key} because the browser is started without Puppeteer, in another process`);
      }
      if (!isSendable(one)) throw refusal(`${name}.${key} that cannot be sent to another process`);
    }
    if (given.args !== undefined) checkArguments(given.args, `${name}.args`, contained);
    return Object.freeze({ ...given });
  };
}

/** JSON can say it, all of it. */
function isSendable(value: unknown): boolean {
  if (value === null || ['boolean', 'string', 'undefined'].includes(typeof value)) return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object') return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return false;
  return Object.values(value).every(isSendable);
}

function checkArguments(value: unknown, name: string, contained: boolean): void {
  if (!Array.isArray(value)) throw badOption('array', name, value);
  value.forEach((argument: unknown, index) => {
    if (typeof argument !== 'string') throw badOption('string', `${name}[${index}]`, argument);
    // As Chromium reads them: spaces around, one hyphen or two; behind two alone no flag is one any more.
    const [, flag] = /^\s*--?([^\s=]*)/.exec(argument) ?? [];
    if (flag === undefined) return;
    const shown = `--${flag} in ${name}`;
    if (flag === '' || NEVER_FLAGS.test(flag)) {
      throw refusal(`${shown} because each session drives a browser with a profile of its own over a pipe`);
    }
    if (contained && ESCAPING_FLAGS.test(flag)) {
      throw refusal(`${shown} because pages would get past the targetPolicy`);
    }
  });
}

function refusal(what: string): StreamKitError {
  return new StreamKitError('bad_option', `Expected no ${what}`);
}
