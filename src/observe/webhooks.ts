import { createHmac, randomUUID } from 'node:crypto';

import type { Clock, Timer } from '../base/clock.js';
import { abortingAfter } from '../base/deadline.js';
import { asError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ResolvedWebhookOptions, WebhookEvent } from '../options/webhook-options.js';
import type { ObserveSession, SessionEventName, SessionEvents } from '../session/session-events.js';

export interface WebhooksParameters {
  readonly options: ResolvedWebhookOptions;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What became of events. */
export type WebhookOutcome = 'delivered' | 'failed' | 'dropped';

/** Most events that wait, the one that is being sent among them; beyond it the oldest that waits is dropped. */
const MAX_WAITING = 1000;
/** How often one is tried. */
const ATTEMPTS = 7;
/** After the first failure, ms; twice as long after each further one: about a minute in all. */
const FIRST_RETRY_MS = 1000;
/** How long the receiver may take to answer, ms. */
const ANSWER_TIMEOUT_MS = 10_000;
/** How long what waits may take when the router closes, ms. */
const CLOSE_TIMEOUT_MS = 5000;

type Handlers = { readonly [Name in SessionEventName]?: (event: SessionEvents[Name]) => void };

interface Message {
  readonly id: string;
  readonly body: string;
}

/**
 * Posts events of sessions to the application's own URL, one after the other in their order: `{type, timestamp, data}`, signed as
 * Standard Webhooks has it (`webhook-id`, `webhook-timestamp`, `webhook-signature`). Any answer of 2xx accepts an event; otherwise it is
 * sent again, under the same id, and after the last attempt it is lost.
 */
export class Webhooks {
  readonly #parameters: WebhooksParameters;
  readonly #waiting: Message[] = [];
  readonly #streamed = new Set<string>();
  readonly #abort = new AbortController();
  readonly counts: Record<WebhookOutcome, number> = { delivered: 0, failed: 0, dropped: 0 };
  readonly #handlers: Handlers = {
    'session:create': ({ streamId }) => this.#add('session.created', { streamId }),
    'session:status': ({ streamId, status }) => {
      // Once: it goes to and fro with the viewers.
      if (status !== 'streaming' || this.#streamed.has(streamId)) return;
      this.#streamed.add(streamId);
      this.#add('session.streaming', { streamId });
    },
    'recording:end': (event) => this.#add('recording.finished', event),
    'session:end': (event) => {
      this.#streamed.delete(event.streamId);
      this.#add('session.ended', event);
    },
  };
  #sending: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parameters: WebhooksParameters) {
    this.#parameters = parameters;
  }

  readonly observe: ObserveSession = (name, event) => this.#handlers[name]?.(event);

  /** Sends what waits, for a while, and takes no more. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#sending === undefined) return;
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#parameters.clock.after(CLOSE_TIMEOUT_MS, resolve);
    });
    await Promise.race([this.#sending, late]);
    timer?.cancel();
    this.#abort.abort();
    await this.#sending;
  }

  #add(type: WebhookEvent, data: object): void {
    const { options, clock, logger } = this.#parameters;
    if (this.#closing !== undefined || !options.events.includes(type)) return;
    const timestamp = new Date(clock.wallMs()).toISOString();
    this.#waiting.push({ id: randomUUID(), body: JSON.stringify({ type, timestamp, data }) });
    if (this.#waiting.length > MAX_WAITING) {
      // The first one is under way.
      this.#waiting.splice(1, 1);
      this.counts.dropped += 1;
      if (this.counts.dropped === 1) logger.warn({}, 'webhooks are dropped: too many wait to be sent');
    }
    this.#sending ??= this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    for (let message = this.#waiting[0]; message !== undefined; message = this.#waiting[0]) {
      const isDelivered = !this.#abort.signal.aborted && (await this.#deliver(message));
      this.counts[isDelivered ? 'delivered' : 'failed'] += 1;
      this.#waiting.shift();
    }
    this.#sending = undefined;
  }

  /** @returns whether it was accepted, at the last attempt at the latest. */
  async #deliver(message: Message): Promise<boolean> {
    const { logger } = this.#parameters;
    for (let attempt = 1; ; attempt += 1) {
      const failure = await this.#post(message);
      if (failure === undefined) return true;
      if (this.#abort.signal.aborted) return false;
      if (attempt === ATTEMPTS) {
        logger.error(
          { ...failure, webhookId: message.id, attempts: ATTEMPTS },
          'a webhook was not delivered',
        );
        return false;
      }
      logger.debug({ ...failure, webhookId: message.id, attempt }, 'a webhook is sent again');
      await this.#wait(FIRST_RETRY_MS * 2 ** (attempt - 1));
    }
  }

  /** @returns why it failed. */
  async #post({ id, body }: Message): Promise<{ status: number } | { err: Error } | undefined> {
    const { options, clock } = this.#parameters;
    const seconds = String(Math.floor(clock.wallMs() / 1000));
    const signature = createHmac('sha256', options.secret)
      .update(`${id}.${seconds}.${body}`)
      .digest('base64');
    try {
      const answer = await abortingAfter(clock, ANSWER_TIMEOUT_MS, this.#abort.signal, (until) =>
        fetch(options.url, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'webhook-id': id,
            'webhook-timestamp': seconds,
            'webhook-signature': `v1,${signature}`,
          },
          body,
          // What is signed for one receiver is not for another.
          redirect: 'manual',
          signal: until,
        }),
      );
      // Whatever it says beyond its status.
      answer.body?.cancel().catch(() => undefined);
      return answer.ok ? undefined : { status: answer.status };
    } catch (thrown) {
      return { err: asError(thrown) };
    }
  }

  /** Until then, or until the router closes. */
  #wait(delayMs: number): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.#parameters.clock.after(delayMs, done);
      signal.addEventListener('abort', done);
    });
  }
}
