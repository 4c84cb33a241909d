import type { VideoCodec } from '../../protocol/video-codecs.js';
import type { EncodedFrame } from '../encode/encoded-frame.js';
import { Av1Payloader } from './av1-payloader.js';
import { H264Payloader } from './h264-payloader.js';
import { H265Payloader } from './h265-payloader.js';
import type { RtpPayloads } from './rtp-payloads.js';
import { Vp8Payloader } from './vp8-payloader.js';
import { Vp9Payloader } from './vp9-payloader.js';

/** Splits encoded pictures into RTP payloads. */
export interface VideoPayloader {
  payload(frame: EncodedFrame): RtpPayloads;
}

const PAYLOADERS: Readonly<Record<VideoCodec, new () => VideoPayloader>> = {
  h264: H264Payloader,
  vp8: Vp8Payloader,
  vp9: Vp9Payloader,
  av1: Av1Payloader,
  h265: H265Payloader,
};

export function createVideoPayloader(codec: VideoCodec): VideoPayloader {
  return new PAYLOADERS[codec]();
}
