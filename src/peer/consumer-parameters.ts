import type { RTCPeerConnection } from 'werift';

import { StreamKitError } from '../base/errors.js';
import type { ConsumerParameters } from '../fanout/media-plane.js';
import type { ConnectedMedia } from './viewer-peer.js';
import type { AcceptedAnswer, AcceptedMedia } from './sdp/sdp-answer.js';

/**
 * How long a viewer may hold a picture back to keep it with its sound. Browsers take no bound near what they need: with
 * 40 ms Chromium held nothing back at all. Without sound nothing is held back.
 */
const LIP_SYNC_MAX_MS = 200;

/** The sources of one layer of a simulcast. */
export interface LayerSources {
  readonly ssrc: number;
  readonly rtxSsrc: number;
}

/** Sources that are in our offer, or are named by their packets. */
export interface OfferedSources {
  /** Of the FlexFEC packets. */
  readonly fecSsrc: number;
  /** Of the layers by name; those of the first layer are the sender's. */
  readonly layers: ReadonlyMap<string, LayerSources>;
}

/** How a viewer wants its packets, by what it has accepted of our offer. */
export function consumerParametersOf(
  connection: RTCPeerConnection,
  { video, audio }: AcceptedAnswer,
  holdsPictures: boolean,
  { fecSsrc, layers }: OfferedSources,
): Pick<ConnectedMedia, 'video' | 'layers' | 'audio'> {
  const holdsBack = audio !== null && holdsPictures;
  const { fecPayloadType, rids = [] } = video;
  const pictures = {
    ...parametersOf(connection, 'video', video),
    ...(holdsBack ? { playoutDelayMaxMs: LIP_SYNC_MAX_MS } : {}),
  };
  const accepted = rids.map((rid) => layerOf(pictures, rid, layers.get(rid)));
  return {
    video: { ...pictures, ...(fecPayloadType === undefined ? {} : { fecSsrc, fecPayloadType }) },
    ...(accepted.length === 0 ? {} : { layers: accepted }),
    audio: audio === null ? null : parametersOf(connection, 'audio', audio),
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
  connection: RTCPeerConnection,
  kind: 'video' | 'audio',
  { payloadType, rtxPayloadType, redPayloadType, mid, headerExtensions }: AcceptedMedia,
): ConsumerParameters {
  const transceiver = connection.getTransceivers().find((candidate) => candidate.kind === kind);
  if (transceiver === undefined) {
    throw new StreamKitError('internal', `The peer has no ${kind}`);
  }
  const { ssrc, rtxSsrc } = transceiver.sender;
  return {
    ssrc,
    payloadType,
    ...(rtxPayloadType === undefined ? {} : { rtxSsrc, rtxPayloadType }),
    ...(redPayloadType === undefined ? {} : { redPayloadType }),
    mid,
    cname: connection.cname,
    headerExtensions,
  };
}
