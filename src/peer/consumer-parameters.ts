import type { ConsumerParameters } from '../fanout/media-plane.js';
import type { ConnectedMedia } from './viewer-peer.js';
import type { LayerSources, OfferedSources } from './sdp/offered-sources.js';
import type { AcceptedAnswer, AcceptedMedia } from './sdp/sdp-answer.js';

/**
 * How long a viewer may hold a picture back to keep it with its sound. Browsers take no bound near what they need: with
 * 40 ms Chromium held nothing back at all. Without sound nothing is held back.
 */
const LIP_SYNC_MAX_MS = 200;

/** How a viewer wants its packets, by what it has accepted of our offer. */
export function consumerParametersOf(
  { video, audio }: AcceptedAnswer,
  holdsPictures: boolean,
  sources: OfferedSources,
): Pick<ConnectedMedia, 'video' | 'layers' | 'audio'> {
  const holdsBack = audio !== null && holdsPictures;
  const { fecPayloadType, rids = [] } = video;
  const { cname, fecSsrc, layers } = sources;
  const pictures = {
    ...parametersOf(video, cname, sources.video),
    ...(holdsBack ? { playoutDelayMaxMs: LIP_SYNC_MAX_MS } : {}),
  };
  const accepted = rids.map((rid) => layerOf(pictures, rid, layers.get(rid)));
  return {
    video: { ...pictures, ...(fecPayloadType === undefined ? {} : { fecSsrc, fecPayloadType }) },
    ...(accepted.length === 0 ? {} : { layers: accepted }),
    audio: audio === null ? null : parametersOf(audio, cname, sources.audio),
  };
}

/** Retransmissions say what they repair by an extension alone: without it there are none. */
function layerOf(
  pictures: ConsumerParameters,
  rid: string,
  sources: LayerSources | undefined,
): ConsumerParameters {
  const { rtxSsrc, rtxPayloadType, ...others } = { ...pictures, ...sources, rid };
  const isRepaired = pictures.rtxSsrc !== undefined && pictures.headerExtensions.repairedRid !== undefined;
  if (!isRepaired || rtxSsrc === undefined || rtxPayloadType === undefined) return others;
  return { ...others, rtxSsrc, rtxPayloadType };
}

function parametersOf(
  { payloadType, rtxPayloadType, redPayloadType, packetTimeMaxMs, mid, headerExtensions }: AcceptedMedia,
  cname: string,
  { ssrc, rtxSsrc }: { readonly ssrc: number; readonly rtxSsrc?: number },
): ConsumerParameters {
  return {
    ssrc,
    payloadType,
    ...(rtxPayloadType === undefined || rtxSsrc === undefined ? {} : { rtxSsrc, rtxPayloadType }),
    ...(redPayloadType === undefined ? {} : { redPayloadType }),
    ...(packetTimeMaxMs === undefined ? {} : { packetTimeMaxMs }),
    mid,
    cname,
    headerExtensions,
  };
}
