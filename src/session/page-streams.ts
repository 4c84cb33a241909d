import type { Clock } from '../base/clock.js';
import type { VideoCodec } from '../render/encode/encoded-frame.js';
import type { Logger } from '../base/logger.js';
import type { PacketSink, PacketSource } from '../recording/packet-source.js';
import { PageStream } from './page-stream.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import type { WebSocketLinksParameters } from './websocket-links.js';
import { WebSocketLinks } from './websocket-links.js';

export interface PageStreamsParameters extends Pick<WebSocketLinksParameters, 'onClosed' | 'onSent'> {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long the stream goes on without a client, ms. */
  readonly graceMs: number;
  /** One that is encoded already, or else the first that the session has. */
  readonly chooseCodec: () => VideoCodec;
  readonly document: () => Readonly<StreamSessionState>;
  /** A PNG of the picture as it is now. */
  readonly snapshot: () => Promise<Uint8Array>;
  readonly openSource: (codec: VideoCodec, sink: PacketSink) => PacketSource;
}

/** The WebSockets of a page: what they share is what the page is encoded to. */
export function openPageStreams(parameters: PageStreamsParameters): WebSocketLinks {
  const { clock, logger, graceMs, chooseCodec, document, snapshot, openSource } = parameters;
  const { onClosed, onSent } = parameters;
  const stream = new PageStream({ clock, graceMs, chooseCodec, openSource });
  return new WebSocketLinks({
    ...{ clock, logger, stream, document, onClosed },
    ...(onSent === undefined ? {} : { onSent }),
    kind: 'page',
    meta: () => {
      const { video, audio } = document().metadata;
      const { width, height } = video ?? { width: 0, height: 0 };
      return { video: { codec: stream.codec, width, height }, audio };
    },
    snapshot: async () => ({ seq: stream.lastSequence, data: await snapshot() }),
  });
}
