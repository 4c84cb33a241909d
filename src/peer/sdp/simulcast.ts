import { type SdpMedia, valuesOf } from './session-description.js';

/**
 * What the video section of our offer says of its layers (RFC 8853 section 5.1, RFC 8851 section 4). The sources that it names are those of
 * the first layer, and of all there is for an endpoint that takes no simulcast.
 *
 * @param rids - the best layer first; fewer than two are no simulcast.
 */
export function simulcastLines(rids: readonly string[]): string[] {
  if (rids.length < 2) return [];
  return [...rids.map((rid) => `a=rid:${rid} send`), `a=simulcast:send ${rids.join(';')}`];
}

/**
 * The layers that an answer takes of those that were offered, in the order of the offer. One that is to be paused at first is not
 * taken: nothing would begin it later. Of alternatives the first is taken.
 */
export function acceptedRids(offered: SdpMedia, answered: SdpMedia): string[] {
  const received = valuesOf(answered.attributes, 'rid').map((value) => value.split(' '));
  const receivable = new Set(
    received.flatMap(([rid = '', direction]) => (direction === 'recv' ? [rid] : [])),
  );
  const [simulcast = ''] = valuesOf(answered.attributes, 'simulcast');
  const [, layers = ''] = /(?:^| )recv (\S+)/.exec(simulcast) ?? [];
  const taken = new Set(layers.split(';').map((alternatives) => alternatives.split(',')[0] ?? ''));
  const rids = valuesOf(offered.attributes, 'rid').map((value) => value.split(' ')[0] ?? '');
  return rids.filter((rid) => taken.has(rid) && receivable.has(rid));
}
