import type { CaptureProgress, RingLayout, WorkerReport, WorkerRequest } from './messages.js';

/** File System standard; the DOM library of TypeScript has it for workers only. */
interface SyncAccessHandle {
  read(buffer: Uint8Array, options: { at: number }): number;
  write(buffer: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
}

interface SyncFileHandle {
  createSyncAccessHandle(): Promise<SyncAccessHandle>;
}

/** Offsets of a trailer; `frame-ring.ts` on the server's side says what they hold. */
const FORMAT_OFFSET = 4;
const WIDTH_OFFSET = 8;
const HEIGHT_OFFSET = 12;
const TIMESTAMP_OFFSET = 16;
const ARRIVAL_OFFSET = 24;
const SEQUENCE_AGAIN_OFFSET = 60;

/** How long pictures of an unusable size are put down to a change of size that is still under way. */
const UNUSABLE_LIMIT_MS = 3_000;

/** Together ten seconds: a tab that does not answer is ended by the browser after a few. */
const ACCESS_ATTEMPTS = 200;
const ACCESS_INTERVAL_MS = 50;

const VIDEO_FORMATS: Readonly<Record<string, number>> = { I420: 1, NV12: 2 };

let layout: RingLayout;
let expectedWidth = 0;
let expectedHeight = 0;
let videoFile: SyncAccessHandle;
let creditsFile: SyncAccessHandle;
let audioFile: SyncAccessHandle;
let videoSequence = 0;
let audioSequence = 0;
let picturesTaken = 0;
let soundChunksTaken = 0;
let pictureCameMs: number | undefined;
let longestGap: CaptureProgress['gap'];
let soundReader: ReadableStreamDefaultReader | undefined;
let unusableCount = 0;
let unusableTimer: ReturnType<typeof setTimeout> | undefined;
let writing: Promise<void> = Promise.resolve();
let pauseCount = 0;
const readers = new Set<ReadableStreamDefaultReader>();
const credit = new Uint8Array(8);
const creditView = new DataView(credit.buffer);

function report(message: WorkerReport): void {
  postMessage(message);
}

async function openFile(name: string, bytes: number): Promise<SyncAccessHandle> {
  const root = await navigator.storage.getDirectory();
  const file = (await root.getFileHandle(name, { create: true })) as unknown as SyncFileHandle;
  const handle = await access(file);
  if (handle.getSize() !== bytes) {
    handle.truncate(0);
    handle.truncate(bytes);
  }
  return handle;
}

/** A tab that was closed may keep its files a little longer. */
async function access(file: SyncFileHandle): Promise<SyncAccessHandle> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      if (attempt === ACCESS_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, ACCESS_INTERVAL_MS));
    }
  }
}

/** Of what the tab before this one wrote; 0: there was none. */
function newestSequence(file: SyncAccessHandle, slotCount: number, slotBytes: number): number {
  const sequence = new DataView(new ArrayBuffer(4));
  let newest = 0;
  for (let slot = 0; slot < slotCount; slot++) {
    file.read(new Uint8Array(sequence.buffer), { at: slot * (slotBytes + layout.trailerBytes) + slotBytes });
    newest = Math.max(newest, sequence.getUint32(0, true));
  }
  return newest;
}

async function open(request: Extract<WorkerRequest, { type: 'open' }>): Promise<void> {
  layout = request.layout;
  expectedWidth = request.width;
  expectedHeight = request.height;
  const { videoSlotCount, videoSlotBytes, audioSlotCount, audioSlotBytes, trailerBytes } = layout;
  videoFile = await openFile('video', videoSlotCount * (videoSlotBytes + trailerBytes));
  creditsFile = await openFile('credits', layout.creditsFileBytes);
  audioFile = await openFile('audio', audioSlotCount * (audioSlotBytes + trailerBytes));
  // Readers know what was written last.
  videoSequence = newestSequence(videoFile, videoSlotCount, videoSlotBytes);
  audioSequence = newestSequence(audioFile, audioSlotCount, audioSlotBytes);
  report({ type: 'ready' });
}

/** The sequence number of the picture that the server is copying, or 0. */
function claimedSequence(): number {
  for (;;) {
    creditsFile.read(credit, { at: 0 });
    const claimed = creditView.getUint32(0, true);
    const complement = creditView.getUint32(4, true);
    // Before the first claim the file is all zeros.
    if (claimed === ~complement >>> 0 || (claimed === 0 && complement === 0)) return claimed;
  }
}

function writeTrailer(
  view: DataView,
  at: number,
  fields: { sequence: number; format: number; width: number; height: number; timestampUs: number },
): void {
  view.setUint32(at, fields.sequence, true);
  view.setUint32(at + FORMAT_OFFSET, fields.format, true);
  view.setUint32(at + WIDTH_OFFSET, fields.width, true);
  view.setUint32(at + HEIGHT_OFFSET, fields.height, true);
  view.setFloat64(at + TIMESTAMP_OFFSET, fields.timestampUs, true);
  view.setFloat64(at + ARRIVAL_OFFSET, (performance.timeOrigin + performance.now()) * 1000, true);
  view.setUint32(at + SEQUENCE_AGAIN_OFFSET, fields.sequence, true);
}

/** The longest gap since it was asked for last. */
function notePicture(): void {
  const nowMs = performance.timeOrigin + performance.now();
  const startMs = pictureCameMs;
  pictureCameMs = nowMs;
  if (startMs === undefined) return;
  if (longestGap === undefined || nowMs - startMs > longestGap.endMs - longestGap.startMs)
    longestGap = { startMs, endMs: nowMs };
}

