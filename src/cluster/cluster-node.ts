import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import { withTimeout } from '../base/with-timeout.js';
import type { Logger } from '../base/logger.js';
import type { HttpRequest, HttpResponse } from '../http/http-message.js';
import { jsonResponse } from '../http/http-message.js';
import type {
  OpenUpgrade,
  PassedCaller,
  PassedRequest,
  PassedUpgrade,
  PeerNodes,
} from '../http/peer-nodes.js';
import { NO_ROOM_HEADER } from '../http/peer-nodes.js';
import type { RouteCall } from '../http/route-handler.js';
import type { ResolvedClusterOptions } from '../options/cluster-options.js';
import type { RouteName } from '../protocol/routes.js';
import type { PlacementRequest, SessionSummary } from '../protocol/session-requests.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import type { SeatKind } from '../http/caller-seats.js';
import type { SharedRates } from '../http/caller-rates.js';
import { noSuitableNode, parsePlacement, type ServerFeatures } from '../session/placement.js';
import type { SessionTransfers } from '../session/session-transfers.js';
import { asksForTerminal } from '../session/terminal-request.js';
import { CallerPassports } from './caller-passport.js';
import type { NodeIdentity, NodeRecord } from './directory.js';
import {
  createdAnswer,
  createdId,
  IdempotentCreation,
  idempotencyKey,
  withBody,
} from './idempotent-creation.js';
import { jsonOf } from './json-answer.js';
import { ClusterRates } from './cluster-rates.js';
import { ClusterSeats } from './cluster-seats.js';
import { Membership, unavailable } from './membership.js';
import { isSameNode } from './memory-directory.js';
import { NodeSearch } from './placement.js';
import { RedisDirectory } from './redis-directory.js';
import { SessionArrivals } from './session-arrivals.js';
import { SessionMoves } from './session-moves.js';
import { openRedis, type RedisConnection } from './redis-connection.js';
import { nodeLost, RequestPasser } from './request-passer.js';

/** The sessions of this node, as the cluster sees them. */
export interface LocalSessions {
  /** Sessions that could be taken now. */
  readonly room: number;
  /** What sessions may need of this node. */
  readonly features: () => ServerFeatures;
  /** Those that this node answers for, and those whose recordings it has. */
  ids(): Iterable<string>;
  has(streamId: string): boolean;
  /** How many each caller has; who has none is missing. */
  counts(kind: SeatKind): ReadonlyMap<string, number>;
  /** Undefined where there is none. */
  stateOf(streamId: string): Readonly<StreamSessionState> | undefined;
  readonly transfers: SessionTransfers;
  /** They have been declared lost, and end; what becomes of those that are on their way to another node shows there. */
  lose(error: StreamKitError): void;
}

export interface ClusterNodeParameters {
  readonly options: ResolvedClusterOptions;
  readonly sessions: LocalSessions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Largest file that a client may send, bytes. */
  readonly maxFileBytes: number;
  /** How long a request waits for the directory, ms; default: as the directory and those who ask it say. */
  readonly directoryTimeoutMs?: number | undefined;
}

/** How many nodes are tried for a session: what they say of their room may be a beat old. */
const MAX_TRIES = 4;
/** Headers of a client that the routes look at. No cookie and no credentials: who calls is in the passport. */
const PASSED_HEADERS = [
  'accept',
  'content-type',
  'if-match',
  'if-none-match',
  'last-event-id',
  'prefer',
  'range',
  'user-agent',
] as const;
const LIST_TIMEOUT_MS = 2000;

/** This node of a cluster: answers what is its own, and passes the rest on. */
export class ClusterNode implements PeerNodes {
  readonly #parameters: ClusterNodeParameters;
  readonly #creation: IdempotentCreation;
  readonly #membership: Membership;
  readonly #passports: CallerPassports;
  readonly #passer: RequestPasser;
  readonly #redis: RedisConnection;
  readonly #moves: SessionMoves;
  readonly #arrivals: SessionArrivals;
  /** What callers have at all nodes. */
  readonly seats: ClusterSeats;
  /** What callers do at all nodes. */
  readonly rates: SharedRates;

