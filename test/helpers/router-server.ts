import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { READY_SEGMENT } from '../../src/options/observability-options.js';
import type { StreamKitOptions } from '../../src/options/stream-kit-options.js';
import { resolveOptions } from '../../src/options/stream-kit-options.js';
import { ROUTES } from '../../src/protocol/routes.js';
import type { StreamKitRouter } from '../../src/http/stream-kit-router.js';
import type { MuxThreads } from '../../src/recording/mux-threads.js';
import { composeRouter } from '../../src/router.js';
import { Contract } from './contract.js';
import { parseEvents } from './fake-event-sink.js';
import { FakeParts } from './session-fakes.js';
import type { SseEvent } from './fake-event-sink.js';

/** A router on fake parts behind a real server on the loopback address. */
export interface RouterServer {
  readonly url: string;
  readonly parts: FakeParts;
  readonly router: StreamKitRouter;
  readonly server: Server;
  close(): Promise<void>;
}

/** Serves the router; `mount` puts it into a framework. Without one, `close` throws if it did not keep to docs/openapi.json. */
export async function serveRouter<TEnv = unknown>(
  options: StreamKitOptions<TEnv> = {},
  mount?: (router: StreamKitRouter) => RequestListener,
  muxThreads?: MuxThreads,
): Promise<RouterServer> {
  const parts = new FakeParts();
  const resolved = resolveOptions(options);
  const router = composeRouter(resolved, parts, muxThreads);
  const server = createServer(mount?.(router) ?? ((request, response) => void router(request, response)));
  const contract = new Contract();
  const { metrics, health, openApi, basePath } = resolved;
  if (mount === undefined) {
    contract.watch(server, basePath, {
      ...(metrics === undefined ? {} : { [metrics.path]: ROUTES.readMetrics.path }),
      ...(openApi === undefined ? {} : { [openApi.path]: ROUTES.readOpenApi.path }),
      ...(health === undefined
        ? {}
        : {
            [health.path]: ROUTES.readHealth.path,
            [`${health.path}/${READY_SEGMENT}`]: ROUTES.readReadiness.path,
          }),
    });
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    parts,
    router,
    server,
    async close() {
      await router.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      contract.assert();
    },
  };
}

/** An answer with its JSON, if it has any. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;

  readonly json: any;
}

export async function ask(url: string, init: RequestInit = {}, via = fetch): Promise<Answer> {
  const response = await via(url, init);
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json');
  return {
    status: response.status,
    headers: response.headers,
    json: isJson && text !== '' ? JSON.parse(text) : undefined,
  };
}

export function postJson(
  url: string,
  value: unknown,
  headers: Record<string, string> = {},
  via = fetch,
): Promise<Answer> {
  const allHeaders = { 'content-type': 'application/json', ...headers };
  return ask(url, { method: 'POST', headers: allHeaders, body: JSON.stringify(value) }, via);
}

/** A client of an event stream. */
export class EventStreamClient {
  text = '';
  ended = false;
  readonly #abort: AbortController;
  readonly #waiting = new Set<() => void>();

  private constructor(
    readonly response: Response,
    abort: AbortController,
  ) {
    this.#abort = abort;
    void this.#read();
  }

  static async open(url: string, init: RequestInit = {}, via = fetch): Promise<EventStreamClient> {
    const abort = new AbortController();
    const response = await via(url, { ...init, signal: abort.signal });
    return new EventStreamClient(response, abort);
  }

  get events(): SseEvent[] {
    return parseEvents(this.text.slice(0, this.text.lastIndexOf('\n\n') + 2));
  }

  /** Waits for the first signal of a type and gives its payload. */
  async signal<T = unknown>(type: string): Promise<T> {
    const find = (): SseEvent | undefined =>
      this.events.find((event) => event.event === 'custom_signal' && event.data.type === type);
    await this.until(() => find() !== undefined);
    return find()?.data.payload as T;
  }

  /** Waits until something holds of what has arrived. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.ended) throw new Error(`The stream ended first: ${this.text}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async untilEnd(): Promise<void> {
    while (!this.ended) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** The client goes away. */
  abort(): void {
    this.#abort.abort();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of this.response.body ?? []) {
        this.text += decoder.decode(chunk, { stream: true });
        this.#wake();
      }
    } catch {
      // Cut off, by either side: an end like any other.
    }
    this.ended = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
