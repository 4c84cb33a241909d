import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { StreamKitError } from '../base/errors.js';
import type { AdminReport } from '../protocol/admin.js';
import type { SessionRegistry } from '../session/session-registry.js';
import { emptyResponse, jsonResponse } from './http-message.js';
import type { HandlersOf } from './route-handler.js';

/** Of the picture of a session in the list, pixels. */
const PICTURE_WIDTH = 480;
const SCRIPT = 'admin.js';
const SCRIPT_FILE = join(import.meta.dirname, '..', 'admin', 'page', SCRIPT);

const STYLE = `:root{color-scheme:light dark;--line:#8884;--quiet:color-mix(in srgb,CanvasText 62%,Canvas);--good:#2a9d5c;--bad:#d64545;--accent:#3b76e1;font:15px/1.45 system-ui,sans-serif}
*{box-sizing:border-box}
body{margin:0 auto;max-width:82rem;padding:1.5rem;background:Canvas;color:CanvasText}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.25rem 1rem;margin-bottom:1.25rem}
h1{font-size:1.35rem;margin:0}
header p,#empty,.quiet{color:var(--quiet);margin:0}
#problem{color:var(--bad);margin:0}
ul{list-style:none;margin:0;padding:0}
#sessions{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,24rem),1fr));gap:1rem}
.session{border:1px solid var(--line);border-radius:.75rem;overflow:hidden;display:flex;flex-direction:column}
.picture{aspect-ratio:16/9;background:#8882;width:100%;object-fit:contain;display:block}
.body{padding:.85rem 1rem 1rem;display:flex;flex-direction:column;gap:.7rem;flex:1}
h2{font-size:1rem;margin:0;overflow-wrap:anywhere}
.status{font-size:.8rem;border:1px solid currentColor;border-radius:1rem;padding:0 .5rem;margin-inline-end:.4rem;white-space:nowrap}
.streaming{color:var(--good)}.error{color:var(--bad)}
.curves{display:grid;grid-template-columns:repeat(3,1fr);gap:.75rem}
.curves figure{margin:0;min-width:0}
figcaption{font-size:.8rem;color:var(--quiet);white-space:nowrap}
figcaption b{color:CanvasText;font-weight:600;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;height:2.5rem;border-bottom:1px solid var(--line)}
polyline{fill:none;stroke:var(--accent);stroke-width:1.5;vector-effect:non-scaling-stroke}
.list{font-size:.85rem;overflow-wrap:anywhere}
.actions{display:flex;gap:.5rem;margin-top:auto}
button{font:inherit;color:inherit;background:none;border:1px solid var(--line);border-radius:.5rem;padding:.3rem .8rem;cursor:pointer}
button:hover{border-color:currentColor}
button:disabled{opacity:.5;cursor:default}
button:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.end{color:var(--bad)}
[hidden]{display:none!important}`;

/** @param script - its address; relative, since a proxy may have changed the path. */
const pageWith = (script: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sessions</title>
<style>${STYLE}</style>
<header><h1>Sessions</h1><p id="summary" role="status"></p><p id="problem" role="alert"></p></header>
<main><ul id="sessions" aria-label="Sessions"></ul><p id="empty" hidden>No session is running.</p></main>
<script type="module" src="${script}"></script>
</html>
`;

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "connect-src 'self'",
  'img-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};

/** The operator's page, and what it shows. Nothing of it counts as a use of a session. */
export function adminRoutes(
  registry: SessionRegistry,
  report: () => Promise<AdminReport>,
): HandlersOf<'readAdmin' | 'readAdminFile' | 'readAdminReport' | 'readAdminPicture'> {
  return {
    readAdmin: ({ request }) => ({
      status: 200,
      headers: PAGE_HEADERS,
      body: pageWith(request.path.endsWith('/') ? SCRIPT : `admin/${SCRIPT}`),
    }),
    readAdminFile: async ({ segments }) => {
      if (segments.file !== SCRIPT) throw new StreamKitError('not_found', 'There is no such file');
      const headers = {
        'Content-Type': 'text/javascript; charset=utf-8',
        'Cache-Control': 'no-store',
        'Cross-Origin-Resource-Policy': 'same-origin',
        'X-Content-Type-Options': 'nosniff',
      };
      return { status: 200, headers, body: await readFile(SCRIPT_FILE) };
    },
    readAdminReport: async () => jsonResponse(200, await report()),
    readAdminPicture: async ({ request, streamId }) => {
      const page = registry.page(streamId);
      const answer = emptyResponse(200, {
        'Content-Type': 'image/jpeg',
        'Cross-Origin-Resource-Policy': 'same-origin',
        'X-Content-Type-Options': 'nosniff',
      });
      if (request.method === 'HEAD') return answer;
      const width = Math.min(PICTURE_WIDTH, page.state.metadata.video?.width ?? PICTURE_WIDTH);
      return { ...answer, body: await page.snapshot({ format: 'jpeg', width }) };
    },
  };
}
