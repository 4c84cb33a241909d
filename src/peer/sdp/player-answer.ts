import { StreamKitError } from '../../base/errors.js';
import type { HeaderExtensionIds } from '../../fanout/media-plane.js';
import { HEADER_EXTENSION_URIS, type ViewerExtension } from './offered-media.js';
import type { PlayerMedia, PlayerOffer } from './player-offer.js';
import { readTransport, type TransportAttributes, transportLines } from './sdp-transport.js';
import {
  parseSessionDescription,
  type SdpMedia,
  type SessionDescription,
  valuesOf,
} from './session-description.js';

/** The offer that our own peer has made, which nobody but us sees. */
export interface OwnOffer {
  readonly description: SessionDescription;
  readonly transport: TransportAttributes;
}

export function readOwnOffer(sdp: string): OwnOffer {
  const refusal = (what: string): StreamKitError =>
    new StreamKitError('internal', `The peer's own offer ${what}`);
  const description = parseSessionDescription(sdp);
  const [first] = description?.media ?? [];
  if (description === undefined || first === undefined) {
    throw refusal('is no SDP');
  }
  return { description, transport: readTransport(description, first, refusal) };
}

/**
 * What our own peer is told that the player has answered: the sections of its own offer under the player's transport.
 *
 * @param candidates - of the player, as they stand after `a=`.
 */
export function answerForOwnPeer(
  own: OwnOffer,
  offer: PlayerOffer,
  transport: TransportAttributes,
  candidates: readonly string[],
): string {
  const mids = own.description.media.map(({ attributes }) => valuesOf(attributes, 'mid')[0] ?? '');
  const lines = ['v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0', `a=group:BUNDLE ${mids.join(' ')}`];
  own.description.media.forEach((media, i) => {
    // Of video there is one codec, its RTX and FlexFEC.
    const withRtx = media.kind !== 'video' || offer.video.rtxPayloadType !== undefined;
    const formats = withRtx ? media.formats : media.formats.slice(0, 1);
    lines.push(
      `m=${media.kind} 9 UDP/TLS/RTP/SAVPF ${formats.join(' ')}`,
      'c=IN IP4 0.0.0.0',
      `a=mid:${mids[i] ?? ''}`,
      ...transportLines({ ...transport, setup: playerSetup(offer) }),
      'a=recvonly',
      'a=rtcp-mux',
    );
    for (const name of ['rtpmap', 'fmtp']) {
      const values = valuesOf(media.attributes, name);
      const kept = values.filter((value) => formats.includes(value.split(' ')[0] ?? ''));
      lines.push(...kept.map((value) => `a=${name}:${value}`));
    }
    if (i === 0) lines.push(...candidates.map((candidate) => `a=${candidate}`));
  });
  return toText(lines);
}

/**
 * The answer to a player's offer.
 *
 * @param candidates - ours, as they stand after `a=`. No more will come.
 * @param sessionId - a number that goes into the `o=` line.
 */
export function answerForPlayer(
  own: OwnOffer,
  offer: PlayerOffer,
  candidates: readonly string[],
  sessionId: number,
): string {
  const accepted = offer.sections.flatMap(({ media }) => media ?? []);
  const lines = ['v=0', `o=- ${sessionId} 1 IN IP4 0.0.0.0`, 's=-', 't=0 0'];
  if (offer.bundled) lines.push(`a=group:BUNDLE ${accepted.map(({ mid }) => mid).join(' ')}`);
  lines.push('a=msid-semantic:WMS *');
  for (const section of offer.sections) {
    const { kind, protocol, format, media } = section;
    if (media === undefined) {
      // RFC 3264 section 6: port 0 refuses a section.
      lines.push(`m=${kind} 0 ${protocol} ${format}`, 'c=IN IP4 0.0.0.0', 'a=inactive');
      continue;
    }
    const { payloadType, rtxPayloadType, redPayloadType, fecPayloadType } = media;
    const formats = [payloadType, rtxPayloadType, redPayloadType, fecPayloadType].filter(
      (format) => format !== undefined,
    );
    lines.push(
      `m=${kind} 9 ${protocol} ${formats.join(' ')}`,
      'c=IN IP4 0.0.0.0',
      'a=rtcp:9 IN IP4 0.0.0.0',
      ...transportLines({ ...own.transport, setup: ownSetup(offer) }),
      ...(media.mid === '' ? [] : [`a=mid:${media.mid}`]),
      ...extensionLines(media.headerExtensions),
      'a=sendonly',
      'a=rtcp-mux',
      ...media.codecLines,
      ...sourceLines(own.description, kind, media),
    );
    if (media === accepted[0]) lines.push(...candidateLines(candidates));
  }
  return toText(lines);
}

/** The answer to an ICE restart, as draft-ietf-wish-whep has it: RFC 8840 section 9 with our new credentials. */
export function fragmentForPlayer(own: OwnOffer, offer: PlayerOffer, candidates: readonly string[]): string {
  const first = offer.sections.find(({ media }) => media !== undefined);
  const mid = first?.media?.mid ?? '';
  return toText([
    `a=ice-ufrag:${own.transport.iceUfrag}`,
    `a=ice-pwd:${own.transport.icePwd}`,
    `m=${first?.kind ?? 'video'} 9 ${first?.protocol ?? 'UDP/TLS/RTP/SAVPF'} 0`,
    ...(mid === '' ? [] : [`a=mid:${mid}`]),
    ...candidateLines(candidates),
  ]);
}

/** A player that leaves it to us is the DTLS client, as the viewers that answer an offer are. */
function playerSetup(offer: PlayerOffer): 'active' | 'passive' {
  return offer.transport.setup === 'passive' ? 'passive' : 'active';
}

function ownSetup(offer: PlayerOffer): 'active' | 'passive' {
  return playerSetup(offer) === 'active' ? 'passive' : 'active';
}

function candidateLines(candidates: readonly string[]): string[] {
  return [...candidates.map((candidate) => `a=${candidate}`), 'a=end-of-candidates'];
}

function extensionLines(ids: HeaderExtensionIds): string[] {
  return Object.entries(ids).map(
    ([name, id]) => `a=extmap:${String(id)} ${HEADER_EXTENSION_URIS[name as ViewerExtension]}`,
  );
}

/** What our peer has said of the stream and its sources (RFC 8830, RFC 5576). */
function sourceLines(own: SessionDescription, kind: string, media: PlayerMedia): string[] {
  const section: SdpMedia | undefined = own.media.find((candidate) => candidate.kind === kind);
  const attributes = section?.attributes ?? [];
  const taken = new Set<string>();
  if (media.rtxPayloadType !== undefined) taken.add('FID');
  if (media.fecPayloadType !== undefined) taken.add('FEC-FR');
  const groups = valuesOf(attributes, 'ssrc-group').filter((value) => taken.has(value.split(' ')[0] ?? ''));
  const grouped = new Set(groups.flatMap((value) => value.split(' ').slice(1)));
  const sources = valuesOf(attributes, 'ssrc');
  return [
    ...valuesOf(attributes, 'msid').map((value) => `a=msid:${value}`),
    ...groups.map((value) => `a=ssrc-group:${value}`),
    ...sources
      .filter((value, index) => index === 0 || grouped.has(value.split(' ')[0] ?? ''))
      .map((value) => `a=ssrc:${value}`),
  ];
}

function toText(lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n`;
}
