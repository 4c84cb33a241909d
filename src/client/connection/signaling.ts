import type { ClientSignalType } from '../../protocol/signals.js';
import { withTimeout } from './request-timeout.js';
import type { SessionDiagnostics } from '../../protocol/session-diagnostics.js';
import type {
  CreatedSession,
  SessionRenderOptions,
  StreamKitSessionRequest,
} from '../../protocol/session-requests.js';
import type { VideoCodec } from '../../protocol/video-codecs.js';
import { asStreamError, StreamError, streamErrorFromResponse } from './stream-error.js';

/** What the server may be asked for when a session is created. Absent entries take the server's defaults. */
export type RenderOptions = SessionRenderOptions;

/** A page to render; `targetUrl` is an absolute URL that the server can reach. */
export type CreateSessionRequest = Omit<StreamKitSessionRequest, 'targetUrl' | 'terminal'> & {
  readonly targetUrl: string;
};

export type { ClientSignalType } from '../../protocol/signals.js';

/** Sends one signal; rejects with a StreamError. */
export type SendSignal = (type: ClientSignalType, payload: unknown, signal: AbortSignal) => Promise<void>;

/** Headers for every request, or a function that makes them anew for each, such as for a token that is renewed. */
export type RequestHeaders =
  | Record<string, string>
  | (() => Record<string, string> | Promise<Record<string, string>>);

export interface SignalingOptions {
  /** Where the router is mounted, such as `/stream` or `https://host/stream`. */
  url: string;
  headers?: RequestHeaders | undefined;
  credentials?: RequestCredentials | undefined;
  /** Default the global fetch. */
  fetch?: typeof fetch | undefined;
}

export interface EventStreamQuery {
  viewerId?: string | undefined;
  media?: 'none' | undefined;
  videoCodec?: VideoCodec | undefined;
  /** Null: no bound. */
  maxHeight?: number | null;
  maxBitrateBps?: number | null;
  /** Where else media can be taken from. */
  mediaSources?: string | undefined;
}

/** A session is answered for before its browser starts, a deletion after its browser has ended (up to 5 s). */
const CREATE_TIMEOUT_MS = 30_000;
const DELETE_TIMEOUT_MS = 15_000;
const SIGNAL_TIMEOUT_MS = 10_000;

interface RequestOptions {
  method?: 'POST' | 'DELETE';
  headers?: Record<string, string>;
  body?: string | Blob;
  keepalive?: boolean;
  signal: AbortSignal;
}

/** The HTTP requests of the protocol. Failures are {@link StreamError}s; aborts too, with the code `closed`. */
export class Signaling {
  readonly #options: SignalingOptions;
  readonly #base: string;

  constructor(options: SignalingOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, '');
  }

  /** `POST /`: starts a session. */
  async createSession(request: CreateSessionRequest, signal: AbortSignal): Promise<CreatedSession> {
    const { body, status } = await withTimeout(CREATE_TIMEOUT_MS, signal, async (deadline) => {
      const response = await this.#request(this.#base === '' ? '/' : this.#base, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify(request),
        signal: deadline,
      });
      const json = await readJson<Partial<CreatedSession> | null>(response);
      return { body: json, status: response.status };
    });
    if (typeof body?.streamId !== 'string' || typeof body.initialState !== 'object') {
      throw new StreamError('protocol', 'Expected a session from the server', { status });
    }
    return { streamId: body.streamId, initialState: body.initialState };
  }

  /** `GET /:id/sse`: the body of an event stream. */
  async openEvents(
    streamId: string,
    query: EventStreamQuery,
    lastEventId: string | undefined,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null) parameters.set(name, String(value));
    }
    const search = parameters.size > 0 ? `?${parameters.toString()}` : '';
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (lastEventId !== undefined) headers['last-event-id'] = lastEventId;
    const response = await this.#request(`${this.#sessionUrl(streamId)}/sse${search}`, { headers, signal });
    const type = response.headers.get('content-type') ?? '';
    if (!/^text\/event-stream\b/i.test(type) || response.body === null) {
      throw new StreamError('protocol', 'Expected an event stream from the server');
    }
    return response.body;
  }

  /** `POST /:id/signal`. */
  async postSignal(
    streamId: string,
    body: { viewerId: string; type: ClientSignalType; payload?: unknown },
    signal: AbortSignal,
  ): Promise<void> {
    await withTimeout(SIGNAL_TIMEOUT_MS, signal, (deadline) =>
      this.#request(`${this.#sessionUrl(streamId)}/signal`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        // It is sent when a page is left, and outlives it.
        keepalive: body.type === 'release_control',
        signal: deadline,
      }),
    );
  }

  /** What posts the signals of one viewer. */
  sender(streamId: string, viewerId: string) {
    return (type: ClientSignalType, payload: unknown, signal: AbortSignal): Promise<void> =>
      this.postSignal(streamId, { viewerId, type, payload }, signal);
  }

  /** `GET /:id/diagnostics`. */
  getDiagnostics(streamId: string, signal: AbortSignal): Promise<SessionDiagnostics> {
    return withTimeout(SIGNAL_TIMEOUT_MS, signal, async (deadline) => {
      const response = await this.#request(`${this.#sessionUrl(streamId)}/diagnostics`, { signal: deadline });
      return readJson<SessionDiagnostics>(response);
    });
  }

  /** `POST /:id/files`: an answer to a file chooser of the page. It may take as long as the line is slow. */
  async postFile(streamId: string, body: File, signal: AbortSignal): Promise<{ fileId: string }> {
    const url = `${this.#sessionUrl(streamId)}/files?name=${encodeURIComponent(body.name)}`;
    return readJson(await this.#request(url, { method: 'POST', body, signal }));
  }

  /** `DELETE /:id`: ends the session for every viewer. */
  async deleteSession(streamId: string, signal: AbortSignal): Promise<void> {
    await withTimeout(DELETE_TIMEOUT_MS, signal, (deadline) =>
      this.#request(this.#sessionUrl(streamId), { method: 'DELETE', signal: deadline }),
    );
  }

  #sessionUrl(streamId: string): string {
    return `${this.#base}/${encodeURIComponent(streamId)}`;
  }

  async #request(url: string, init: RequestOptions): Promise<Response> {
    const { headers, credentials = 'same-origin', fetch: send = fetch } = this.#options;
    const own = typeof headers === 'function' ? await headers() : headers;
    let response: Response;
    try {
      response = await send(url, {
        ...init,
        headers: { ...own, ...init.headers },
        credentials,
        cache: 'no-store',
      });
    } catch (cause) {
      if (init.signal.aborted) {
        throw new StreamError('closed', 'The connection was closed', { cause });
      }
      throw asStreamError(cause);
    }
    if (!response.ok) throw await streamErrorFromResponse(response);
    return response;
  }
}

/** A proxy's page, or an answer that breaks off, is no JSON. */
async function readJson<Body>(response: Response): Promise<Body> {
  try {
    return (await response.json()) as Body;
  } catch (cause) {
    throw new StreamError('protocol', 'Expected JSON from the server', {
      status: response.status,
      cause,
    });
  }
}
