import {
  Agent as HttpAgent,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { type Duplex, pipeline, Readable } from 'node:stream';

import type { Clock } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { HttpResponse } from '../http/http-message.js';
import type { OpenUpgrade, PassedUpgrade } from '../http/peer-nodes.js';
import type { Caller } from '../session/caller.js';
import type { CallerPassports } from './caller-passport.js';
import { PASSPORT_HEADER } from './caller-passport.js';
import type { NodeIdentity, NodeRecord } from './directory.js';
import { BEAT_MS, LEASE_MS } from './directory.js';
import { PassedEvents } from './passed-events.js';

/** One request that is passed on. */
export interface PassedOn {
  readonly method: string;
  /** Below the mount point and the base path. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: AsyncIterable<Uint8Array> | string | undefined;
  readonly caller: Caller;
  /** Path of this node's router as the client sees it. */
  readonly prefix: string;
  /** The session that it is about; empty: none. */
  readonly streamId: string;
  /** How long the other node may take to begin its answer, ms. Default: 60,000. */
  readonly headTimeoutMs?: number;
}

export interface RequestPasserParameters {
  readonly passports: CallerPassports;
  /** Calls back when a node has been declared lost, and gives what ends that. */
  readonly watch: (node: NodeIdentity, onLost: () => void) => () => void;
  /** Whether a session of a node that was lost had moved to another one before. May reject. */
  readonly hasMoved: (streamId: string, node: NodeIdentity) => Promise<boolean>;
  readonly clock: Clock;
}

/** Most requests and WebSockets that are passed on at a time. */
const MAX_OPEN = 10_000;
/** How long another node may take to begin its answer, ms: to end a recording takes longest. */
export const HEAD_TIMEOUT_MS = 60_000;
/** Its lease may be all that shows that it is gone. */
const LOSS_SHOWS_MS = LEASE_MS + 2 * BEAT_MS;
/** What of an answer is the connection's own, or said anew by this node. */
const NOT_PASSED_BACK =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|date|content-length|access-control-allow-.*|vary)$/;
/** Most of an answer in place of an upgrade, UTF-16 units. */
const MAX_REFUSAL_CHARS = 64 * 1024;

/** Passes requests on to other nodes. Bodies are streamed both ways, and neither end is read faster than the other takes it. */
export class RequestPasser {
  readonly #parameters: RequestPasserParameters;
  readonly #agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };
  readonly #open = new Set<ClientRequest>();
  /** To other nodes, of WebSockets. */
  readonly #upgraded = new Set<Duplex>();
  #isClosed = false;

  constructor(parameters: RequestPasserParameters) {
    this.#parameters = parameters;
  }

