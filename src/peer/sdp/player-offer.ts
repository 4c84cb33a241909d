import type { VideoCodec } from '../../render/encode/encoded-frame.js';
import { StreamKitError } from '../../base/errors.js';
import type { HeaderExtensionIds } from '../../fanout/media-plane.js';
import { usableCandidates } from '../ice/ice-candidate.js';
import { FEC_NAME, FEC_PARAMETERS, HEADER_EXTENSION_URIS, type ViewerExtension } from './offered-media.js';
import { extensionIds, MAX_CANDIDATES, MAX_SDP_BYTES } from './sdp-answer.js';
import { readTransport, type TransportAttributes } from './sdp-transport.js';
import {
  codecsOf,
  maxPacketTimeMs,
  parseSessionDescription,
  type SdpCodec,
  type SdpMedia,
  type SessionDescription,
  valuesOf,
} from './session-description.js';
import { sendableCodec, VIDEO_FORMATS } from './video-formats.js';

/** What a player is to be sent in one section of its offer, under the player's numbers. */
export interface PlayerMedia {
  /** Empty where the section has none. */
  readonly mid: string;
  readonly payloadType: number;
  readonly rtxPayloadType?: number;
  /** RED (RFC 2198) of the sound. */
  readonly redPayloadType?: number;
  /** `a=maxptime` of the sound, as {@link maxPacketTimeMs} gives it. */
  readonly packetTimeMaxMs?: number;
  /** FlexFEC of the pictures. */
  readonly fecPayloadType?: number;
  readonly headerExtensions: HeaderExtensionIds;
  /** The lines of the answer that say so. */
  readonly codecLines: readonly string[];
}

/** One section of an offer; an answer has the same in the same order (RFC 3264 section 6). */
export interface PlayerSection {
  readonly kind: string;
  readonly protocol: string;
  readonly format: string;
  /** Undefined where it is to be refused. */
  readonly media: PlayerMedia | undefined;
}

/** The offer of a player that wants to receive. */
export interface PlayerOffer {
  readonly sections: readonly PlayerSection[];
  readonly videoCodec: VideoCodec;
  readonly video: PlayerMedia;
  readonly audio: PlayerMedia | null;
  readonly transport: TransportAttributes;
  /** As {@link usableCandidates} gives them. */
  readonly candidates: readonly string[];
  readonly bundled: boolean;
}

