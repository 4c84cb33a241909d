import type { Clock } from '../base/clock.js';
import { pause, settlesWithin } from '../base/deadline.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { TargetPolicy } from '../options/target-policy-options.js';
import { LateProfileLease } from '../profiles/late-profile-lease.js';
import { PassingProfile } from '../profiles/passing-profile.js';
import type { ProfileLease } from '../profiles/profile-lease.js';
import type { ProfileStore } from '../profiles/profile-store.js';
import type { PlacementRequest } from '../protocol/session-requests.js';
import type { Caller } from './caller.js';
import { profileOwnerOf } from './caller.js';
import type { IceServerSource } from './ice-server-source.js';
import { type MovedSession, parseMovedSession } from './moved-session.js';
import { fitsPlacement, noSuitableNode, type ServerFeatures } from './placement.js';
import type { RenderOptionDefaults } from './render-options.js';
import type { Session } from './session.js';
import type { SessionRecordings } from './session-recordings.js';
import type { SessionRegistry } from './session-registry.js';
import { parseSessionRequest, type SessionRequest } from './session-request.js';

export interface SessionTransfersParameters {
  readonly registry: SessionRegistry;
  /** Undefined: there is no option `recording`. */
  readonly recordings: Pick<SessionRecordings, 'creatorOf'> | undefined;
  /** Undefined: there is no option `profileDirectory`. */
  readonly profiles: ProfileStore | undefined;
  readonly iceServers: IceServerSource;
  readonly defaults: RenderOptionDefaults;
  readonly targetPolicy: TargetPolicy;
  /** What this server has now. */
  readonly features: () => ServerFeatures;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A session whose page has ended for another server to go on with it. One of its ends must follow. */
export interface Departure {
  readonly streamId: string;
  /** Who has created it. */
  readonly caller: Caller;
  readonly moved: MovedSession;
  /** What its pages have stored. Undefined: that failed, and no other server can do better. */
  readonly archive: PassingProfile | undefined;
  /** Another server has taken it. */
  handOver(): void;
  /** Nobody has taken it: its page is loaded here again. */
  keep(): void;
  /** The cluster has given it up. */
  lose(error: StreamKitError): void;
}

/** A session that another server sends, loaded here. One of its ends must follow. */
export interface Arrival {
  /** Its page has failed, or this server shuts down. */
  readonly hasEnded: boolean;
  /** It is this server's from now on. */
  adopt(): void;
  /** It is not. Never rejects. */
  abandon(): Promise<void>;
}

/** How long the page of a session that arrives may take, ms: its viewers wait. */
const ARRIVAL_TIMEOUT_MS = 20_000;
/** How often and how long a profile is asked for that the other server still holds, ms. */
const PROFILE_RETRY_MS = 250;
const PROFILE_WAIT_MS = 15_000;

/** Hands sessions over to other servers, and takes them from there. */
export class SessionTransfers {
  readonly #parameters: SessionTransfersParameters;

  constructor(parameters: SessionTransfersParameters) {
    this.#parameters = parameters;
  }

  /**
   * The sessions that can move now. One that was recorded stays: its recordings are files of this server, which answers for
   * both under one id.
   */
  movable(): string[] {
    const ids = this.#parameters.registry.all().map(({ streamId }) => streamId);
    return ids.filter((streamId) => this.#isMovable(streamId));
  }

  #isMovable(streamId: string): boolean {
    const { registry, recordings } = this.#parameters;
    return registry.findPage(streamId)?.isMovable === true && recordings?.creatorOf(streamId) === undefined;
  }

  /** It is on its way to another server. */
  isDeparting(streamId: string): boolean {
    return this.#parameters.registry.findPage(streamId)?.isDeparting === true;
  }

  /** What a session needs of its server. */
  placementOf(streamId: string): PlacementRequest {
    return this.#parameters.registry.findPage(streamId)?.placement ?? {};
  }