  /** @throws StreamKitError `node_lost`, `unavailable`, `at_capacity`. */
  async pass(node: NodeRecord, passed: PassedOn): Promise<HttpResponse> {
    const { headers, body, streamId, headTimeoutMs = HEAD_TIMEOUT_MS } = passed;
    const request = this.#start(node, passed, headers);
    let stopWatching: () => void = () => undefined;
    const loss = { isShown: false };
    request.once('close', () => stopWatching());
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.on('error', (error) => reject(loss.isShown ? nodeLost() : noAnswer(error)));
    });
    stopWatching = this.#parameters.watch(node, () => {
      loss.isShown = true;
      request.destroy(nodeLost());
    });
    const timer = this.#parameters.clock.after(headTimeoutMs, () => request.destroy(tooLate()));
    try {
      // What cannot be read of the client's body is the client's to hear.
      const sent = sendBody(request, body);
      const response = await Promise.race([answered, sent.then(() => answered)]);
      // A node that refuses a body early reads no more of it.
      response.once('end', () => !request.writableFinished && request.destroy());
      return this.#answer(node, passed, response, stopWatching);
    } catch (thrown) {
      answered.catch(() => undefined);
      request.destroy();
      if (loss.isShown && (await this.#hasMoved(node, streamId))) throw movedMeanwhile();
      throw thrown;
    } finally {
      timer.cancel();
    }
  }

  /** As `PeerNodes.passUpgrade`. */
  async passUpgrade(node: NodeRecord, upgrade: PassedUpgrade): Promise<OpenUpgrade> {
    const { request: given, socket, head, caller, path, query, streamId } = upgrade;
    const names = [
      'sec-websocket-key',
      'sec-websocket-version',
      'sec-websocket-protocol',
      'sec-websocket-extensions',
    ];
    const headers = Object.fromEntries(
      names.map((name) => [name, given.headers[name] as string | undefined]),
    );
    const passed = { method: 'GET', path, query, body: undefined, caller, prefix: '', streamId };
    const request = this.#start(
      node,
      { ...passed, headers },
      { ...headers, connection: 'Upgrade', upgrade: 'websocket' },
    );
    const stopWatching = this.#parameters.watch(node, () => request.destroy(nodeLost()));
    const timer = this.#parameters.clock.after(HEAD_TIMEOUT_MS, () => request.destroy(tooLate()));
    const onGone = (): void => void request.destroy();
    socket.once('close', onGone);
    try {
      const [response, upstream, first] = await new Promise<[IncomingMessage, Duplex, Buffer]>(
        (resolve, reject) => {
          request.on('upgrade', (...answer) => resolve(answer));
          request.on('response', (refusal) => void refusalOf(refusal).then(reject, reject));
          request.on('error', (error) => reject(noAnswer(error)));
          request.end();
        },
      );
      const lines = ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions'].flatMap(
        (name) => {
          const value = response.headers[name];
          return value === undefined ? [] : [`${name}: ${String(value)}`];
        },
      );
      socket.write(
        [
          'HTTP/1.1 101 Switching Protocols',
          'Connection: Upgrade',
          'Upgrade: websocket',
          ...lines,
          '',
          '',
        ].join('\r\n'),
      );
      socket.write(first);
      upstream.write(head);
      const closed = [socket, upstream].map(
        (end, index, ends) =>
          new Promise<void>((resolve) => {
            end.on('error', () => undefined);
            end.once('close', () => {
              ends[1 - index]?.destroy();
              resolve();
            });
          }),
      );
      // Of a node that is lost the connection may stay open.
      const stop = this.#parameters.watch(node, () => void upstream.destroy());
      this.#upgraded.add(upstream);
      upstream.once('close', () => this.#upgraded.delete(upstream));
      socket.pipe(upstream);
      upstream.pipe(socket);
      return { closed: Promise.all(closed).then(stop) };
    } finally {
      socket.off('close', onGone);
      timer.cancel();
      stopWatching();
    }
  }

  /** Cuts what is open. Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const request of this.#open) request.destroy();
    for (const upstream of this.#upgraded) upstream.destroy();
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  /** Never rejects. */
  async #hasMoved(node: NodeRecord, streamId: string): Promise<boolean> {
    if (streamId === '') return false;
    return this.#parameters.hasMoved(streamId, node).catch(() => false);
  }

  #start(node: NodeRecord, passed: PassedOn, headers: PassedOn['headers']): ClientRequest {
    if (this.#open.size + this.#upgraded.size >= MAX_OPEN) {
      const options = { status: 503, headers: { 'Retry-After': '1' } };
      throw new StreamKitError('at_capacity', 'Too many requests are passed on to other servers', options);
    }
    const { method, path, query, caller, prefix } = passed;
    const search = query.toString();
    const url = new URL(`${node.url}${path}${search === '' ? '' : `?${search}`}`);
    const passport = this.#parameters.passports.issue(caller, { method, path, query }, node.nodeId, prefix);
    const given = Object.entries(headers).filter(([, value]) => value !== undefined) as [string, string][];
    const options = { method, headers: { ...Object.fromEntries(given), [PASSPORT_HEADER]: passport } };
    const isSecure = url.protocol === 'https:';
    const agent = isSecure ? this.#agents.https : this.#agents.http;
    const request = (isSecure ? httpsRequest : httpRequest)(url, { ...options, agent });
    this.#open.add(request);
    request.once('close', () => this.#open.delete(request));
    request.setNoDelay(true);
    return request;
  }

  #answer(
    node: NodeRecord,
    { method, streamId }: PassedOn,
    response: IncomingMessage,
    stopWatching: () => void,
  ): HttpResponse {
    const { statusCode: status = 502, headers } = response;
    const entries = Object.entries(headers).filter(([name]) => !NOT_PASSED_BACK.test(name));
    const passedBack = Object.fromEntries(
      entries.map(([name, value]) => [titled(name), [value].flat().join(', ')]),
    );
    const answer = { status, headers: passedBack };
    const length = headers['content-length'];
    if (method === 'HEAD' || status === 204 || status === 304) {
      response.resume();
      return {
        ...answer,
        ...(length === undefined ? {} : { headers: { ...passedBack, 'Content-Length': length } }),
      };
    }
    if (!(headers['content-type'] ?? '').startsWith('text/event-stream')) {
      return {
        ...answer,
        stream: { bytes: length === undefined ? undefined : Number(length), content: response },
      };
    }
    const events = new PassedEvents();
    stopWatching();
    const stop = this.#parameters.watch(node, () => {
      void this.#hasMoved(node, streamId).then((hasMoved) => {
        if (hasMoved) events.finish();
        else events.lose();
        response.destroy();
      });
    });
    response.on('error', () => undefined);
    response.once('close', () => {
      if (response.complete) return;
      if (this.#isClosed) {
        events.end();
        return;
      }
      events.endLater((end) => this.#parameters.clock.after(LOSS_SHOWS_MS, end));
    });
    response.pipe(events);
    events.once('close', () => {
      stop();
      response.destroy();
    });
    return { ...answer, stream: { bytes: undefined, content: events } };
  }
}