  /** @throws StreamKitError `bad_option` where the package `ioredis` is needed and missing. */
  constructor(parameters: ClusterNodeParameters) {
    const { options, sessions, clock, logger, directoryTimeoutMs: timeoutMs } = parameters;
    const { secret } = options;
    this.#parameters = parameters;
    this.#redis = openRedis(options.redis, logger);
    const directory = new RedisDirectory(this.#redis.client, options.name, timeoutMs);
    this.#creation = new IdempotentCreation({
      ...{ directory, secret },
      createdBefore: (call, streamId) => this.#createdBefore(call, streamId),
    });
    this.#membership = new Membership({
      directory,
      nodeId: options.nodeId,
      url: options.advertiseUrl,
      room: () => sessions.room,
      features: sessions.features,
      owned: () => sessions.ids(),
      onFenced: () => sessions.lose(nodeLost()),
      onRenew: (isKnown) => this.seats.renew(isKnown),
      clock,
      logger,
    });
    const counting = { directory, membership: this.#membership, secret, clock, logger, timeoutMs };
    this.rates = new ClusterRates(counting);
    this.seats = new ClusterSeats({
      ...counting,
      counts: (kind) => sessions.counts(kind),
    });
    this.#passports = new CallerPassports({ key: secret, nodeId: options.nodeId, clock });
    this.#passer = new RequestPasser({
      passports: this.#passports,
      watch: (node, onLost) => this.#membership.watch(node, onLost),
      hasMoved: (streamId, node) => this.#isElsewhere(streamId, node),
      clock,
    });
    const { transfers } = sessions;
    const moving = { membership: this.#membership, transfers, clock, logger };
    this.#moves = new SessionMoves({
      ...moving,
      passer: this.#passer,
      ...{ nodeId: options.nodeId, region: options.region },
    });
    this.#arrivals = new SessionArrivals(moving);
  }

  passedCaller(request: PassedRequest): PassedCaller | undefined {
    return this.#passports.check(request);
  }

  /** The directory lets this node take sessions. */
  get holdsLease(): boolean {
    return this.#membership.isHeld;
  }

  whenCertain(): Promise<void> {
    return this.#membership.whenCertain();
  }

  /** Moves the sessions of this node to others, as long as those have room. Idempotent. */
  moveSessions(): void {
    this.#moves.begin();
  }

  /** Takes a session from another node, which asks for it. */
  receive(call: RouteCall): Promise<HttpResponse> {
    return this.#arrivals.answer(call);
  }

  checkHere(streamId: string): void {
    if (this.#parameters.sessions.has(streamId) || !this.#moves.hasMoved(streamId)) return;
    throw unavailable('The session has just moved to another server');
  }

  answer(
    call: RouteCall,
    route: RouteName,
    answer: (request: HttpRequest) => Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    if (route === 'receiveSession')
      throw new StreamKitError('forbidden', 'Only servers of the cluster do this');
    if (route === 'createSession') return this.#create(call, answer);
    return this.#answer(call, route, answer);
  }

  async passUpgrade(upgrade: PassedUpgrade): Promise<OpenUpgrade | undefined> {
    const owner = await this.#ownerOf(upgrade.streamId);
    return owner && this.#passer.passUpgrade(owner, upgrade);
  }

  /**
   * Before a session is created here: whether the others could find it.
   *
   * @throws StreamKitError `unavailable`.
   */
  checkMayCreate(): Promise<void> {
    return this.#membership.checkHeld();
  }

  /**
   * Lets the others find a session that was created here.
   *
   * @throws StreamKitError `unavailable`.
   */
  announce(streamId: string): Promise<void> {
    return this.#membership.announce(streamId);
  }

  /** Moves no more sessions, and waits a while for those that are on their way. Never rejects. Idempotent. */
  endMoves(): Promise<void> {
    return this.#moves.close();
  }

  /** Passes nothing on any more, and cuts what is. Idempotent. */
  detach(): void {
    this.#passer.close();
  }

  /** Leaves the cluster. Never rejects. Idempotent. */
  async close(): Promise<void> {
    void this.endMoves();
    this.detach();
    await this.#membership.close();
    this.#redis.close();
  }

  async #answer(
    call: RouteCall,
    route: RouteName,
    answer: (request: HttpRequest) => Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    const { request, streamId } = call;
    if (route === 'listSessions' && request.method === 'GET') return this.#list(call, answer);
    const owner = streamId === '' ? undefined : await this.#ownerOf(streamId);
    if (owner === undefined) return answer(request);
    return this.#pass(owner, call, await this.#bodyOf(request, route));
  }

  /** @returns undefined for this node itself. @throws StreamKitError `node_lost`, `unavailable`. */
  async #ownerOf(streamId: string): Promise<NodeRecord | undefined> {
    if (this.#parameters.sessions.has(streamId)) return undefined;
    const found = await this.#membership.find(streamId);
    switch (found.kind) {
      case 'owned':
        return found.node.nodeId === this.#parameters.options.nodeId ? undefined : found.node;
      case 'unknown':
        return undefined;
      case 'lost':
        throw nodeLost();
      case 'unsettled':
        throw unavailable('The cluster is coming together again: it is not known yet where this session is');
    }
  }

  /** A session of a node that is lost has moved to another one before. */
  async #isElsewhere(streamId: string, node: NodeIdentity): Promise<boolean> {
    if (this.#parameters.sessions.has(streamId)) return true;
    const found = await this.#membership.find(streamId);
    return found.kind === 'owned' && !isSameNode(found.node, node);
  }

  #pass(
    node: NodeRecord,
    call: RouteCall,
    body: AsyncIterable<Uint8Array> | string | undefined,
  ): Promise<HttpResponse> {
    const { request, caller, streamId } = call;
    const { method, path, query, prefix } = request;
    const headers = Object.fromEntries(
      PASSED_HEADERS.map((name) => [name, [request.headers[name] ?? []].flat().join(', ') || undefined]),
    );
    return this.#passer.pass(node, { method, path, query, headers, body, caller, prefix, streamId });
  }

  async #bodyOf(
    request: HttpRequest,
    route: RouteName,
  ): Promise<AsyncIterable<Uint8Array> | string | undefined> {
    const { method, headers } = request;
    const isEmpty =
      headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
    if (method === 'GET' || method === 'HEAD' || isEmpty) return undefined;
    // A body parser may have left an object of it.
    if (route !== 'uploadFile' && /^application\/json\b/i.test(headers['content-type'] ?? '')) {
      return JSON.stringify(await request.readJson());
    }
    return request.readChunks(this.#parameters.maxFileBytes);
  }

  async #create(
    call: RouteCall,
    answer: (request: HttpRequest) => Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    const { request } = call;
    await this.#membership.checkHeld();
    const body = await request.readJson();
    const here = (): Promise<HttpResponse> => answer(withBody(request, body));
    // The shells of this server are no other one's.
    if (asksForTerminal(body)) return here();
    const key = idempotencyKey(request);
    const need = parsePlacement(body);
    const place = (): Promise<HttpResponse> => this.#place(call, need, body, here);
    return key === undefined ? place() : this.#creation.answer(key, call, body, place);
  }

  /** @throws StreamKitError `at_capacity` where no node that fits has room, `no_suitable_node` where none fits. */
  async #place(
    call: RouteCall,
    need: PlacementRequest,
    body: unknown,
    here: () => Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    const { options, sessions } = this.#parameters;
    const own = ({ nodeId }: NodeRecord): boolean => nodeId === options.nodeId;
    const search = new NodeSearch({
      ...{ membership: this.#membership, need, region: options.region, random: Math.random },
      current: (node) => (own(node) ? { ...node, room: sessions.room } : node),
    });
    let refused: HttpResponse | undefined;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const node = await search.next();
      if (node === undefined) break;
      if (own(node)) return here();
      const response = await this.#tryAt(node, call, JSON.stringify(body));
      if (response === undefined) continue;
      refused?.stream?.content.destroy();
      if (response.status === 201 && call.request.aborted) {
        await this.#endUntold(node, call, response);
        throw new StreamKitError('bad_request', 'The request was aborted');
      }
      const { [NO_ROOM_HEADER]: noRoom, ...headers } = response.headers;
      // A caller that has as much as it may is refused at every node.
      if (noRoom === undefined && response.status !== 503) return response;
      refused = { ...response, headers };
    }
    if (refused !== undefined) return refused;
    if (!search.exists) throw noSuitableNode();
    const isAny = need.region === undefined && need.gpu !== true;
    const taken = isAny ? 'All sessions of the cluster are taken' : 'All servers that fit placement are full';
    throw new StreamKitError('at_capacity', taken, { headers: { 'Retry-After': '5' } });
  }

  /** @returns undefined where the node cannot be reached: nothing was created there. */
  async #tryAt(node: NodeRecord, call: RouteCall, body: string): Promise<HttpResponse | undefined> {
    try {
      return await this.#pass(node, call, body);
    } catch (thrown) {
      const cause =
        thrown instanceof StreamKitError ? (thrown.cause as NodeJS.ErrnoException | undefined) : undefined;
      if (cause?.code === 'ECONNREFUSED') return undefined;
      throw thrown;
    }
  }

  /** Ends a session whose id nobody will ever be told. Never rejects. */
  async #endUntold(node: NodeRecord, call: RouteCall, created: HttpResponse): Promise<void> {
    created.stream?.content.destroy();
    const streamId = createdId(created) ?? '';
    const request = requestFor(call.request, 'DELETE', streamId);
    try {
      (await this.#pass(node, { ...call, request, streamId }, undefined)).stream?.content.destroy();
    } catch {
      // Nobody uses it: it ends by itself.
    }
  }

  /** What a request is answered again that has created a session. */
  async #createdBefore(call: RouteCall, streamId: string): Promise<HttpResponse> {
    const { request } = call;
    const asked = requestFor(request, 'GET', streamId);
    const state = this.#parameters.sessions.stateOf(streamId);
    if (state !== undefined) return createdAnswer(request, streamId, state);
    const owner = await this.#ownerOf(streamId);
    if (owner === undefined)
      throw new StreamKitError('no_such_session', 'The session that was created has ended');
    const response = await this.#pass(owner, { ...call, request: asked, streamId }, undefined);
    if (response.status !== 200) return response;
    return createdAnswer(request, streamId, (await jsonOf(response)) as StreamSessionState);
  }

  /** The sessions of all nodes; those of a node that does not answer are missing. */
  async #list(
    call: RouteCall,
    answer: (request: HttpRequest) => Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    const { nodeId: own } = this.#parameters.options;
    const others = (await this.#membership.nodes()).filter(({ nodeId }) => nodeId !== own);
    const lists = await Promise.all([
      answer(call.request).then(jsonOf),
      ...others.map((node) =>
        withTimeout(this.#pass(node, call, undefined).then(jsonOf), LIST_TIMEOUT_MS).catch(() => ({})),
      ),
    ]);
    return jsonResponse(200, { sessions: lists.flatMap((list) => (list as SessionList).sessions ?? []) });
  }
}

/** Another request of the same client. */
function requestFor(request: HttpRequest, method: string, streamId: string): HttpRequest {
  return Object.create(request, {
    method: { value: method },
    path: { value: `/${streamId}` },
    query: { value: new URLSearchParams() },
  }) as HttpRequest;
}

interface SessionList {
  readonly sessions?: readonly SessionSummary[];
}
