import type { PeerPath } from '../../src/protocol/session-diagnostics.js';
import { MessageChannel } from 'node:worker_threads';

import { createOpenLocalRender, type LocalRenderParts } from '../../src/render/local-render.js';
import type { Capture, CaptureListener, CaptureParameters } from '../../src/render/capture/capture.js';
import { controlOptions, type ResolvedControlOptions } from '../../src/options/control-options.js';
import type { AudioEncodeListener, VideoEncodeListener } from '../../src/render/encode/encode-thread.js';
import { FrameTiming } from '../../src/render/encode/frame-timing.js';
import type { EncodedFrame, VideoCodec } from '../../src/render/encode/encoded-frame.js';
import type { EncodingTarget } from '../../src/protocol/video-stream.js';
import { newConsumerStats } from '../../src/fanout/consumer-stats.js';
import type {
  Consumer,
  ConsumerParameters,
  MediaPlane,
  MediaTransport,
  Producer,
  ProducerListener,
} from '../../src/fanout/media-plane.js';
import { StreamKitError } from '../../src/base/errors.js';
import type { IceServerOption } from '../../src/options/ice-server-options.js';
import { createRemoteControl } from '../../src/input/remote-control.js';
import { silentLogger } from '../../src/base/logger.js';
import type { RtpPayloads } from '../../src/render/packetize/rtp-payloads.js';
import type {
  AnsweringPeer,
  IceCandidateInit,
  ViewerPeer,
  ViewerPeerListener,
  ViewerPeerParameters,
} from '../../src/peer/viewer-peer.js';
import type { Caller } from '../../src/session/caller.js';
import type { ObserveSession, SessionEventName } from '../../src/session/session-events.js';
import { planRungs } from '../../src/fanout/rung-planner.js';
import { CpuMeter } from '../../src/session/cpu-meter.js';
import { newSessionCounters } from '../../src/session/session-counters.js';
import type { CpuRoom } from '../../src/session/cpu-room.js';
import type { SessionParts, SessionSettings } from '../../src/session/session-parts.js';
import type { SessionRequest } from '../../src/session/session-request.js';
import { parseSessionRequest } from '../../src/session/session-request.js';
import type { RenderListener } from '../../src/render/render.js';
import { createOpenRestartingRender } from '../../src/render/restarting-render.js';
import { DEFAULT_FILES } from '../../src/options/file-options.js';
import { DEFAULT_RESTART, type ResolvedRestartOptions } from '../../src/options/restart-options.js';
import { DEFAULT_TARGET_POLICY } from '../../src/options/target-policy-options.js';
import { FakeMachine } from './fake-machine.js';
import { VirtualClock } from './virtual-clock.js';

/** One launch as the session asked for it; the test decides how it ends. */
export interface FakeLaunch {
  readonly parameters: CaptureParameters;
  readonly listener: CaptureListener & Pick<RenderListener, 'onLaunching'>;
  readonly signal: AbortSignal;
  succeed(): void;
  fail(error: Error): void;
}

/** One peer as the session opened it; the test plays the viewer's browser and the network. */
export class FakePeer implements ViewerPeer {
  readonly answers: string[] = [];
  readonly candidates: (IceCandidateInit | null)[] = [];
  path: PeerPath = { state: 'new', pair: null };
  restarts = 0;
  /** Of the last restart. */
  renewedServers: readonly IceServerOption[] | undefined;
  closed = false;
  /** What `acceptAnswer` throws. */
  answerError: Error | undefined;

  constructor(
    readonly parameters: ViewerPeerParameters,
    readonly listener: ViewerPeerListener,
    private readonly parts: FakeParts,
  ) {}

  start(): Promise<void> {
    this.listener.onOffer(`offer ${this.parts.peers.indexOf(this)}`);
    return Promise.resolve();
  }

  acceptAnswer(sdp: string): Promise<void> {
    if (this.answerError !== undefined) return Promise.reject(this.answerError);
    this.answers.push(sdp);
    return Promise.resolve();
  }

  addIceCandidate(candidate: IceCandidateInit | null): Promise<void> {
    this.candidates.push(candidate);
    return Promise.resolve();
  }

  async restartIce(renewIceServers?: () => Promise<readonly IceServerOption[]>): Promise<void> {
    this.restarts += 1;
    this.renewedServers = await renewIceServers?.();
    this.listener.onOffer(`restart offer ${this.parts.peers.indexOf(this)}`);
  }

