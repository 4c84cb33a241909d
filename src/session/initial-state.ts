import type { MediaPlane } from '../fanout/media-plane.js';
import { codecsToOffer, type RenderOptions } from './render-options.js';
import type { SessionRequest } from './session-request.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import { AUTO_CODECS } from '../protocol/video-codecs.js';

/** The state document of a session whose launch begins now. */
export function initialState(
  streamId: string,
  request: SessionRequest,
  nowMs: number,
  mediaPlane: MediaPlane['name'],
): StreamSessionState {
  const { width, height } = request.renderOptions;
  const [codec = AUTO_CODECS[0]] = codecsToOffer(request.renderOptions, undefined);
  return {
    streamId,
    status: 'initializing',
    targetUrl: request.targetUrl,
    clientConnected: false,
    instanceInfo: {
      startTime: nowMs,
      viewport: viewportOf(request.renderOptions),
    },
    webrtc: { signalingState: 'idle', iceCandidatesGathered: false },
    metadata: {
      viewers: 0,
      controllerId: null,
      video: {
        codec,
        encoder: null,
        width,
        height,
        frameRate: 0,
        bitrateBps: 0,
        rungs: [],
      },
      audio: null,
      capture: null,
      rendering: null,
      responsive: true,
      restarts: 0,
      fault: null,
      mediaPlane,
      page: {},
    },
    lastActivityTime: nowMs,
  };
}

/** Size of a page in CSS pixels. */
export function viewportOf({
  width,
  height,
  deviceScaleFactor,
}: Pick<RenderOptions, 'width' | 'height' | 'deviceScaleFactor'>): { width: number; height: number } {
  return { width: Math.round(width / deviceScaleFactor), height: Math.round(height / deviceScaleFactor) };
}
