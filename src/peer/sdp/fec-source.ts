/** The sources of the pictures and of their retransmissions, as werift writes them. */
const GROUP = /^a=ssrc-group:FID (\d+) (\d+)$/m;

/**
 * Adds the source of FlexFEC packets to the video section of our offer (RFC 5956 section 4.3): a browser restores packets
 * only by a source that is named.
 *
 * @returns the offer as it is if it has no video with retransmissions
 */
export function withFecSource(sdp: string, fecSsrc: number): string {
  const [group, ssrc = '', rtxSsrc = ''] = GROUP.exec(sdp.replaceAll('\r', '')) ?? [];
  const source = new RegExp(`^a=ssrc:${rtxSsrc} (cname:.*)$`, 'm').exec(sdp.replaceAll('\r', ''));
  if (group === undefined || source?.[1] === undefined) return sdp;
  // Behind the others: browsers take the first source for that of the pictures.
  return sdp
    .replace(group, `${group}\r\na=ssrc-group:FEC-FR ${ssrc} ${fecSsrc}`)
    .replace(source[0], `${source[0]}\r\na=ssrc:${fecSsrc} ${source[1]}`);
}
