import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { StreamKitError } from '../base/errors.js';
import type { StreamKitSessions } from '../session/stream-kit-sessions.js';
import type { HttpResponse } from './http-message.js';
import type { HandlersOf } from './route-handler.js';
import { checkSeatQuery } from './session-query.js';

/** The files of the client SDK, from beside which it loads what it rarely needs. */
const SDK_FOLDER = join(import.meta.dirname, '..', 'client');
const SDK_FILES: ReadonlySet<string> = new Set([
  'index.js',
  'input-control.js',
  'overflow-media.js',
  'picture-clock.js',
  'prompt-view.js',
  'socket-media.js',
  'sound-buffer.js',
  'stats-sampler.js',
  'stream-view.js',
]);

const STYLE = 'html,body,stream-view{height:100%;margin:0}';

/** @param folder - of the scripts; relative, since a proxy may have changed the path. */
const pageWith = (folder: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Stream</title>
<style>${STYLE}</style>
<stream-view></stream-view>
<script type="module" src="${folder}/view.js"></script>
</html>
`;

const SCRIPT = `import './stream-view.js';

document.querySelector('stream-view').src = location.href;
`;

/**
 * Nothing but the page itself and what the router serves; who may embed it comes behind.
 *
 * @param connect - what else it may send requests to.
 */
const contentSecurityPolicy = (connect: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
    `connect-src 'self'${connect}`,
    "media-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    'frame-ancestors',
  ].join('; ');

/**
 * A page that shows one session, made to be embedded as an iframe, and the scripts that it loads.
 *
 * @param hasTokens - `?token=` is a stream token, and was checked.
 * @param hasOverflow - the page may be sent to the media server that the application names for it.
 */
export function viewRoutes(
  sessions: StreamKitSessions,
  hasTokens: boolean,
  hasOverflow: boolean,
): HandlersOf<'readView' | 'readViewFile'> {
  const policy = contentSecurityPolicy(hasOverflow ? ' http: https:' : '');
  const files = new Map<string, Promise<Uint8Array>>();
  const fileOf = (name: string): Promise<Uint8Array> => {
    let content = files.get(name);
    if (content === undefined) {
      content = readFile(join(SDK_FOLDER, name));
      files.set(name, content);
      content.catch(() => files.delete(name));
    }
    return content;
  };
  return {
    readView: ({ request, streamId }) => {
      checkSeatQuery(request.query);
      if (sessions.get(streamId).kind !== 'page')
        throw new StreamKitError('conflict', 'The session is a terminal: it has no pictures');
      // Whoever has a token may show what it is good for. A cookie would be sent along whoever embeds the page.
      const ancestors = hasTokens && request.query.has('token') ? '*' : "'self'";
      return {
        status: 200,
        headers: {
          'Content-Type': 'text/html; charset=utf-8',
          'Content-Security-Policy': `${policy} ${ancestors}`,
          'Cache-Control': 'no-store',
          // Its address has the token in it.
          'Referrer-Policy': 'no-referrer',
          'X-Content-Type-Options': 'nosniff',
        },
        body: pageWith(request.path.endsWith('/') ? '../../view' : '../view'),
      };
    },
    readViewFile: async ({ segments: { file = '' } }) => {
      if (file === 'view.js') return script(SCRIPT);
      if (!SDK_FILES.has(file)) throw new StreamKitError('not_found', 'There is no such file');
      return script(await fileOf(file));
    },
  };
}

function script(body: Uint8Array | string): HttpResponse {
  const headers = {
    'Content-Type': 'text/javascript; charset=utf-8',
    'Cache-Control': 'public, max-age=300',
    'X-Content-Type-Options': 'nosniff',
  };
  return { status: 200, headers, body };
}