export function nodeLost(): StreamKitError {
  return new StreamKitError('node_lost', 'The server that rendered this session was lost');
}

function movedMeanwhile(): StreamKitError {
  const options = { status: 502, headers: { 'Retry-After': '1' } };
  return new StreamKitError('unavailable', 'The session has just moved to another server', options);
}

function noAnswer(cause: Error): StreamKitError {
  if (cause instanceof StreamKitError) return cause;
  const options = { status: 502, headers: { 'Retry-After': '1' }, cause };
  return new StreamKitError('unavailable', 'The server that has this session cannot be reached', options);
}

function tooLate(): StreamKitError {
  const options = { status: 504, headers: { 'Retry-After': '1' } };
  return new StreamKitError('unavailable', 'The server that has this session does not answer', options);
}

function sendBody(request: ClientRequest, body: PassedOn['body']): Promise<void> {
  if (body === undefined || typeof body === 'string') {
    request.end(body);
    return Promise.resolve();
  }
  return new Promise((resolve, reject) => {
    pipeline(Readable.from(body, { objectMode: false }), request, (error) => {
      // That the other node ended the connection is told by its answer, or by the error of the request.
      if (error instanceof StreamKitError) reject(error);
      else resolve();
    });
  });
}

async function refusalOf(response: IncomingMessage): Promise<StreamKitError> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) {
    text += String(part);
    if (text.length > MAX_REFUSAL_CHARS) break;
  }
  response.destroy();
  const status = response.statusCode ?? 502;
  try {
    const { error } = JSON.parse(text) as { error: { code: StreamKitError['code']; message: string } };
    const retry = response.headers['retry-after'];
    const headers = retry === undefined ? {} : { headers: { 'Retry-After': retry } };
    return new StreamKitError(error.code, error.message, { status, ...headers });
  } catch (cause) {
    return noAnswer(asError(cause));
  }
}

/** As the routes write them. */
function titled(name: string): string {
  if (name === 'etag') return 'ETag';
  return name.replace(/(?:^|-)[a-z]/g, (letters) => letters.toUpperCase());
}