  close(): Promise<void> {
    if (!this.closed) this.parts.events.push('peer closed');
    this.closed = true;
    return Promise.resolve();
  }

  /** ICE and DTLS come up with this codec. */
  connect(videoCodec: VideoCodec = this.parameters.videoCodecs[0] ?? 'h264'): void {
    const parameters: ConsumerParameters = {
      ssrc: 1,
      payloadType: 96,
      mid: '0',
      cname: 'c',
      headerExtensions: {},
    };
    this.listener.onConnected({
      transport: this.parts.transport,
      videoCodec,
      video: parameters,
      audio: this.parameters.audio ? { ...parameters, ssrc: 2, mid: '1' } : null,
    });
  }
}

/** The peer of a player: every offer is fine but `bad`, a fragment is a restart where it says so. */
export class FakeAnsweringPeer extends FakePeer implements AnsweringPeer {
  readonly fragments: string[] = [];

  override start = (): Promise<void> => Promise.resolve();
  answer = (): Promise<string> => Promise.resolve('the answer');
  isRestart = (fragment: string): boolean => fragment === 'restart';
  trickle = (fragment: string): Promise<void> => Promise.resolve(void this.fragments.push(fragment));
  restart = (): Promise<string> => Promise.resolve(`restart ${++this.restarts}`);
}

export class FakeProducer implements Producer {
  readonly sent: RtpPayloads[] = [];
  readonly consumers = new Set<FakeConsumer>();
  readonly bitratesBps: number[] = [];
  readonly needsFrames = true;

  constructor(
    readonly kind: 'video' | 'audio',
    readonly listener: ProducerListener,
    private readonly parts: FakeParts,
  ) {}

  get consumerCount(): number {
    return this.consumers.size;
  }

  send(payloads: RtpPayloads): void {
    this.sent.push(payloads);
  }

  setTargetBitrate(bitrateBps: number): void {
    this.bitratesBps.push(bitrateBps);
  }

  close(): void {
    this.parts.events.push(`${this.kind} producer closed`);
  }
}

export class FakeConsumer implements Consumer {
  paused = false;
  readonly stats = newConsumerStats();

  /** The switch that was ordered; a test carries it out with {@link switchNow}. */
  switching: { readonly producer: FakeProducer; readonly onSwitched: () => void } | undefined;

  constructor(public producer: FakeProducer) {
    producer.consumers.add(this);
  }

  switchTo(producer: Producer, onSwitched: () => void = () => undefined): void {
    if (!(producer instanceof FakeProducer)) throw new Error('A producer of another media plane');
    this.switching = producer === this.producer ? undefined : { producer, onSwitched };
  }

  /** The producer that it was told to go over to has sent a keyframe. */
  switchNow(): void {
    const { switching } = this;
    if (switching === undefined) return;
    this.switching = undefined;
    this.producer.consumers.delete(this);
    this.producer = switching.producer;
    this.producer.consumers.add(this);
    switching.onSwitched();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(): void {
    this.producer.consumers.delete(this);
  }
}

/** What `control` is without the option. */
export const testControl = controlOptions({}, 'control');

/** Every part of a session in a form that does nothing and writes down what it was asked. */
export class FakeParts implements SessionParts {
  readonly clock = new VirtualClock();
  readonly logger = silentLogger;
  readonly launches: FakeLaunch[] = [];
  readonly peers: FakePeer[] = [];
  readonly producers: FakeProducer[] = [];
  /** What was done, in order. */
  readonly events: string[] = [];
  /** What was told to whoever observes, pictures aside. */
  readonly observed: [SessionEventName, object][] = [];
  readonly counters = newSessionCounters();
  /** CPU time of every process that is asked for, s. */
  cpuSeconds = 0;
  readonly cpu = new CpuMeter(this.clock, (pids) =>
    Promise.resolve(new Map(pids.map((pid) => [pid, this.cpuSeconds]))),
  );
  readonly messagesToPage: unknown[] = [];
  readonly pageStates: unknown[] = [];
  readonly programInputs: string[] = [];
  debuggerPath = (): Promise<string> => Promise.resolve('/nowhere');
  readonly machine = new FakeMachine();
  /** Unless a test wants it otherwise, a session that breaks ends. */
  restart: ResolvedRestartOptions | false = false;
  viewerCount = 0;
  snapshotResult: () => Promise<Uint8Array> = () => Promise.resolve(new Uint8Array([1, 2, 3]));
  storeProfile: Capture['storeProfile'] = () => Promise.resolve();
  closeCapture: () => Promise<void> = () => Promise.resolve();
  hasAudio = true;
  /** What the encode threads were told of taps, in order. */
  readonly taps: string[] = [];
  videoListener: VideoEncodeListener | undefined;
  audioListener: AudioEncodeListener | undefined;
  #lastId = 0;

