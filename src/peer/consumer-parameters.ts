import type { RTCPeerConnection } from 'werift';

import { StreamKitError } from '../base/errors.js';
import type { ConsumerParameters } from '../fanout/media-plane.js';
import type { AcceptedAnswer, AcceptedMedia } from './sdp/sdp-answer.js';

/**
 * How long a viewer may hold a picture back to keep it with its sound. Browsers take no bound near what they need: with
 * 40 ms Chromium held nothing back at all. Without sound nothing is held back.
 */
const LIP_SYNC_MAX_MS = 200;

/** How a viewer wants its packets, by what it has accepted of our offer. @param fecSsrc - as the offer has it */
export function consumerParametersOf(
  connection: RTCPeerConnection,
  { video, audio }: AcceptedAnswer,
  holdsPictures: boolean,
  fecSsrc: number,
): { video: ConsumerParameters; audio: ConsumerParameters | null } {
  const holdsBack = audio !== null && holdsPictures;
  const { fecPayloadType } = video;
  return {
    video: {
      ...parametersOf(connection, 'video', video),
      ...(fecPayloadType === undefined ? {} : { fecSsrc, fecPayloadType }),
      ...(holdsBack ? { playoutDelayMaxMs: LIP_SYNC_MAX_MS } : {}),
    },
    audio: audio === null ? null : parametersOf(connection, 'audio', audio),
  };
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
