import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import type { RouteName } from '../protocol/routes.js';
import type { Caller } from '../session/caller.js';
import type { HttpRequest, HttpResponse } from './http-message.js';
import type { RouteCall } from './route-handler.js';

/** Of an answer to another node: this one has no room, whoever asks. No client gets it. */
export const NO_ROOM_HEADER = 'Stream-Kit-No-Room';

/** What of a request a node signs when it passes it on. */
export type PassedRequest = Pick<HttpRequest, 'method' | 'headers' | 'path' | 'query'>;

/** Who makes a request that another node has passed on. */
export interface PassedCaller {
  readonly caller: Caller;
  /** Path of the router as the client of the other node sees it; no slash at the end. */
  readonly prefix: string;
}

/** The other nodes of a cluster, as the routes see them. */
export interface PeerNodes {
  /**
   * Who makes a request that another node has passed on; undefined for one that comes from a client.
   *
   * @throws StreamKitError `forbidden` for a signature that is not good, whatever else the request has.
   */
  passedCaller(request: PassedRequest): PassedCaller | undefined;
  /**
   * Resolves once this node knows whether its sessions have been declared lost; mostly at once.
   *
   * @throws StreamKitError `unavailable`.
   */
  whenCertain(): Promise<void>;
  /**
   * Of a request that another node has passed on: whether it is to be answered here.
   *
   * @throws StreamKitError `unavailable` for a session that has just moved to another node.
   */
  checkHere(streamId: string): void;
  /**
   * Answers at the node that it is for.
   *
   * @param answer - answers at this one.
   * @throws StreamKitError `node_lost`, `unavailable`.
   */
  answer(
    call: RouteCall,
    route: RouteName,
    answer: (request: HttpRequest) => Promise<HttpResponse>,
  ): Promise<HttpResponse>;
  /**
   * Passes a WebSocket on to the node whose session it is for.
   *
   * @returns undefined where the session is for this node.
   * @throws StreamKitError `node_lost`, `unavailable`, or what that node answers in place of the upgrade.
   */
  passUpgrade(upgrade: PassedUpgrade): Promise<OpenUpgrade | undefined>;
}

/** A WebSocket that is passed on. */
export interface OpenUpgrade {
  /** Resolves when both ends are closed. */
  readonly closed: Promise<void>;
}

export interface PassedUpgrade {
  readonly streamId: string;
  readonly caller: Caller;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}