  /** @throws StreamKitError `no_such_session`, `conflict` for a session that cannot move now. */
  async depart(streamId: string): Promise<Departure> {
    const { registry } = this.#parameters;
    const session = registry.page(streamId);
    const caller = registry.creatorOf(streamId);
    if (caller === undefined || !this.#isMovable(streamId)) throw cannotMove();
    const made = await PassingProfile.create();
    // A recording, a DevTools client or a restart may have begun meanwhile.
    if (registry.findPage(streamId) !== session || !this.#isMovable(streamId)) {
      await this.#remove(made);
      throw cannotMove();
    }
    const { moved, isStored } = await session.depart(made).catch(async (thrown: unknown) => {
      await this.#remove(made);
      throw thrown;
    });
    const archive = isStored ? made : undefined;
    if (!isStored) void this.#remove(made);
    return {
      ...{ streamId, caller, moved, archive },
      handOver: () => {
        void registry.handOver(session).finally(() => void this.#remove(made));
      },
      keep: () => {
        try {
          if (session.endReason !== undefined) throw new StreamKitError('conflict', 'The session has ended');
          const next = registry.replace(session, this.#parse(moved), { moved, archive });
          void next?.whenLaunched.then(() => this.#publish(next, caller, moved.publications));
        } catch (thrown) {
          session.fail(asError(thrown) as StreamKitError);
          void this.#remove(made);
        }
      },
      lose: (error) => {
        session.fail(error);
        void this.#remove(made);
      },
    };
  }

  /**
   * Loads the page of a session that another server sends.
   *
   * @param sent - what that server says of it.
   * @param receiveArchive - takes what its pages have stored there. Called once, if this server takes the session.
   * @throws StreamKitError `bad_request` and the like for what this server does not take, `at_capacity`, or why the page failed.
   */
  async receive(
    streamId: string,
    sent: unknown,
    caller: Caller,
    receiveArchive: () => Promise<PassingProfile>,
  ): Promise<Arrival> {
    const { registry, features, clock, logger } = this.#parameters;
    const moved = parseMovedSession(sent);
    const request = this.#parse(moved);
    if (!fitsPlacement(features(), request.placement)) throw noSuitableNode();
    if (registry.find(streamId) !== undefined)
      throw new StreamKitError('conflict', 'This server has the session already');
    registry.checkMayReceive(caller);
    const archive = await receiveArchive();
    let session: Session;
    let lease: ProfileLease | undefined;
    try {
      lease = this.#leaseOf(request, caller, archive);
      session = registry.receive(streamId, request, caller, { moved, archive }, lease);
    } catch (thrown) {
      await this.#remove(archive);
      throw thrown;
    }
    const inTime = await settlesWithin(clock, ARRIVAL_TIMEOUT_MS, session.whenLaunched);
    if (!inTime) session.fail(new StreamKitError('unavailable', 'The page did not come in time'));
    // Closing waits for what fails as well.
    const abandon = (): Promise<void> => session.close('moved');
    if (session.endReason !== undefined) {
      await abandon();
      throw session.error ?? new StreamKitError('unavailable', 'The session has ended');
    }
    return {
      get hasEnded() {
        return session.endReason !== undefined;
      },
      adopt: () => {
        registry.adopt(session);
        if (lease instanceof LateProfileLease) lease.begin();
        this.#publish(session, caller, moved.publications);
        logger.info({ streamId }, 'a session has moved to this server');
      },
      abandon,
    };
  }

  /** Its caller's limits were looked at where it was created. */
  #parse({ request }: MovedSession): SessionRequest {
    const { defaults, targetPolicy, profiles } = this.#parameters;
    const parsed = parseSessionRequest(request, defaults, targetPolicy);
    if (parsed.profile?.save === true && profiles === undefined)
      throw new StreamKitError('forbidden', 'This server keeps no profiles');
    return parsed;
  }

  #leaseOf(
    { profile }: SessionRequest,
    caller: Caller,
    { source }: PassingProfile,
  ): ProfileLease | undefined {
    if (profile === undefined) return undefined;
    const { id, save } = profile;
    if (!save) {
      return { id, save, source, store: () => Promise.resolve(), release: () => Promise.resolve() };
    }
    return new LateProfileLease(id, source, () => this.#takeProfile(profileOwnerOf(caller), id));
  }

  /** The other server holds it until it has heard that the session was taken. */
  async #takeProfile(owner: string, id: string): Promise<ProfileLease> {
    const { profiles, clock } = this.#parameters;
    if (profiles === undefined) throw new StreamKitError('forbidden', 'This server keeps no profiles');
    for (let waitedMs = 0; ; waitedMs += PROFILE_RETRY_MS) {
      try {
        return await profiles.open(owner, { id, save: true });
      } catch (thrown) {
        const isHeld = thrown instanceof StreamKitError && thrown.code === 'profile_in_use';
        if (!isHeld || waitedMs >= PROFILE_WAIT_MS) throw thrown;
      }
      await pause(clock, PROFILE_RETRY_MS);
    }
  }

  /** Each begins anew: the endpoint sees another publisher. */
  #publish(session: Session, caller: Caller, requests: readonly unknown[]): void {
    const { iceServers, logger } = this.#parameters;
    if (session.endReason !== undefined) return;
    const find = iceServers.finder(session.streamId, caller);
    for (const request of requests) {
      try {
        session.publications.start(request, async () => (await find()).server);
      } catch (thrown) {
        logger.warn(
          { err: asError(thrown), streamId: session.streamId },
          'a publication of a session that has moved could not begin anew',
        );
      }
    }
  }

  async #remove(archive: PassingProfile): Promise<void> {
    await archive.remove().catch((thrown: unknown) => {
      this.#parameters.logger.warn(
        { err: asError(thrown) },
        'a file of a session that moves could not be removed',
      );
    });
  }
}

function cannotMove(): StreamKitError {
  return new StreamKitError('conflict', 'The session cannot move now');
}