function usable(): void {
  clearTimeout(unusableTimer);
  unusableTimer = undefined;
}

/** While the tab is being resized, pictures of the old size may still come. They are an error if no other follows. */
function unusable(width: number, height: number): void {
  unusableCount++;
  const message = `The browser captures ${width}x${height} where at least ${expectedWidth}x${expectedHeight} is needed`;
  // Each power of two: often enough to be seen, never a flood.
  if ((unusableCount & (unusableCount - 1)) === 0)
    report({ type: 'unusable', message, count: unusableCount });
  unusableTimer ??= setTimeout(() => report({ type: 'failed', message }), UNUSABLE_LIMIT_MS);
}

async function writeVideo(stream: ReadableStream<VideoFrame>): Promise<void> {
  const reader = stream.getReader();
  readers.add(reader);
  const { videoSlotBytes, videoSlotCount, trailerBytes } = layout;
  const slot = new Uint8Array(videoSlotBytes + trailerBytes);
  const picture = slot.subarray(0, videoSlotBytes);
  const view = new DataView(slot.buffer);
  for (;;) {
    const { value: frame, done } = await reader.read();
    if (done) break;
    picturesTaken++;
    notePicture();
    try {
      const format = VIDEO_FORMATS[frame.format ?? ''];
      if (format === undefined) {
        throw new Error(`The browser captures in an unexpected pixel format: ${String(frame.format)}`);
      }
      const { x = 0, y = 0, width: wide = 0, height: high = 0 } = frame.visibleRect ?? {};
      const width = expectedWidth;
      const height = expectedHeight;
      const rect = { x, y, width, height };
      // A factor that does not divide the size makes the tab slightly larger than the picture.
      if (wide < width || high < height || frame.allocationSize({ rect }) !== videoSlotBytes) {
        unusable(wide, high);
        continue;
      }
      usable();
      await frame.copyTo(picture, { rect });
      const sequence = (videoSequence + 1) >>> 0 || videoSlotCount;
      const claimed = claimedSequence();
      if (claimed !== 0 && claimed % videoSlotCount === sequence % videoSlotCount) continue;
      videoSequence = sequence;
      writeTrailer(view, videoSlotBytes, { sequence, format, width, height, timestampUs: frame.timestamp });
      videoFile.write(slot, { at: (sequence % videoSlotCount) * slot.byteLength });
    } finally {
      frame.close();
    }
  }
  readers.delete(reader);
}

async function writeAudio(stream: ReadableStream<AudioData>): Promise<void> {
  const reader = stream.getReader();
  // There is one track of sound at a time, and a former one may never end by itself.
  void soundReader?.cancel();
  soundReader = reader;
  readers.add(reader);
  const { audioSlotBytes, audioSlotCount, trailerBytes } = layout;
  const slot = new Uint8Array(audioSlotBytes + trailerBytes);
  const view = new DataView(slot.buffer);
  for (;;) {
    const { value: chunk, done } = await reader.read();
    if (done) break;
    const { numberOfFrames, numberOfChannels, sampleRate, timestamp } = chunk;
    const channels = Math.min(numberOfChannels, 2);
    const channelBytes = numberOfFrames * 4;
    if (channels * channelBytes <= audioSlotBytes) {
      for (let channel = 0; channel < channels; channel++) {
        const plane = slot.subarray(channel * channelBytes, (channel + 1) * channelBytes);
        chunk.copyTo(plane, { planeIndex: channel, format: 'f32-planar' });
      }
      audioSequence++;
      soundChunksTaken++;
      writeTrailer(view, audioSlotBytes, {
        sequence: audioSequence,
        format: sampleRate,
        width: channels,
        height: numberOfFrames,
        timestampUs: timestamp,
      });
      audioFile.write(slot, { at: (audioSequence % audioSlotCount) * slot.byteLength });
    }
    chunk.close();
  }
  readers.delete(reader);
}

/** Not before the one before has ended: its last picture would count as the newest. By then it may be paused again. */
function unlessPaused(frames: ReadableStream<VideoFrame>): () => Promise<void> {
  const pauses = pauseCount;
  return () => (pauses === pauseCount ? writeVideo(frames) : frames.cancel());
}

function pause(): void {
  pauseCount++;
  usable();
  for (const reader of readers) void reader.cancel();
  readers.clear();
  pictureCameMs = undefined;
}

/** The picture that is under way is written before the file is laid out anew. */
async function resize(request: Extract<WorkerRequest, { type: 'resize' }>): Promise<void> {
  await writing;
  layout = request.layout;
  expectedWidth = request.width;
  expectedHeight = request.height;
  videoFile.truncate(0);
  videoFile.truncate(layout.videoSlotCount * (layout.videoSlotBytes + layout.trailerBytes));
  report({ type: 'resized' });
}

function fail(error: unknown): void {
  report({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
}

self.onmessage = (event: MessageEvent<WorkerRequest>) => {
  const request = event.data;
  switch (request.type) {
    case 'open':
      open(request).catch(fail);
      break;
    case 'video':
      writing = writing.then(unlessPaused(request.frames)).catch(fail);
      break;
    case 'audio':
      writeAudio(request.chunks).catch(fail);
      break;
    case 'progress':
      report({ type: 'progress', pictures: picturesTaken, soundChunks: soundChunksTaken, gap: longestGap });
      longestGap = undefined;
      break;
    case 'pause':
      pause();
      break;
    case 'resize':
      resize(request).catch(fail);
      break;
  }
};
