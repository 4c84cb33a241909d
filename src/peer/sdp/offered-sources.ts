import { randomInt, randomUUID } from 'node:crypto';

const MAX_SSRC = 2 ** 32;
const MAX_SESSION_ID = 2 ** 32;

/** The sources of one layer of a simulcast. */
export interface LayerSources {
  readonly ssrc: number;
  readonly rtxSsrc: number;
}

/** Sources that are in our offers, or are named by their packets: the same in every offer to one viewer. */
export interface OfferedSources {
  /** `sess-id` of the origin (RFC 8866 section 5.2). */
  readonly sessionId: number;
  /** RFC 7022. */
  readonly cname: string;
  /** One stream for both, by which the browser knows to keep them in step (RFC 8830). */
  readonly streamId: string;
  readonly video: LayerSources & { readonly trackId: string };
  readonly audio: { readonly ssrc: number; readonly trackId: string };
  /** Of the FlexFEC packets. */
  readonly fecSsrc: number;
  /** Of the layers by name; those of the first layer are those of the pictures. */
  readonly layers: ReadonlyMap<string, LayerSources>;
}

/** @param rids - names of the layers; none if there is no simulcast. */
export function chooseSources(rids: readonly string[]): OfferedSources {
  const taken = new Set<number>();
  const layer = (): LayerSources => ({ ssrc: freeSsrc(taken), rtxSsrc: freeSsrc(taken) });
  const first = layer();
  return {
    sessionId: randomInt(MAX_SESSION_ID),
    cname: randomUUID(),
    streamId: randomUUID(),
    video: { ...first, trackId: randomUUID() },
    audio: { ssrc: freeSsrc(taken), trackId: randomUUID() },
    fecSsrc: freeSsrc(taken),
    layers: new Map(rids.map((rid, index) => [rid, index === 0 ? first : layer()])),
  };
}

/** @param taken - SSRCs of the same transport; the new one is added. */
function freeSsrc(taken: Set<number>): number {
  for (;;) {
    const ssrc = randomInt(1, MAX_SSRC);
    if (taken.has(ssrc)) continue;
    taken.add(ssrc);
    return ssrc;
  }
}
