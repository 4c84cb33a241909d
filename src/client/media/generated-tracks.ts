/** Where decoded pictures go; each `write` takes the picture over. */
export interface PictureTrack {
  readonly track: MediaStreamTrack;
  write(frame: VideoFrame): void;
  close(): void;
}

/** Where decoded sound goes; each `write` takes it over. */
export interface SoundTrack {
  readonly track: MediaStreamTrack;
  write(sound: AudioData): void;
  /** A gesture may have come, before which browsers keep sound back. */
  wake(): void;
  close(): void;
}

/** Of Chromium alone, https://w3c.github.io/mediacapture-transform/ as it was first. */
interface TrackGenerator<Data> extends MediaStreamTrack {
  readonly writable: WritableStream<Data>;
}
declare const MediaStreamTrackGenerator:
  | (new <Data>(options: { kind: 'audio' | 'video' }) => TrackGenerator<Data>)
  | undefined;

export function openPictureTrack(): PictureTrack {
  return typeof MediaStreamTrackGenerator === 'undefined'
    ? new CanvasPicture()
    : new Generated(new MediaStreamTrackGenerator<VideoFrame>({ kind: 'video' }));
}

export function openSoundTrack(): SoundTrack {
  return typeof MediaStreamTrackGenerator === 'undefined'
    ? new ScheduledSound()
    : new Generated(new MediaStreamTrackGenerator<AudioData>({ kind: 'audio' }));
}

class Generated<Data extends VideoFrame | AudioData> {
  readonly track: MediaStreamTrack;
  readonly #writer: WritableStreamDefaultWriter<Data>;

  constructor(track: TrackGenerator<Data>) {
    this.track = track;
    this.#writer = track.writable.getWriter();
  }

  /** What the track does not take yet is dropped: the newest is worth more than what is late. */
  write(data: Data): void {
    if ((this.#writer.desiredSize ?? 0) > 0) this.#writer.write(data).catch(() => data.close());
    else data.close();
  }

  wake(): void {
    // Nothing is kept back here.
  }

  close(): void {
    this.track.stop();
    this.#writer.abort().catch(() => undefined);
  }
}

class CanvasPicture implements PictureTrack {
  readonly track: MediaStreamTrack;
  readonly #canvas = document.createElement('canvas');
  readonly #context: CanvasRenderingContext2D | null;

  constructor() {
    // Firefox wants the context before the stream.
    this.#context = this.#canvas.getContext('2d', { alpha: false });
    const [track] = this.#canvas.captureStream().getVideoTracks();
    if (track === undefined) throw new TypeError('The canvas gives no picture');
    this.track = track;
  }

  write(frame: VideoFrame): void {
    const { displayWidth, displayHeight } = frame;
    if (this.#canvas.width !== displayWidth) this.#canvas.width = displayWidth;
    if (this.#canvas.height !== displayHeight) this.#canvas.height = displayHeight;
    this.#context?.drawImage(frame, 0, 0);
    frame.close();
  }

  close(): void {
    this.track.stop();
  }
}

/** So much sound lies ahead of what is heard, for chunks that come unevenly, s. */
const AHEAD_S = 0.06;
/** Sound that would be heard later than this is dropped, s. */
const MAX_AHEAD_S = 0.3;

class ScheduledSound implements SoundTrack {
  readonly track: MediaStreamTrack;
  readonly #context = new AudioContext({ latencyHint: 'interactive' });
  readonly #output = this.#context.createMediaStreamDestination();
  #nextAt = 0;

  constructor() {
    const [track] = this.#output.stream.getAudioTracks();
    if (track === undefined) throw new TypeError('The audio context gives no sound');
    this.track = track;
    for (const type of ['pointerdown', 'keydown']) document.addEventListener(type, this.wake);
  }

  write(sound: AudioData): void {
    const { numberOfFrames, numberOfChannels, sampleRate } = sound;
    const { currentTime, state } = this.#context;
    if (state === 'running' && this.#nextAt < currentTime + MAX_AHEAD_S) {
      const buffer = this.#context.createBuffer(numberOfChannels, numberOfFrames, sampleRate);
      for (let planeIndex = 0; planeIndex < numberOfChannels; planeIndex++) {
        sound.copyTo(buffer.getChannelData(planeIndex), { planeIndex, format: 'f32-planar' });
      }
      if (this.#nextAt < currentTime) this.#nextAt = currentTime + AHEAD_S;
      const source = this.#context.createBufferSource();
      source.buffer = buffer;
      source.connect(this.#output);
      source.start(this.#nextAt);
      this.#nextAt += buffer.duration;
    }
    sound.close();
  }

  readonly wake = (): void => {
    if (this.#context.state === 'suspended') this.#context.resume().catch(() => undefined);
  };

  close(): void {
    for (const type of ['pointerdown', 'keydown']) document.removeEventListener(type, this.wake);
    this.track.stop();
    this.#context.close().catch(() => undefined);
  }
}
