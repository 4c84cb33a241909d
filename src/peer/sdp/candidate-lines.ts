import { parseSessionDescription, valuesOf } from './session-description.js';

/**
 * An offer of ours with candidates of ours in its first section, where those of a bundle belong (RFC 8843 section 10).
 *
 * @param candidates - as they stand after `a=`.
 * @param complete - no more will come.
 */
export function withCandidates(offer: string, candidates: readonly string[], complete: boolean): string {
  const [head = '', first = '', ...rest] = offer.split(/^(?=m=)/m);
  return [head, `${first}${linesOf(candidates, complete)}`, ...rest].join('');
}

/**
 * Further candidates of ours, as `application/trickle-ice-sdpfrag` (RFC 8840 section 9).
 *
 * @param offer - that they belong to.
 */
export function candidateFragment(offer: string, candidates: readonly string[], complete: boolean): string {
  const section = parseSessionDescription(offer)?.media[0];
  const attributes = section?.attributes ?? [];
  const lines = ['ice-ufrag', 'ice-pwd'].flatMap((name) =>
    valuesOf(attributes, name).map((value) => `a=${name}:${value}\r\n`),
  );
  const [mid = '0'] = valuesOf(attributes, 'mid');
  const { kind = 'video', protocol = 'UDP/TLS/RTP/SAVPF', formats = ['0'] } = section ?? {};
  return `${lines.join('')}m=${kind} 9 ${protocol} ${formats.join(' ')}\r\na=mid:${mid}\r\n${linesOf(candidates, complete)}`;
}

function linesOf(candidates: readonly string[], complete: boolean): string {
  const lines = candidates.map((candidate) => `a=${candidate}\r\n`);
  return `${lines.join('')}${complete ? 'a=end-of-candidates\r\n' : ''}`;
}
