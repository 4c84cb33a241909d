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

/** RFC 4585 section 4.2, RFC 5104 section 7.1, and draft-holmer-rmcat-transport-wide-cc-extensions-01. */
const VIDEO_FEEDBACK = ['nack', 'nack pli', 'ccm fir', 'transport-cc'];

/** What a section of our offers says of its packets: payload types, and the lines that describe them. */
interface OfferedFormats {
  readonly payloadTypes: readonly number[];
  readonly lines: readonly string[];
}

/** The codecs of the video section, best first, each followed by its RTX; then FlexFEC. */
export function videoFormats(codecs: readonly VideoCodec[]): OfferedFormats {
  const formats = codecs.map((codec) => VIDEO_FORMATS[codec]);
  return {
    payloadTypes: [
      ...formats.flatMap(({ payloadType, rtxPayloadType }) => [payloadType, rtxPayloadType]),
      FEC_PAYLOAD_TYPE,
    ],
    lines: [
      ...formats.flatMap(({ name, payloadType, rtxPayloadType, parameters }) => [
        `a=rtpmap:${payloadType} ${name}/90000`,
        ...VIDEO_FEEDBACK.map((feedback) => `a=rtcp-fb:${payloadType} ${feedback}`),
        ...(parameters === undefined ? [] : [`a=fmtp:${payloadType} ${parameters}`]),
        `a=rtpmap:${rtxPayloadType} rtx/90000`,
        `a=fmtp:${rtxPayloadType} apt=${payloadType}`,
      ]),
      // draft-ietf-payload-flexible-fec-scheme-03: packets by which lost ones are restored, for viewers that lose some.
      `a=rtpmap:${FEC_PAYLOAD_TYPE} ${FEC_NAME}/90000`,
      `a=fmtp:${FEC_PAYLOAD_TYPE} ${FEC_PARAMETERS}`,
    ],
  };
}

export const AUDIO_FORMATS: OfferedFormats = {
  payloadTypes: [OPUS_PAYLOAD_TYPE, RED_PAYLOAD_TYPE],
  lines: [
    `a=rtpmap:${OPUS_PAYLOAD_TYPE} opus/48000/2`,
    `a=rtcp-fb:${OPUS_PAYLOAD_TYPE} transport-cc`,
    `a=fmtp:${OPUS_PAYLOAD_TYPE} ${OPUS_PARAMETERS}`,
    // RFC 2198: earlier packets again with each one, for viewers that lose some. Behind Opus, which is sent otherwise.
    `a=rtpmap:${RED_PAYLOAD_TYPE} red/48000/2`,
    `a=fmtp:${RED_PAYLOAD_TYPE} ${OPUS_PAYLOAD_TYPE}/${OPUS_PAYLOAD_TYPE}`,
  ],
};

/** One id for each extension in both sections, as RFC 8843 section 9.2 demands within a bundle. */
const EXTENSION_IDS: Readonly<Record<ViewerExtension | SimulcastExtension, number>> = {
  mid: 4,
  transportWideCc: 5,
  absCaptureTime: 6,
  playoutDelay: 7,
  rid: 8,
  repairedRid: 9,
};

const EXTENSION_LINES = {
  audio: extensionLines('mid', 'transportWideCc', 'absCaptureTime'),
  video: extensionLines('mid', 'transportWideCc', 'absCaptureTime', 'playoutDelay'),
  layers: extensionLines('rid', 'repairedRid'),
};

/** @param isSimulcast - the pictures are offered in layers. */
export function offeredExtensions(kind: 'audio' | 'video', isSimulcast: boolean): readonly string[] {
  const lines = EXTENSION_LINES[kind];
  return kind === 'video' && isSimulcast ? [...lines, ...EXTENSION_LINES.layers] : lines;
}

function extensionLines(...names: readonly (ViewerExtension | SimulcastExtension)[]): string[] {
  const uris = { ...HEADER_EXTENSION_URIS, ...SIMULCAST_EXTENSION_URIS };
  return names.map((name) => `a=extmap:${EXTENSION_IDS[name]} ${uris[name]}`);
}
