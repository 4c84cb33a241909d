import type { AVHWDeviceType, AVPixelFormat } from 'node-av/constants';

import type { ColourMatrix } from '../capture/video-frame.js';
import type { VideoCodec } from './encoded-frame.js';

/** Names and values of options as FFmpeg documents them. */
export type EncoderOptions = Readonly<Record<string, string | number>>;

/** A kind of device that encodes. */
export interface EncoderDevice {
  readonly type: AVHWDeviceType;
  /** The option of the device that takes its path; absent: the path is its name. */
  readonly pathOption?: string;
  /** Pictures are uploaded to surfaces of this format; absent: the encoder takes them from memory. */
  readonly surface?: AVPixelFormat;
}

/** How one of FFmpeg's encoders is driven for the lowest latency. */
export interface LibavEncoderSettings {
  readonly codec: VideoCodec;
  readonly options: EncoderOptions;
  /** Pixel formats that the encoder takes as they are; others are converted to the first. */
  readonly inputs: readonly AVPixelFormat[];
  /** Matrices that the codec can signal. */
  readonly matrices: readonly ColourMatrix[];
  /** Whether FFmpeg hands a changed bit rate on to the running encoder; else a change costs a keyframe. */
  readonly dynamicBitrate: boolean;
  /**
   * Its rate control counts pictures instead of reading their times. The encoder that drives it then makes up
   * for the time that has passed, with {@link dynamicBitrate} by the rate; otherwise it is opened anew for a keyframe
   * after a pause. Default false.
   */
  readonly countsPictures?: boolean;
  /** Most threads that encode one picture; absent: as many as its size is worth. */
  readonly maxThreads?: number;
  /** If root opens it, it sets a real-time policy on its own threads and on the calling thread, and does not restore the latter. Default false. */
  readonly takesRealTimePolicy?: boolean;
  /** The device to be opened; absent: the encoder opens its own, or needs none. */
  readonly device?: EncoderDevice;
  /** The encoder's own option that takes the number of a device. */
  readonly deviceOption?: string;
  /** More options, tried one set after the other until the encoder opens; absent: none. */
  readonly variants?: readonly EncoderOptions[];
}
