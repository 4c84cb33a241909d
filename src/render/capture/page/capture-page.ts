import type {
  CaptureProgress,
  ColourMatrix,
  OpenRequest,
  ReconfigureRequest,
  WorkerReport,
  WorkerRequest,
} from './messages.js';

declare const MediaStreamTrackProcessor: new (init: { track: MediaStreamTrack; maxBufferSize?: number }) => {
  readonly readable: ReadableStream<VideoFrame & AudioData>;
};

declare global {
  interface Window {
    /** A binding of the server's: what ends the capture. */
    captureFailed(message: string): void;
    /** A binding of the server's: what does not end it, but should be known. */
    captureWarned(message: string): void;
    capture: {
      open(request: OpenRequest): Promise<boolean>;
      measureMatrix(): Promise<ColourMatrix>;
      pause(): void;
      resume(): void;
      reconfigure(request: ReconfigureRequest): Promise<void>;
      progress(): Promise<CaptureProgress>;
      restSound(): void;
      forgoSound(): void;
      reopenSound(): Promise<void>;
      takeTab(): Promise<void>;
    };
  }
}

/** The sound as the page makes it, and not through the speakers of the server besides. */
const AUDIO_CONSTRAINTS = {
  echoCancellation: false,
  autoGainControl: false,
  noiseSuppression: false,
  suppressLocalAudioPlayback: true,
};

const RED_LUMA_BT601 = 81;
const RED_LUMA_BT709 = 63;
const LUMA_TOLERANCE = 4;
const CALIBRATION_TIMEOUT_MS = 1_000;
/** How long a capture may be without a tab, ms. */
const ENDED_PATIENCE_MS = 15_000;

let worker: Worker | undefined;
let videoTrack: MediaStreamTrack | undefined;
let audioTrack: MediaStreamTrack | undefined;
let running = false;
let format: Pick<OpenRequest, 'captured' | 'frameRate'>;
let wants: Pick<OpenRequest, 'video' | 'audio'>;
let onResized = (): void => undefined;
let onProgress = (_progress: CaptureProgress): void => undefined;

function post(request: WorkerRequest, transfer: Transferable[] = []): void {
  worker?.postMessage(request, transfer);
}

function startWorker(request: OpenRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    worker = new Worker('/capture-worker.js', { type: 'module' });
    worker.onmessage = (event: MessageEvent<WorkerReport>) => {
      if (event.data.type === 'ready') {
        resolve();
      } else if (event.data.type === 'resized') {
        onResized();
      } else if (event.data.type === 'progress') {
        onProgress(event.data);
      } else if (event.data.type === 'unusable') {
        window.captureWarned(`${event.data.message} (${event.data.count} so far)`);
      } else {
        reject(new Error(event.data.message));
        window.captureFailed(event.data.message);
      }
    };
    worker.onerror = (event) => reject(new Error(event.message));
    const { layout, width, height } = request;
    post({ type: 'open', layout, width, height });
  });
}

/**
 * Tells by which matrix the browser makes its pictures. The label does not: Chromium without a GPU converts by BT.601
 * and says BT.709. So the server has painted the tab in pure red, whose luma is 81 by the one and 63 by the other.
 */
async function measureMatrix(): Promise<ColourMatrix> {
  if (!videoTrack) return 'bt601';
  const track = videoTrack;
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 }).readable.getReader();
  const timeout = setTimeout(() => void reader.cancel(), CALIBRATION_TIMEOUT_MS);
  try {
    for (;;) {
      const { value: frame, done } = await reader.read();
      if (done) return 'bt601';
      const picture = new Uint8Array(frame.allocationSize());
      const { width, height } = frame.visibleRect ?? { width: 0, height: 0 };
      try {
        await frame.copyTo(picture);
      } finally {
        frame.close();
      }
      const luma = picture[Math.floor(height / 2) * width + Math.floor(width / 2)] ?? 0;
      if (Math.abs(luma - RED_LUMA_BT601) <= LUMA_TOLERANCE) return 'bt601';
      if (Math.abs(luma - RED_LUMA_BT709) <= LUMA_TOLERANCE) return 'bt709';
    }
  } finally {
    clearTimeout(timeout);
    void reader.cancel();
  }
}

