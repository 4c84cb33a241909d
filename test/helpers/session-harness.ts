import { StreamKitError } from '../../src/base/errors.js';
import type { ResolvedControlOptions as ControlOptions } from '../../src/options/control-options.js';
import type { VideoCodec } from '../../src/protocol/video-codecs.js';
import type { MediaSourceKind } from '../../src/protocol/media-source.js';
import type { Caller } from '../../src/session/caller.js';
import type { SessionEndReason } from '../../src/session/session-events.js';
import { Session } from '../../src/session/session.js';
import type { SessionSettings } from '../../src/session/session-parts.js';
import type { EventStreamLink } from '../../src/session/event-stream-link.js';
import type { FakeLaunch, FakePeer } from './session-fakes.js';
import { FakeSink } from './fake-event-sink.js';
import { anybody, FakeParts, testControl, testRequest, testSettings } from './session-fakes.js';
import { settle } from './virtual-clock.js';

/** A viewer with an open event stream. */
export interface Watching {
  readonly viewer: EventStreamLink;
  readonly sink: FakeSink;
  readonly id: string;
}

export interface WatchOptions {
  readonly caller?: Caller;
  readonly viewerId?: string;
  readonly videoCodec?: VideoCodec;
  readonly media?: boolean;
  readonly lastEventId?: number;
  readonly mediaSources?: readonly MediaSourceKind[];
}

export interface HarnessOptions {
  /** Before the session is made. */
  readonly adjust?: (parts: FakeParts) => void;
  readonly settings?: Partial<SessionSettings>;
}

/** One session on fake parts and a virtual clock. */
export class SessionHarness {
  readonly parts = new FakeParts();
  readonly ended: SessionEndReason[] = [];
  readonly failures: Error[] = [];
  readonly session: Session;

  constructor(
    renderOptions: Readonly<Record<string, unknown>> = {},
    control: Partial<ControlOptions> = {},
    { adjust = () => undefined, settings = {} }: HarnessOptions = {},
  ) {
    this.parts.controlOptions = { ...testControl, ...control };
    adjust(this.parts);
    const all = { ...testSettings, ...settings };
    this.session = new Session('id', testRequest({ renderOptions }), this.parts, all, {
      onFailed: (_session, error) => void this.failures.push(error),
      onEnded: (_session, reason) => void this.ended.push(reason),
    });
  }

  get clock(): FakeParts['clock'] {
    return this.parts.clock;
  }

  /** The launch that is under way, or was. */
  get launch(): FakeLaunch {
    const [first] = this.parts.launches;
    if (first === undefined) throw new Error('Nothing was launched');
    return first;
  }

  peer(index = 0): FakePeer {
    const found = this.parts.peers[index];
    if (found === undefined) throw new Error(`There is no peer ${index}`);
    return found;
  }

  /** Opens an event stream as a request does. */
  watch(options: WatchOptions = {}): Watching {
    const { caller = anybody, viewerId, videoCodec, media = true, lastEventId, mediaSources = [] } = options;
    const viewer = this.session.admit({ caller, viewerId, videoCodec, media, mediaSources });
    const sink = new FakeSink();
    viewer.attach(sink, { media, lastEventId });
    const [hello] = sink.signals('viewer') as { viewerId: string }[];
    return { viewer, sink, id: hello?.viewerId ?? '' };
  }
}

/** A session whose launch is under way. */
export function launchingSession(renderOptions?: Readonly<Record<string, unknown>>): SessionHarness {
  const harness = new SessionHarness(renderOptions);
  harness.session.launch();
  return harness;
}

/** A session whose page is captured. */
export async function liveSession(
  renderOptions?: Readonly<Record<string, unknown>>,
  adjust: (parts: FakeParts) => void = () => undefined,
): Promise<SessionHarness> {
  const harness = launchingSession(renderOptions);
  adjust(harness.parts);
  harness.launch.succeed();
  await settle();
  return harness;
}

/** The code of the error that `work` throws or rejects with. */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return error instanceof StreamKitError ? error.code : String(error);
  }
  return 'nothing was thrown';
}