const MAX_SECTIONS = 16;
/** One-byte header extensions (RFC 8285 section 4.2). */
const MAX_EXTENSION_ID = 14;
/** A token of RFC 8866 that fits into a one-byte header extension. */
const MID = /^[\w!#$%&'*+.^`{|}~-]{1,16}$/;
const VIDEO_FEEDBACK = new Set(['nack', 'nack pli', 'ccm fir', 'transport-cc']);
const AUDIO_FEEDBACK = new Set(['transport-cc']);

/**
 * Reads the offer of a player.
 *
 * @param videoCodecs - what can be sent, best first.
 * @throws StreamKitError `unprocessable`
 */
export function readPlayerOffer(
  sdp: string,
  videoCodecs: readonly VideoCodec[],
  hasAudio: boolean,
): PlayerOffer {
  if (Buffer.byteLength(sdp) > MAX_SDP_BYTES) {
    throw refusal('is larger than 64 KiB');
  }
  const offer = parseSessionDescription(sdp);
  if (offer === undefined || offer.media.length === 0 || offer.media.length > MAX_SECTIONS) {
    throw refusal('is no SDP with media');
  }
  const wanted = offer.media.filter((media) => isReceiving(offer, media));
  const videoSection = wanted.find(({ kind }) => kind === 'video');
  if (videoSection === undefined) {
    throw refusal('does not ask to receive video');
  }
  const { codec, media: video } = acceptVideo(videoSection, videoCodecs);
  const audioSection = hasAudio ? wanted.find(({ kind }) => kind === 'audio') : undefined;
  const audio = audioSection === undefined ? null : acceptAudio(audioSection);
  const bundled = checkBundled(offer, videoSection, audio === null ? undefined : audioSection);
  return {
    sections: offer.media.map((media) => ({
      kind: media.kind,
      protocol: media.protocol,
      format: /^[\w-]{1,32}$/.test(media.formats[0] ?? '') ? (media.formats[0] ?? '') : '0',
      media: media === videoSection ? video : media === audioSection ? (audio ?? undefined) : undefined,
    })),
    videoCodec: codec,
    video,
    audio,
    transport: readTransport(offer, videoSection, refusal),
    candidates: usableCandidates(
      offer.media.flatMap(({ attributes }) => valuesOf(attributes, 'candidate')),
      MAX_CANDIDATES,
    ),
    bundled,
  };
}

function refusal(what: string): StreamKitError {
  return new StreamKitError('unprocessable', `The SDP offer ${what}`);
}

/** RFC 8866 section 6.7: without a direction, a section both sends and receives. */
function isReceiving(session: SessionDescription, media: SdpMedia): boolean {
  const names = [...media.attributes, ...session.attributes].map(({ name }) => name);
  const direction = names.find((name) => ['sendrecv', 'recvonly', 'sendonly', 'inactive'].includes(name));
  // RFC 9143 section 7.2.1: the port of a section that is bundled or nothing is 0 in an offer.
  const isOffered = media.port !== 0 || names.includes('bundle-only');
  return isOffered && direction !== 'sendonly' && direction !== 'inactive';
}

/** There is one transport: what is not bundled onto it, with RTCP beside RTP, could not be served. */
function checkBundled(session: SessionDescription, video: SdpMedia, audio: SdpMedia | undefined): boolean {
  const media = audio === undefined ? [video] : [video, audio];
  if (!media.every(({ attributes }) => attributes.some(({ name }) => name === 'rtcp-mux'))) {
    throw refusal('does not have rtcp-mux');
  }
  const bundle = valuesOf(session.attributes, 'group')
    .map((value) => value.split(' '))
    .find(([semantics]) => semantics === 'BUNDLE');
  const bundled = media.every((one) => midOf(one) !== '' && bundle?.slice(1).includes(midOf(one)) === true);
  if (!bundled && audio !== undefined) {
    throw refusal('does not bundle its media');
  }
  return bundled;
}

function midOf(media: SdpMedia): string {
  const [mid = ''] = valuesOf(media.attributes, 'mid');
  if (mid !== '' && !MID.test(mid)) {
    throw refusal('has a malformed mid');
  }
  return mid;
}

function acceptVideo(
  media: SdpMedia,
  videoCodecs: readonly VideoCodec[],
): { codec: VideoCodec; media: PlayerMedia } {
  const offered = codecsOf(media).filter(isTellable);
  for (const codec of videoCodecs) {
    const format = VIDEO_FORMATS[codec];
    const [chosen] = offered
      .filter((candidate) => sendableCodec(candidate) === codec)
      .sort((a, b) => format.rank(a) - format.rank(b));
    if (chosen === undefined) {
      continue;
    }
    const { payloadType } = chosen;
    const rtx = offered.find(
      ({ name, parameters }) => name === 'rtx' && parameters.get('apt') === String(payloadType),
    );
    // What repair packets do not restore is sent again.
    const fec = rtx === undefined ? undefined : offered.find(({ name }) => name === FEC_NAME);
    const lines = [`a=rtpmap:${payloadType} ${format.name}/90000`];
    const parameters = format.answer(chosen);
    if (parameters !== undefined) lines.push(`a=fmtp:${payloadType} ${parameters}`);
    lines.push(...feedbackLines(media, payloadType, VIDEO_FEEDBACK));
    if (rtx !== undefined) {
      lines.push(`a=rtpmap:${rtx.payloadType} rtx/90000`, `a=fmtp:${rtx.payloadType} apt=${payloadType}`);
    }
    if (fec !== undefined) {
      lines.push(
        `a=rtpmap:${fec.payloadType} ${FEC_NAME}/90000`,
        `a=fmtp:${fec.payloadType} ${FEC_PARAMETERS}`,
      );
    }
    return {
      codec,
      media: {
        mid: midOf(media),
        payloadType,
        ...(rtx === undefined ? {} : { rtxPayloadType: rtx.payloadType }),
        ...(fec === undefined ? {} : { fecPayloadType: fec.payloadType }),
        headerExtensions: offeredExtensions(media),
        codecLines: lines,
      },
    };
  }
  const needs = videoCodecs.map((codec) => VIDEO_FORMATS[codec].needs);
  throw refusal(`has no video codec of this session: ${needs.join(' or ')}`);
}

/** RFC 5761 section 4: with the marker bit set, these payload types look like RTCP. */
function isTellable({ payloadType }: SdpCodec): boolean {
  return payloadType < 64 || payloadType > 95;
}

function acceptAudio(media: SdpMedia): PlayerMedia | null {
  const offered = codecsOf(media).filter(isTellable);
  const opus = offered.find(({ name, clockRateHz }) => name === 'opus' && clockRateHz === 48_000);
  if (opus === undefined) {
    return null;
  }
  const { payloadType } = opus;
  const packetTimeMaxMs = maxPacketTimeMs(media);
  const red = offered.find((codec) => repeats(media, codec, payloadType));
  return {
    mid: midOf(media),
    payloadType,
    ...(red === undefined ? {} : { redPayloadType: red.payloadType }),
    ...(packetTimeMaxMs === undefined ? {} : { packetTimeMaxMs }),
    headerExtensions: offeredExtensions(media),
    codecLines: [
      `a=rtpmap:${payloadType} opus/48000/2`,
      `a=fmtp:${payloadType} minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1`,
      ...feedbackLines(media, payloadType, AUDIO_FEEDBACK),
      ...(red === undefined
        ? []
        : [
            `a=rtpmap:${red.payloadType} red/48000/2`,
            `a=fmtp:${red.payloadType} ${payloadType}/${payloadType}`,
          ]),
    ],
  };
}

/** Whether it is RED of that payload type alone: RFC 2198 section 5. */
function repeats(media: SdpMedia, red: SdpCodec, payloadType: number): boolean {
  if (red.name !== 'red' || red.clockRateHz !== 48_000) return false;
  return valuesOf(media.attributes, 'fmtp').some((value) => {
    const [format, blocks = ''] = value.trim().split(' ');
    return (
      format === String(red.payloadType) && blocks.split('/').every((block) => block === String(payloadType))
    );
  });
}

/** The feedback that is offered and understood here. */
function feedbackLines(media: SdpMedia, payloadType: number, known: ReadonlySet<string>): string[] {
  const offered = new Set<string>();
  for (const value of valuesOf(media.attributes, 'rtcp-fb')) {
    const [format, ...words] = value.trim().split(' ');
    if (format === '*' || format === String(payloadType)) offered.add(words.join(' '));
  }
  return [...known].filter((name) => offered.has(name)).map((name) => `a=rtcp-fb:${payloadType} ${name}`);
}

function offeredExtensions(media: SdpMedia): HeaderExtensionIds {
  const offered = extensionIds(media);
  const ids: { -readonly [name in keyof HeaderExtensionIds]: HeaderExtensionIds[name] } = {};
  const taken = new Set<number>();
  for (const name of Object.keys(HEADER_EXTENSION_URIS) as ViewerExtension[]) {
    const id = offered.get(HEADER_EXTENSION_URIS[name]) ?? 0;
    if (id < 1 || id > MAX_EXTENSION_ID || taken.has(id) || (name === 'mid' && midOf(media) === '')) continue;
    // Of pictures alone.
    if (name === 'playoutDelay' && media.kind !== 'video') continue;
    taken.add(id);
    ids[name] = id;
  }
  return ids;
}