  readonly observe: ObserveSession = (name, event) => {
    if (name !== 'frame') this.observed.push([name, event]);
  };

  readonly ids = {
    streamId: () => `00000000-0000-4000-8000-${String(++this.#lastId).padStart(12, '0')}`,
    viewerId: () => `viewer-${++this.#lastId}`,
  };

  readonly transport: MediaTransport & { estimatedBitrateBps?: number } = {
    rtcpDropped: 0,
    consume: (producer) => {
      const own = this.producers.find((candidate) => candidate === producer);
      if (own === undefined) throw new Error('A producer of another media plane');
      return new FakeConsumer(own);
    },
    close: () => undefined,
  };

  readonly mediaPlane: MediaPlane = {
    name: 'werift',
    closed: false,
    createProducer: ({ kind }, listener) => {
      const producer = new FakeProducer(kind, listener, this);
      this.producers.push(producer);
      return producer;
    },
    createTransport: () => this.transport,
    close: () => {
      this.events.push('media plane closed');
      return Promise.resolve();
    },
  };

  readonly #openCapture: LocalRenderParts['openCapture'] = (parameters, listener, signal) =>
    new Promise((resolve, reject) => {
      const onAbort = (): void => reject(new Error('The launch was given up'));
      signal.addEventListener('abort', onAbort);
      this.launches.push({
        parameters,
        listener,
        signal,
        succeed: () => resolve(this.#capture(parameters)),
        fail: reject,
      });
    });

  readonly #openVideoEncodeThread: LocalRenderParts['openVideoEncodeThread'] = (_parameters, listener) => {
    this.videoListener = listener;
    return {
      start: (stream, target) => void this.events.push(`video start ${stream} ${targetText(target)}`),
      stop: (stream) => void this.events.push(`video stop ${stream}`),
      requestKeyframe: (stream) => void this.events.push(`keyframe ${stream}`),
      setTarget: (stream, target) => void this.events.push(`video target ${stream} ${targetText(target)}`),
      reconfigure: ({ width, height, frameRate }) =>
        void this.events.push(`video ${width}x${height} at ${frameRate}`),
      refresh: () => void this.events.push('refresh'),
      tap: (stream, tapped) => void this.taps.push(`video tap ${stream} ${tapped}`),
      abandon: () => void this.events.push('video thread abandoned'),
      close: () => {
        this.events.push('video thread closed');
        return Promise.resolve();
      },
    };
  };

  readonly #openAudioEncodeThread: LocalRenderParts['openAudioEncodeThread'] = (_parameters, listener) => {
    this.audioListener = listener;
    return {
      start: () => void this.events.push('audio start'),
      stop: () => void this.events.push('audio stop'),
      tap: (tapped) => void this.taps.push(`audio tap ${tapped}`),
      abandon: () => void this.events.push('audio thread abandoned'),
      close: () => {
        this.events.push('audio thread closed');
        return Promise.resolve();
      },
    };
  };

