import type { TerminalRoute } from './terminal-link.js';
import type { TerminalSize } from './terminal-screen.js';

const ROUTER_URL = '/stream';

/** Creates a terminal session. @returns its id. @throws Error in the words of the server. */
export async function createTerminal({ cols, rows }: TerminalSize): Promise<string> {
  const response = await fetch(ROUTER_URL, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ terminal: { cols, rows } }),
  });
  if (!response.ok) throw new Error(await refusalOf(response));
  return ((await response.json()) as { streamId: string }).streamId;
}

/** Ends a session, and what runs in it. @throws Error in the words of the server. */
export async function endTerminal(streamId: string): Promise<void> {
  const response = await fetch(urlOf(streamId), { method: 'DELETE' });
  // One that is gone has been ended.
  if (!response.ok && response.status !== 404) throw new Error(await refusalOf(response));
}

/** How this page reaches a session. */
export function sessionRoute(streamId: string): TerminalRoute {
  const url = urlOf(streamId);
  return {
    open: () => new WebSocket(new URL(`${url}/stream`, location.href.replace(/^http/, 'ws'))),
    look: async () => {
      try {
        const response = await fetch(url);
        // 429 and 5xx may be over soon.
        if (response.status === 429 || response.status >= 500) return { kind: 'unreachable' };
        if (!response.ok) return { kind: 'refusal', message: await refusalOf(response) };
        const { status, error } = (await response.json()) as { status: string; error?: string };
        return status === 'error'
          ? { kind: 'refusal', message: error ?? 'The session failed.' }
          : { kind: 'there' };
      } catch {
        return { kind: 'unreachable' };
      }
    },
    after: (delayMs, run) => {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
  };
}

function urlOf(streamId: string): string {
  return `${ROUTER_URL}/${encodeURIComponent(streamId)}`;
}

async function refusalOf(response: Response): Promise<string> {
  const body = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
  return body?.error?.message ?? `The server answered ${response.status}.`;
}
