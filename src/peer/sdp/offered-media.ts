import {
  RTCRtpCodecParameters,
  RTCRtpHeaderExtensionParameters,
  useFIR,
  useNACK,
  usePLI,
  useTWCC,
} from 'werift';

import type { VideoCodec } from '../../render/encode/encoded-frame.js';
import type { HeaderExtensionIds } from '../../fanout/media-plane.js';
import { VIDEO_FORMATS } from './video-formats.js';

/** What the media plane calls the extensions that name the layers of a simulcast. */
type SimulcastExtension = 'rid' | 'repairedRid';

/** RFC 8852. */
export const SIMULCAST_EXTENSION_URIS: Readonly<Record<SimulcastExtension, string>> = {
  rid: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  repairedRid: 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
};

/** The other extensions. */
export type ViewerExtension = Exclude<keyof HeaderExtensionIds, SimulcastExtension>;

/** URIs of the header extensions that any viewer may get, by what the media plane calls them. */
export const HEADER_EXTENSION_URIS: Readonly<Record<ViewerExtension, string>> = {
  mid: 'urn:ietf:params:rtp-hdrext:sdes:mid',
  transportWideCc: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  playoutDelay: 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  absCaptureTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
};

const OPUS_PARAMETERS = 'minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1';

/** Any number of µs: browsers want it in the SDP, and look no further. */
export const FEC_PARAMETERS = 'repair-window=10000000';
export const FEC_NAME = 'flexfec-03';
const FEC_PAYLOAD_TYPE = 49;
const OPUS_PAYLOAD_TYPE = 111;
/** Below 64: with the marker bit, 64 to 95 look like RTCP (RFC 5761 section 4). */
const RED_PAYLOAD_TYPE = 63;

/** The codecs of the video section, best first, each followed by its RTX; then FlexFEC. */
export function offeredVideoCodecs(codecs: readonly VideoCodec[]): RTCRtpCodecParameters[] {
  const media = codecs.flatMap((codec) => {
    const { name, payloadType, rtxPayloadType, parameters } = VIDEO_FORMATS[codec];
    return [
      new RTCRtpCodecParameters({
        mimeType: `video/${name}`,
        clockRate: 90_000,
        payloadType,
        rtcpFeedback: [useNACK(), usePLI(), useFIR(), useTWCC()],
        ...(parameters === undefined ? {} : { parameters }),
      }),
      new RTCRtpCodecParameters({
        mimeType: 'video/rtx',
        clockRate: 90_000,
        payloadType: rtxPayloadType,
        parameters: `apt=${payloadType}`,
      }),
    ];
  });
  // draft-ietf-payload-flexible-fec-scheme-03: packets by which lost ones are restored, for viewers that lose some.
  const fec = new RTCRtpCodecParameters({
    mimeType: `video/${FEC_NAME}`,
    clockRate: 90_000,
    payloadType: FEC_PAYLOAD_TYPE,
    parameters: FEC_PARAMETERS,
  });
  return [...media, fec];
}

export function offeredAudioCodecs(): RTCRtpCodecParameters[] {
  return [
    new RTCRtpCodecParameters({
      mimeType: 'audio/opus',
      clockRate: 48_000,
      channels: 2,
      payloadType: OPUS_PAYLOAD_TYPE,
      parameters: OPUS_PARAMETERS,
      rtcpFeedback: [useTWCC()],
    }),
    // RFC 2198: earlier packets again with each one, for viewers that lose some. Behind Opus, which is sent otherwise.
    new RTCRtpCodecParameters({
      mimeType: 'audio/red',
      clockRate: 48_000,
      channels: 2,
      payloadType: RED_PAYLOAD_TYPE,
      parameters: `${OPUS_PAYLOAD_TYPE}/${OPUS_PAYLOAD_TYPE}`,
    }),
  ];
}

/**
 * The extensions of both sections. werift numbers them in place, one after the other over both lists; an object that
 * stands in both therefore has one id in both, as RFC 8843 section 9.2 demands within a bundle.
 *
 * @param isSimulcast - the pictures are offered in layers.
 */
export function offeredHeaderExtensions(isSimulcast: boolean): {
  audio: RTCRtpHeaderExtensionParameters[];
  video: RTCRtpHeaderExtensionParameters[];
} {
  const extension = (uri: string): RTCRtpHeaderExtensionParameters =>
    new RTCRtpHeaderExtensionParameters({ uri });
  const mid = extension(HEADER_EXTENSION_URIS.mid);
  const transportWideCc = extension(HEADER_EXTENSION_URIS.transportWideCc);
  const playoutDelay = extension(HEADER_EXTENSION_URIS.playoutDelay);
  const absCaptureTime = extension(HEADER_EXTENSION_URIS.absCaptureTime);
  const layers = isSimulcast ? Object.values(SIMULCAST_EXTENSION_URIS).map(extension) : [];
  return {
    audio: [mid, transportWideCc, absCaptureTime],
    video: [mid, transportWideCc, absCaptureTime, playoutDelay, ...layers],
  };
}
