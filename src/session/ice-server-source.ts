import type { Clock } from '../base/clock.js';
import { asError } from '../base/errors.js';
import type {
  IceServerOption,
  IceServers,
  IceServersContext,
  IceServersHook,
  ResolvedIceServerEntry,
} from '../options/ice-server-options.js';
import { iceServerList, NO_ICE_SERVERS } from '../options/ice-server-options.js';
import type { Logger } from '../base/logger.js';
import { credentialsUnder, randomTurnUser } from '../options/turn-rest.js';
import type { Caller } from './caller.js';
import { answerOf } from '../base/deadline.js';
import type { FindIceServers } from './event-stream-link.js';

/** Where the ICE servers of each viewer come from: the option `iceServers`. */
export class IceServerSource {
  readonly #configured: readonly ResolvedIceServerEntry[] | IceServersHook;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(configured: readonly ResolvedIceServerEntry[] | IceServersHook, clock: Clock, logger: Logger) {
    this.#configured = configured;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** For one viewer: under the same user, so that a TURN server counts what it uses as one's. */
  finder(streamId: string, caller: Caller): FindIceServers {
    const context: IceServersContext = {
      streamId,
      ...(caller.id === undefined ? {} : { callerId: caller.id }),
      ...(caller.context === undefined ? {} : { callerContext: caller.context }),
    };
    const user = randomTurnUser();
    return async () => {
      try {
        return this.#serversFor(await this.#entriesFor(context), user);
      } catch (thrown) {
        // Most viewers need none of them; to refuse them all would make the function's failure theirs.
        this.#logger.error(
          { err: asError(thrown), streamId },
          'iceServers failed: the viewer goes on without ICE servers',
        );
        return NO_ICE_SERVERS;
      }
    };
  }

  async #entriesFor(context: IceServersContext): Promise<readonly ResolvedIceServerEntry[]> {
    const configured = this.#configured;
    if (typeof configured !== 'function') return configured;
    const named = await answerOf(this.#clock, 'iceServers', () => configured(context));
    return iceServerList(named, 'the result of iceServers');
  }

  #serversFor(entries: readonly ResolvedIceServerEntry[], user: string): IceServers {
    const nowSeconds = Math.floor(this.#clock.wallMs() / 1000);
    const serversOf = (end: 'server' | 'viewers'): IceServerOption[] =>
      entries
        .filter(({ usedBy }) => usedBy === 'both' || usedBy === end)
        .map(({ urls, username, credential, turnRest }) => ({
          urls,
          ...(username === undefined ? {} : { username }),
          ...(credential === undefined ? {} : { credential }),
          ...(turnRest === undefined
            ? {}
            : credentialsUnder(turnRest.key, user, nowSeconds + turnRest.lifetimeSeconds)),
        }));
    return { viewer: serversOf('viewers'), server: serversOf('server') };
  }
}