  readonly #openRender = createOpenLocalRender({
    openCapture: (...parameters) => this.#openCapture(...parameters),
    openVideoEncodeThread: (...parameters) => this.#openVideoEncodeThread(...parameters),
    openAudioEncodeThread: (...parameters) => this.#openAudioEncodeThread(...parameters),
    nowUs: () => this.clock.nowUs(),
    logger: this.logger,
  });

  readonly openRender: SessionParts['openRender'] = (...parameters) =>
    createOpenRestartingRender({
      open: this.#openRender,
      restart: this.restart,
      launchLimitMs: testSettings.launchTimeoutMs + testSettings.loadTimeoutMs,
      clock: this.clock,
      logger: this.logger,
    })(...parameters);

  readonly createVideoPayloader = () => ({ payload: (frame: EncodedFrame) => fakePayloads(frame) });
  readonly createFrameTiming = () => new FrameTiming();
  readonly planRungs = planRungs;
  cpuRoom: CpuRoom | undefined;
  readonly createAudioPayloader = () => ({
    payload: (packet: { bytes: Uint8Array; rtpTimestamp: number; captureTimeUs: number }) =>
      fakePayloads({ ...packet, keyframe: true }),
  });

  readonly openViewerPeer: SessionParts['openViewerPeer'] = (parameters, listener) => {
    const peer = new FakePeer(parameters, listener, this);
    this.peers.push(peer);
    return peer;
  };

  readonly openAnsweringPeer: SessionParts['openAnsweringPeer'] = (parameters, listener) => {
    if (parameters.offer === 'bad') throw new StreamKitError('unprocessable', 'The SDP offer is bad.');
    const peer = new FakeAnsweringPeer(parameters, listener, this);
    this.peers.push(peer);
    return peer;
  };

  /** Commands to the page, in order. */
  readonly commands: [name: string, parameters: any][] = [];
  controlOptions: ResolvedControlOptions = testControl;

  readonly openRemoteControl: SessionParts['openRemoteControl'] = (parameters) =>
    createRemoteControl(this.controlOptions, this.clock)(parameters);

  #capture(parameters: CaptureParameters): Capture {
    return {
      kind: 'tab',
      page: {
        browserPid: 4242,
        controls: {
          viewport: { width: parameters.width, height: parameters.height },
          send: (name, given) => Promise.resolve(void this.commands.push([name, given])),
          fillClipboard: (text) => Promise.resolve(void this.commands.push(['clipboard', text])),
          setGamepads: (gamepads) => void this.commands.push(['gamepads', gamepads]),
          answer: (answer) => void this.commands.push(['answer', answer]),
        },
        setViewerCount: (count) => {
          this.viewerCount = count;
        },
        openDebugger: () => this.debuggerPath(),
        setProgramInput: (input) => void this.programInputs.push(input),
        setPageState: (state) => void this.pageStates.push(state),
        sendToPage: (message) => void this.messagesToPage.push(message),
      },
      video: {
        kind: 'jpeg',
        port: new MessageChannel().port1,
        width: parameters.width,
        height: parameters.height,
        deviceScaleFactor: parameters.deviceScaleFactor,
      },
      audio: this.hasAudio && parameters.audio ? { kind: 'ring', path: '/ring' } : null,
      renewVideo: () => this.#note('capture renewed'),
      pause: () => this.#note('capture pause'),
      resume: () => this.#note('capture resume'),
      reconfigure: ({ width, height, frameRate }) => this.#note(`capture ${width}x${height} at ${frameRate}`),
      snapshot: () => this.snapshotResult(),
      storeProfile: (target) => this.storeProfile(target),
      close: async () => {
        await this.closeCapture();
        this.events.push('capture closed');
      },
    };
  }

  #note(event: string): Promise<void> {
    this.events.push(event);
    return Promise.resolve();
  }
}

/** The bit rate, and what is less than what is captured. */
function targetText({ bitrateBps, width, height, frameRate }: EncodingTarget): string {
  const size = height === undefined ? '' : ` ${width}x${height}`;
  return `${bitrateBps}${size}${frameRate === undefined ? '' : ` at ${frameRate}`}`;
}

function fakePayloads(frame: {
  bytes: Uint8Array;
  keyframe: boolean;
  rtpTimestamp: number;
  captureTimeUs: number;
}): RtpPayloads {
  const { bytes, keyframe, rtpTimestamp, captureTimeUs } = frame;
  return { bytes, offsets: new Uint32Array([0, bytes.length]), keyframe, rtpTimestamp, captureTimeUs };
}

/** Whom nothing is known of. */
export const anybody: Caller = {
  key: 'address 127.0.0.1',
  id: undefined,
  role: 'controller',
  limits: {},
  context: undefined,
};

export const testSettings: SessionSettings = {
  sessionBudget: {},
  stateUpdateInterval: 100,
  sessionTimeout: 60_000,
  maxViewersPerSession: 3,
  maxViewersPerCaller: 3,
  pauseGraceMs: 5000,
  replayOnJoin: false,
  maxRungs: 1,
  page: {},
  files: DEFAULT_FILES,
  control: testControl,
  restart: DEFAULT_RESTART,
  viewerReattachMs: 15_000,
  launchTimeoutMs: 10_000,
  loadTimeoutMs: 20_000,
  maxBitrateBps: undefined,
};

export function testRequest(body: Readonly<Record<string, unknown>> = {}): SessionRequest {
  return parseSessionRequest(
    { targetUrl: 'https://game.example.org/', ...body },
    { viewport: { width: 1280, height: 720 }, maxBitrateBps: undefined },
    DEFAULT_TARGET_POLICY,
  );
}
