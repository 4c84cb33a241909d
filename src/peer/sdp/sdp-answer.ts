import type { VideoCodec } from '../../render/encode/encoded-frame.js';
import { StreamKitError } from '../../base/errors.js';
import type { HeaderExtensionIds } from '../../fanout/media-plane.js';
import { readCandidate } from '../ice/ice-candidate.js';
import { FEC_NAME, HEADER_EXTENSION_URIS, SIMULCAST_EXTENSION_URIS } from './offered-media.js';
import {
  codecsOf,
  maxPacketTimeMs,
  parseSessionDescription,
  type SdpMedia,
  type SessionDescription,
  valuesOf,
} from './session-description.js';
import { acceptedRids } from './simulcast.js';
import { readTransport, type TransportAttributes } from './sdp-transport.js';
import { sendableCodec } from './video-formats.js';

/** What an answer says of one section of the offer. */
export interface AcceptedMedia {
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
  /** The layers that are taken of a simulcast, best first. Absent: one stream is. */
  readonly rids?: readonly string[];
}

export interface AcceptedAnswer {
  readonly videoCodec: VideoCodec;
  readonly video: AcceptedMedia;
  /** null where audio was not offered, or is not wanted. */
  readonly audio: AcceptedMedia | null;
  /** Candidates that the answer carried, as {@link readCandidate} gives them. */
  readonly candidates: readonly string[];
  /** The viewer's end. Nothing of what it sent goes further but this and the parts above. */
  readonly transport: TransportAttributes;
}

export const MAX_SDP_BYTES = 64 * 1024;
export const MAX_CANDIDATES = 64;

/**
 * Checks a viewer's answer against the offer that was sent.
 *
 * @throws StreamKitError `unprocessable`
 */
export function readAnswer(answerSdp: string, offerSdp: string): AcceptedAnswer {
  if (Buffer.byteLength(answerSdp) > MAX_SDP_BYTES) {
    throw refusal('is larger than 64 KiB');
  }
  const answer = parseSessionDescription(answerSdp);
  const offer = parseSessionDescription(offerSdp);
  if (answer === undefined || offer === undefined) {
    throw refusal('is no SDP');
  }
  if (answer.media.length !== offer.media.length) {
    throw refusal('does not have the media sections of the offer');
  }
  let video: { codec: VideoCodec; media: AcceptedMedia } | undefined;
  let audio: AcceptedMedia | null = null;
  offer.media.forEach((offered, i) => {
    const answered = answer.media[i];
    const [mid = ''] = valuesOf(offered.attributes, 'mid');
    // RFC 3264 section 6: the sections of an answer stand in the order of the offer.
    if (
      answered?.kind !== offered.kind ||
      (answered.port !== 0 && valuesOf(answered.attributes, 'mid')[0] !== mid)
    ) {
      throw refusal('does not have the media sections of the offer');
    }
    if (offered.kind === 'application') {
      // A viewer without it watches; SCTP gives up by itself.
      if (answered.port !== 0) checkBundled(answer, answered, mid);
      return;
    }
    if (!isReceiving(answer, answered)) {
      return;
    }
    checkBundled(answer, answered, mid);
    if (offered.kind === 'video') {
      video = acceptedVideo(offered, answered, mid);
    } else if (offered.kind === 'audio') {
      audio = acceptedAudio(offered, answered, mid);
    }
  });
  const section = answer.media.find(({ kind }) => kind === 'video');
  if (video === undefined || section === undefined) {
    throw refusal('does not receive the offered video');
  }
  return {
    videoCodec: video.codec,
    video: video.media,
    audio,
    candidates: candidatesOf(answer),
    transport: transportOf(answer, section),
  };
}

function refusal(what: string): StreamKitError {
  return new StreamKitError('unprocessable', `The SDP answer ${what}`);
}

/** RFC 8866 section 6.7: without a direction, a section both sends and receives. */
function isReceiving(session: SessionDescription, media: SdpMedia): boolean {
  const names = [...media.attributes, ...session.attributes].map(({ name }) => name);
  const direction = names.find((name) => ['sendrecv', 'recvonly', 'sendonly', 'inactive'].includes(name));
  return media.port !== 0 && direction !== 'sendonly' && direction !== 'inactive';
}

/** There is one transport: what is not bundled onto it, with RTCP beside RTP, could not be served. */
function checkBundled(session: SessionDescription, media: SdpMedia, mid: string): void {
  const groups = valuesOf(session.attributes, 'group').map((value) => value.split(' '));
  const bundle = groups.find(([semantics]) => semantics === 'BUNDLE');
  // RFC 8841 section 5: SCTP has no RTCP.
  const isMuxed = media.kind === 'application' || media.attributes.some(({ name }) => name === 'rtcp-mux');
  if (bundle?.slice(1).includes(mid) !== true || !isMuxed) {
    throw refusal('does not bundle its media with rtcp-mux');
  }
}

