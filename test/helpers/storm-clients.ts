import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';

import { parseEvents } from './fake-event-sink.js';
import type { SessionJournal } from './session-journal.js';

const REQUEST_TIMEOUT_MS = 8000;
/** A client that is told nothing about its key tries another one after this long. */
const KEY_TIMEOUT_MS = 20_000;
/** An event stream on which nothing comes for this long is given up: its pages count ten times a second. */
const SILENCE_MS = 8000;
/** What means that it may be tried again. */
const PASSING = new Set([409, 429, 502, 503, 504]);

interface StormClientsParameters {
  readonly journal: SessionJournal;
  /** The router through the load balancer. */
  readonly front: string;
  /** The routers of the nodes. */
  readonly direct: readonly string[];
  readonly random: () => number;
  /** Sessions that there should be. */
  readonly sessions: number;
}

interface Answered {
  readonly status: number;

  readonly json: any;
}

/** Clients that create, watch, read and end sessions all the while, and write down what they are told. */
export class StormClients {
  readonly #parameters: StormClientsParameters;
  readonly #over = new AbortController();
  readonly #loops: Promise<void>[] = [];
  readonly #watching = new Map<string, Promise<void>>();
  readonly #gone = new AbortController();
  readonly statuses = new Map<string, number>();

  constructor(parameters: StormClientsParameters) {
    this.#parameters = parameters;
    const loop = async (turn: () => Promise<void>, pauseMs: number): Promise<void> => {
      while (!this.#over.signal.aborted) {
        await turn();
        await setTimeout(pauseMs);
      }
    };
    this.#loops.push(
      loop(() => this.#create(), 100),
      loop(() => this.#read(), 30),
      loop(() => this.#read(), 30),
      loop(() => this.#end(), 4000),
    );
  }

  /** Those that watch go on. */
  async stopChanging(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#loops);
  }

  /** Resolves when those who watch one of these sessions have been told of its end. */
  async untilToldOf(ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.#watching.get(id);
  }

  /** All of them go. */
  async close(): Promise<void> {
    await this.stopChanging();
    this.#gone.abort();
    await Promise.all(this.#watching.values());
  }

  async #create(): Promise<void> {
    const { journal, sessions } = this.#parameters;
    if (journal.living.length >= sessions) return;
    const headers = { 'idempotency-key': randomUUID(), 'content-type': 'application/json' };
    const body = JSON.stringify({ targetUrl: 'https://game.example.org/' });
    for (const end = performance.now() + KEY_TIMEOUT_MS; performance.now() < end;) {
      await setTimeout(100);
      const answered = await this.#ask('POST', '', { headers, body });
      if (answered === undefined || PASSING.has(answered.status)) continue;
      const { streamId } = answered.json as { streamId?: string };
      if (answered.status === 201 && streamId !== undefined) {
        journal.created(streamId);
        this.#watching.set(streamId, this.#watch(streamId));
        return;
      }
      // Its session has ended, or was lost, before it was told of it.
      if (answered.status !== 410 && answered.status !== 404) {
        journal.violate(`POST was answered ${answered.status} ${JSON.stringify(answered.json)}`);
      }
      return;
    }
  }

  async #read(): Promise<void> {
    const { journal, random } = this.#parameters;
    const { ids } = journal;
    // Those that have ended are asked for as well: they must stay so.
    const id = ids[Math.floor((1 - random() ** 2) * ids.length)];
    if (id !== undefined) await this.look(id);
  }

  /** Asks for one session. @returns what was told. */
  async look(id: string, at?: string): Promise<'alive' | 'lost' | 'unknown' | undefined> {
    const { journal } = this.#parameters;
    const askedAtMs = performance.now();
    const answered = await this.#ask('GET', `/${id}`, {}, at);
    if (answered === undefined || PASSING.has(answered.status)) return undefined;
    const by = `GET at ${at ?? 'any node'}`;
    const { status, metadata } = (answered.json ?? {}) as {
      status?: string;
      metadata?: { page?: { count?: number } };
    };
    switch (answered.status) {
      case 200: {
        const kind = status === 'error' ? 'lost' : 'alive';
        const told = kind === 'alive' ? { kind, count: metadata?.page?.count } : { kind };
        journal.answered(id, askedAtMs, told as { kind: 'alive' }, by);
        return kind;
      }
      case 410:
        journal.answered(id, askedAtMs, { kind: 'lost' }, by);
        return 'lost';
      case 404:
        journal.answered(id, askedAtMs, { kind: 'unknown' }, by);
        return 'unknown';
      default:
        journal.violate(`${by} was answered ${answered.status} ${JSON.stringify(answered.json)}`);
        return undefined;
    }
  }

  async #end(): Promise<void> {
    const { journal, random } = this.#parameters;
    const { living } = journal;
    const id = living[Math.floor(random() * living.length)];
    if (id === undefined || living.length < 3) return;
    journal.ending(id);
    const askedAtMs = performance.now();
    const answered = await this.#ask('DELETE', `/${id}`, {});
    if (answered?.status === 204) journal.answered(id, askedAtMs, { kind: 'ended' }, 'DELETE');
    else if (answered !== undefined && ![404, 410].includes(answered.status) && !PASSING.has(answered.status))
      journal.violate(`DELETE was answered ${answered.status} ${JSON.stringify(answered.json)}`);
  }

  /** Watches a session through the load balancer until it has ended, and comes back whenever the connection is lost. */
  async #watch(id: string): Promise<void> {
    const { journal, front } = this.#parameters;
    let lastEventId: string | undefined;
    let last = -1;
    while (!this.#gone.signal.aborted) {
      const gaveUp = new AbortController();
      const openedAtMs = performance.now();
      let silence = globalThis.setTimeout(() => gaveUp.abort(), SILENCE_MS);
      try {
        const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
        const response = await fetch(`${front}/${id}/sse`, {
          headers,
          signal: AbortSignal.any([gaveUp.signal, this.#gone.signal]),
        });
        this.#count(`SSE ${response.status}`);
        if (response.status === 404 || response.status === 410) {
          journal.answered(
            id,
            openedAtMs,
            { kind: response.status === 404 ? 'unknown' : 'lost' },
            'an event stream',
          );
          return;
        }
        if (response.status !== 200) {
          if (!PASSING.has(response.status))
            journal.violate(`An event stream was answered ${response.status}`);
          await response.body?.cancel();
        } else {
          const decoder = new TextDecoder();
          let text = '';
          for await (const chunk of response.body ?? []) {
            globalThis.clearTimeout(silence);
            silence = globalThis.setTimeout(() => gaveUp.abort(), SILENCE_MS);
            text += decoder.decode(chunk, { stream: true });
            const whole = text.lastIndexOf('\n\n') + 2;
            if (whole < 2) continue;
            for (const { event, id: eventId, data } of parseEvents(text.slice(0, whole))) {
              lastEventId = eventId === undefined ? lastEventId : String(eventId);
              const end = event === 'custom_signal' ? closedBy(data) : undefined;
              if (end !== undefined) {
                journal.answered(id, openedAtMs, { kind: end }, 'an event stream');
                return;
              }
              if (event !== 'state_patch') continue;
              if (hasFailed(data)) {
                journal.answered(id, openedAtMs, { kind: 'lost' }, 'an event stream');
                return;
              }
              const count = countOf(data);
              // What was missed is told in its order, however long ago it was so.
              if (count === undefined) continue;
              if (count < last) journal.violate(`${id} was ${last} and is ${count} for one event stream`);
              last = count;
              journal.answered(id, openedAtMs, { kind: 'alive' }, 'an event stream');
            }
            text = text.slice(whole);
          }
        }
      } catch {
        // Cut off, or silent.
      } finally {
        globalThis.clearTimeout(silence);
      }
      await setTimeout(200);
    }
  }

  async #ask(
    method: string,
    path: string,
    init: RequestInit,
    at = this.#somewhere(),
  ): Promise<Answered | undefined> {
    try {
      const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
      const response = await fetch(`${at}${path}`, { ...init, method, signal });
      const text = await response.text();
      this.#count(`${method} ${response.status}`);
      const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json');
      return { status: response.status, json: isJson && text !== '' ? JSON.parse(text) : undefined };
    } catch {
      this.#count(`${method} not answered`);
      return undefined;
    }
  }

  /** Mostly through the load balancer, at times past it. */
  #somewhere(): string {
    const { front, direct, random } = this.#parameters;
    return random() < 0.7 ? front : (direct[Math.floor(random() * direct.length)] ?? front);
  }

  #count(what: string): void {
    this.statuses.set(what, (this.statuses.get(what) ?? 0) + 1);
  }
}

interface Operation {
  readonly path: string;
  readonly value?: unknown;
}

function countOf(operations: readonly Operation[]): number | undefined {
  const counts = operations.flatMap(({ path, value }) => {
    if (path === '/metadata/page/count') return [value as number];
    if (path === '/metadata/page') return [(value as { count?: number }).count ?? -1];
    if (path === '') return [(value as { metadata: { page: { count?: number } } }).metadata.page.count ?? -1];
    return [];
  });
  const count = Math.max(...counts);
  return count >= 0 ? count : undefined;
}

/** What has ended can still be watched for a while, with what it was last. */
function hasFailed(operations: readonly Operation[]): boolean {
  return operations.some(({ path, value }) => {
    if (path === '/status') return value === 'error';
    return path === '' && (value as { status: string }).status === 'error';
  });
}

function closedBy(data: {
  readonly type: string;
  readonly payload?: { readonly reason?: string; readonly code?: string };
}): 'lost' | 'ended' | undefined {
  if (data.type !== 'closed') return undefined;
  return data.payload?.reason === 'deleted' ? 'ended' : 'lost';
}
