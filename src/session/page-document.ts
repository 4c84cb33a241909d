import type { Clock } from '../base/clock.js';
import type {
  FaultState,
  PublicationState,
  RecordingState,
  RenderingState,
} from '../protocol/state-document.js';
import type { RenderListener, RestartableRender } from '../render/render.js';
import type { VideoEncoderStats } from '../render/encode/encode-thread.js';
import type { RungState } from './codec-ladder.js';
import { viewportOf } from './initial-state.js';
import type { RenderOptions } from './render-options.js';
import { patchableCopy, videoMetadata } from './session-state.js';
import type { StatePublisher } from './state-publisher.js';
import type { ViewerSummary } from './viewer-group.js';

/** What the state document says of a page: each method brings one part of it in line. */
export class PageDocument {
  readonly #publisher: StatePublisher;
  readonly #clock: Clock;

  constructor(publisher: StatePublisher, clock: Clock) {
    this.#publisher = publisher;
    this.#clock = clock;
  }

  /** What a render tells that only shows here. */
  get renderEvents(): Pick<
    RenderListener,
    'onPageMetadata' | 'onResponsive' | 'onFault' | 'onSound' | 'onRendering'
  > {
    return {
      onPageMetadata: (metadata, changedAtUs) => this.showPageMetadata(metadata, changedAtUs),
      onResponsive: (responsive) => this.showResponsive(responsive),
      onFault: (code, message) => this.showFault(code, message),
      onSound: (available) => this.showSound(available),
      onRendering: (rendering) => this.showRendering(rendering),
    };
  }

  showPublications(publications: PublicationState[]): void {
    this.#publisher.update(({ metadata }) => void (metadata.publications = publications));
  }

  showController(id: string | null): void {
    this.#publisher.update(({ metadata }) => void (metadata.controllerId = id));
  }

  showRecordings(recordings: RecordingState[]): void {
    this.#publisher.update(({ metadata }) => void (metadata.recordings = recordings));
  }

  showFormat(renderOptions: RenderOptions): void {
    this.#publisher.update(({ instanceInfo }) => {
      if (instanceInfo !== undefined) instanceInfo.viewport = viewportOf(renderOptions);
    });
  }

  showRender(render: RestartableRender): void {
    this.#publisher.update(({ instanceInfo, metadata }) => {
      if (instanceInfo !== undefined) instanceInfo.pid = render.browserPid;
      metadata.capture = render.kind;
    });
    this.showSound(render.hasAudio);
  }

  showRendering(rendering: RenderingState): void {
    this.#publisher.update(({ metadata }) => void (metadata.rendering = rendering));
  }

  showSound(available: boolean): void {
    this.#publisher.update(({ metadata }) => void (metadata.audio = available ? { codec: 'opus' } : null));
  }

  showResponsive(responsive: boolean): void {
    this.#publisher.update(({ metadata }) => void (metadata.responsive = responsive));
  }

  /** @param changedAtUs - when the page set it, monotonic µs. */
  showPageMetadata(given: Readonly<Record<string, unknown>>, changedAtUs: number): void {
    const page = patchableCopy(given);
    this.#publisher.update(({ metadata }) => void (metadata.page = page), changedAtUs);
  }

  showRestarting(): void {
    this.#publisher.update(({ instanceInfo, metadata }) => {
      if (instanceInfo !== undefined) {
        delete instanceInfo.pid;
        instanceInfo.startTime = Math.round(this.#clock.wallMs());
      }
      metadata.restarts += 1;
      metadata.responsive = true;
      metadata.rendering = null;
      // The page that comes knows nothing of what the former one has set.
      metadata.page = {};
    });
    this.showNoVideo();
  }

  /** The page has ended for another server to go on with the session. */
  showDeparting(): void {
    this.#publisher.update(({ metadata }) => void (metadata.rendering = null));
    this.showNoVideo();
  }

  showFault(code: FaultState['code'], message: string): void {
    const time = Math.round(this.#clock.wallMs());
    this.#publisher.update(({ metadata }) => void (metadata.fault = { code, message, time }));
  }

  showVideo(stats: VideoEncoderStats, rungs: readonly RungState[]): void {
    this.#publisher.update(({ metadata }) => void (metadata.video = videoMetadata(stats, rungs)));
  }

  showNoVideo(): void {
    this.#publisher.update(({ metadata }) => {
      if (metadata.video !== null)
        metadata.video = { ...metadata.video, frameRate: 0, bitrateBps: 0, rungs: [] };
    });
  }

  /** @param status - undefined: it stays as it is. */
  showViewers(
    { attached, signalingState, iceCandidatesGathered }: ViewerSummary,
    status: 'initializing' | 'connecting' | 'streaming' | undefined,
  ): void {
    this.#publisher.update((document) => {
      document.metadata.viewers = attached;
      document.clientConnected = attached > 0;
      document.webrtc = { signalingState, iceCandidatesGathered };
      if (status !== undefined) document.status = status;
    });
  }

  showNoProcess(): void {
    this.#publisher.update((document) => void delete document.instanceInfo?.pid);
  }
}