function acceptedVideo(
  offered: SdpMedia,
  answered: SdpMedia,
  mid: string,
): { codec: VideoCodec; media: AcceptedMedia } {
  const offeredNames = new Set(codecsOf(offered).map(({ name }) => name));
  const codecs = codecsOf(answered);
  const chosen = codecs.find(
    (candidate) => offeredNames.has(candidate.name) && sendableCodec(candidate) !== undefined,
  );
  const codec = chosen && sendableCodec(chosen);
  if (chosen === undefined || codec === undefined) {
    throw refusal('accepts no offered video codec');
  }
  const rtx = codecs.find(
    ({ name, parameters }) => name === 'rtx' && parameters.get('apt') === String(chosen.payloadType),
  );
  const fec = codecs.find(({ name }) => name === FEC_NAME && offeredNames.has(name));
  const headerExtensions = acceptedExtensions(offered, answered);
  // RFC 8853 section 5.5: without the extension nobody could tell the layers apart.
  const rids = headerExtensions.rid === undefined ? [] : acceptedRids(offered, answered);
  return {
    codec,
    media: {
      mid,
      payloadType: chosen.payloadType,
      ...(rtx === undefined ? {} : { rtxPayloadType: rtx.payloadType }),
      ...(fec === undefined ? {} : { fecPayloadType: fec.payloadType }),
      ...(rids.length === 0 ? {} : { rids }),
      headerExtensions,
    },
  };
}

function acceptedAudio(offered: SdpMedia, answered: SdpMedia, mid: string): AcceptedMedia | null {
  const codecs = codecsOf(answered);
  const opus = codecs.find(({ name, clockRateHz }) => name === 'opus' && clockRateHz === 48_000);
  if (opus === undefined) {
    return null;
  }
  const offersRed = codecsOf(offered).some(({ name }) => name === 'red');
  const packetTimeMaxMs = maxPacketTimeMs(answered);
  const red = codecs.find(({ name, clockRateHz }) => offersRed && name === 'red' && clockRateHz === 48_000);
  return {
    mid,
    payloadType: opus.payloadType,
    ...(red === undefined ? {} : { redPayloadType: red.payloadType }),
    ...(packetTimeMaxMs === undefined ? {} : { packetTimeMaxMs }),
    headerExtensions: acceptedExtensions(offered, answered),
  };
}

function acceptedExtensions(offered: SdpMedia, answered: SdpMedia): HeaderExtensionIds {
  const offeredIds = extensionIds(offered);
  const answeredIds = extensionIds(answered);
  const ids: { -readonly [name in keyof HeaderExtensionIds]: HeaderExtensionIds[name] } = {};
  const uris: Readonly<Record<keyof HeaderExtensionIds, string>> = {
    ...HEADER_EXTENSION_URIS,
    ...SIMULCAST_EXTENSION_URIS,
  };
  for (const name of Object.keys(uris) as (keyof HeaderExtensionIds)[]) {
    const id = answeredIds.get(uris[name]);
    // RFC 8285 section 6: an answer keeps the ids of the offer.
    if (id !== undefined && id === offeredIds.get(uris[name])) {
      ids[name] = id;
    }
  }
  return ids;
}

export function extensionIds(media: SdpMedia): Map<string, number> {
  const ids = new Map<string, number>();
  for (const value of valuesOf(media.attributes, 'extmap')) {
    const match = /^(\d{1,2})(?:\/(\w+))? (\S+)/.exec(value);
    if (match?.[3] !== undefined && match[2] !== 'inactive') {
      ids.set(match[3], Number(match[1]));
    }
  }
  return ids;
}

function transportOf(session: SessionDescription, media: SdpMedia): TransportAttributes {
  const transport = readTransport(session, media, refusal);
  // RFC 5763 section 5: actpass is for offers.
  if (transport.setup === 'actpass') {
    throw refusal('has no DTLS role');
  }
  return transport;
}

function candidatesOf(session: SessionDescription): string[] {
  const values = session.media.flatMap(({ attributes }) => valuesOf(attributes, 'candidate'));
  return values
    .slice(0, MAX_CANDIDATES)
    .map((value) => readCandidate(`candidate:${value}`))
    .filter((candidate) => candidate !== undefined);
}

/** Whether two answers of one viewer ask for the same packets. */
export function sameMedia(before: AcceptedAnswer, after: AcceptedAnswer): boolean {
  return (
    before.video.payloadType === after.video.payloadType &&
    before.video.fecPayloadType === after.video.fecPayloadType &&
    before.video.rids?.join(';') === after.video.rids?.join(';') &&
    before.audio?.payloadType === after.audio?.payloadType &&
    before.audio?.redPayloadType === after.audio?.redPayloadType &&
    before.audio?.packetTimeMaxMs === after.audio?.packetTimeMaxMs
  );
}