/**
 * Asks for the tab that has the title that the browser was told, in place of the one before. Nothing of it comes until it is
 * resumed after a pause.
 */
async function takeTab(): Promise<void> {
  const { captured, frameRate } = format;
  // getDisplayMedia needs a video track even where only the sound is wanted: then a tiny one that nobody reads,
  // which the browser therefore does not capture.
  const video = wants.video ? { ...captured, frameRate } : { width: 64, height: 64, frameRate: 1 };
  const stream = await navigator.mediaDevices.getDisplayMedia({
    video,
    audio: wants.audio ? AUDIO_CONSTRAINTS : false,
  });
  videoTrack?.stop();
  audioTrack?.stop();
  const [picture] = stream.getVideoTracks();
  const [sound] = stream.getAudioTracks();
  videoTrack = wants.video ? picture : undefined;
  audioTrack = wants.audio ? sound : undefined;
  // The end of the sound is no end of the capture: the server sees that nothing more comes, and has it opened again.
  picture?.addEventListener('ended', () => {
    // A tab that was closed: the server has another one captured.
    setTimeout(() => {
      if (videoTrack === picture) window.captureFailed('The video track ended');
    }, ENDED_PATIENCE_MS);
  });
}

/** @returns whether there is sound. */
async function open(request: OpenRequest): Promise<boolean> {
  format = request;
  wants = request;
  const workerReady = startWorker(request);
  await takeTab();
  await workerReady;
  return audioTrack !== undefined;
}

/** A processor is a sink of its track; with the last sink gone, the browser stops capturing. */
function resume(): void {
  if (running) return;
  running = true;
  if (videoTrack) {
    // One picture of buffer: what the worker has no time for is better dropped than late.
    const frames = new MediaStreamTrackProcessor({ track: videoTrack, maxBufferSize: 1 }).readable;
    post({ type: 'video', frames }, [frames]);
  }
  takeSound();
}

function takeSound(): void {
  if (!audioTrack) return;
  const chunks = new MediaStreamTrackProcessor({ track: audioTrack, maxBufferSize: 20 }).readable;
  post({ type: 'audio', chunks }, [chunks]);
}

/** The browser takes no sound any more, until it is reopened: it would also do so while nobody reads it. */
function restSound(): void {
  audioTrack?.stop();
  audioTrack = undefined;
}

/** As {@link restSound}, and of no other tab either. */
function forgoSound(): void {
  restSound();
  wants = { ...wants, audio: false };
}

/** Takes the sound of the tab from a new track, which ends where the former one did. */
async function reopenSound(): Promise<void> {
  const stream = await navigator.mediaDevices.getDisplayMedia({
    video: { width: 64, height: 64, frameRate: 1 },
    audio: AUDIO_CONSTRAINTS,
  });
  audioTrack?.stop();
  [audioTrack] = stream.getAudioTracks();
  if (running) takeSound();
}

function progress(): Promise<CaptureProgress> {
  return new Promise((resolve) => {
    onProgress = resolve;
    post({ type: 'progress' });
  });
}

function pause(): void {
  if (!running) return;
  running = false;
  post({ type: 'pause' });
}

/** Goes on in another size: the file is laid out anew while nothing is written to it. */
async function reconfigure(request: ReconfigureRequest): Promise<void> {
  const { layout, width, height, captured, frameRate } = request;
  const wasRunning = running;
  format = request;
  if (videoTrack) {
    // Chromium applies constraints with the next picture, and there is none for a track without a sink.
    const sink = new MediaStreamTrackProcessor({ track: videoTrack, maxBufferSize: 1 }).readable.getReader();
    await videoTrack.applyConstraints({ ...captured, frameRate });
    void sink.cancel();
  }
  pause();
  const resized = new Promise<void>((resolve) => {
    onResized = resolve;
  });
  post({ type: 'resize', layout, width, height });
  await resized;
  if (wasRunning) resume();
}

window.capture = {
  open,
  measureMatrix,
  pause,
  resume,
  reconfigure,
  progress,
  restSound,
  forgoSound,
  reopenSound,
  takeTab,
};
