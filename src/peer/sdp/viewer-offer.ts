import type { VideoCodec } from '../../render/encode/encoded-frame.js';
import { AUDIO_FORMATS, offeredExtensions, videoFormats } from './offered-media.js';
import type { OfferedSources } from './offered-sources.js';
import { type TransportAttributes, transportLines } from './sdp-transport.js';
import { simulcastLines } from './simulcast.js';

export interface ViewerOffer {
  /** Greater by one with each offer to the viewer (RFC 8829 section 5.2.2). */
  readonly version: number;
  /** Best first. */
  readonly videoCodecs: readonly VideoCodec[];
  readonly audio: boolean;
  /** Whether a data channel is offered. */
  readonly input: boolean;
  /** Names of the layers, the best first; none if there is no simulcast. */
  readonly rids: readonly string[];
  readonly sources: OfferedSources;
  readonly transport: TransportAttributes;
}

/** The first section, which candidates are of: everything is bundled onto it. */
export const FIRST_MID = '0';
/** RFC 8841 section 5; browsers use the port of RFC 8832. */
export const SCTP_PORT = 5000;
export const MAX_MESSAGE_BYTES = 65_536;
/** RFC 8829 section 5.2.1: there are no candidates yet. */
const NO_ADDRESS = 'IN IP4 0.0.0.0';

/** Our offer to a viewer: pictures, sound if there is any, and the data channel if it is offered, on one transport. */
export function writeOffer(offer: ViewerOffer): string {
  const sections = [
    (mid: string) => videoSection(offer, mid),
    ...(offer.audio ? [(mid: string) => audioSection(offer, mid)] : []),
    ...(offer.input ? [(mid: string) => inputSection(offer, mid)] : []),
  ];
  const lines = [
    'v=0',
    `o=- ${offer.sources.sessionId} ${offer.version} ${NO_ADDRESS}`,
    's=-',
    't=0 0',
    `a=group:BUNDLE ${sections.map((_, index) => index).join(' ')}`,
    'a=extmap-allow-mixed',
    'a=msid-semantic:WMS *',
    ...sections.flatMap((section, index) => section(String(index))),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function videoSection({ videoCodecs, rids, sources, transport }: ViewerOffer, mid: string): string[] {
  const { cname, fecSsrc, video } = sources;
  const { payloadTypes, lines } = videoFormats(videoCodecs);
  return [
    `m=video 9 UDP/TLS/RTP/SAVPF ${payloadTypes.join(' ')}`,
    ...mediaLines(transport, mid, `${sources.streamId} ${video.trackId}`),
    `a=ssrc-group:FID ${video.ssrc} ${video.rtxSsrc}`,
    // RFC 5956 section 4.3: a browser restores packets only by a source that is named.
    `a=ssrc-group:FEC-FR ${video.ssrc} ${fecSsrc}`,
    // Browsers take the first source for that of the pictures.
    ...[video.ssrc, video.rtxSsrc, fecSsrc].map((ssrc) => `a=ssrc:${ssrc} cname:${cname}`),
    ...lines,
    ...offeredExtensions('video', rids.length > 0),
    ...simulcastLines(rids),
  ];
}

function audioSection({ sources, transport }: ViewerOffer, mid: string): string[] {
  const { streamId, audio, cname } = sources;
  return [
    `m=audio 9 UDP/TLS/RTP/SAVPF ${AUDIO_FORMATS.payloadTypes.join(' ')}`,
    ...mediaLines(transport, mid, `${streamId} ${audio.trackId}`),
    `a=ssrc:${audio.ssrc} cname:${cname}`,
    ...AUDIO_FORMATS.lines,
    ...offeredExtensions('audio', false),
  ];
}

function inputSection({ transport }: ViewerOffer, mid: string): string[] {
  return [
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    ...sectionLines(transport),
    `a=mid:${mid}`,
    `a=sctp-port:${SCTP_PORT}`,
    `a=max-message-size:${MAX_MESSAGE_BYTES}`,
  ];
}

function mediaLines(transport: TransportAttributes, mid: string, msid: string): string[] {
  return [
    ...sectionLines(transport),
    'a=sendonly',
    `a=mid:${mid}`,
    `a=msid:${msid}`,
    `a=rtcp:9 ${NO_ADDRESS}`,
    'a=rtcp-mux',
  ];
}

function sectionLines(transport: TransportAttributes): string[] {
  return [`c=${NO_ADDRESS}`, 'a=ice-options:trickle', ...transportLines(transport)];
}
