import {
  createElement,
  type ClassAttributes,
  type MouseEvent,
  type ReactElement,
  type VideoHTMLAttributes,
} from 'react';

import { useStream, type StreamHandle, type UseStreamOptions } from './use-stream.js';

/** Props of {@link StreamView}: those of a `<video>`, and where the stream comes from. */
export type StreamViewProps = Omit<VideoHTMLAttributes<HTMLVideoElement>, 'src' | 'autoPlay' | 'ref'> &
  (
    | {
        /** What `useStream` gave; for a component that also reads the state. */
        readonly stream: StreamHandle;
        readonly options?: undefined;
      }
    | {
        /** For a picture and nothing else: it connects by itself. */
        readonly options: UseStreamOptions;
        readonly stream?: undefined;
      }
  );

/**
 * A `<video>` that shows a session. It starts by itself, muted where the browser wants a gesture before there is sound;
 * the first click on it then is that gesture. `data-status` and `data-blocked` tell a style sheet how it stands.
 */
export function StreamView({ stream, options, onClick, ...attributes }: StreamViewProps): ReactElement {
  const own = useStream(options ?? NOT_CONNECTED);
  const { videoRef, connection, blocked, status } = stream ?? own;
  const all: ClassAttributes<HTMLVideoElement> & VideoHTMLAttributes<HTMLVideoElement> = {
    playsInline: true,
    ...attributes,
    ...{ 'data-status': status, 'data-blocked': blocked },
    ref: videoRef,
    onClick: (event: MouseEvent<HTMLVideoElement>) => {
      // A refusal shows in `blocked`, which stays.
      if (blocked !== undefined) connection?.play().catch(() => undefined);
      onClick?.(event);
    },
  };
  return createElement('video', all);
}

const NOT_CONNECTED: UseStreamOptions = { url: '', enabled: false };
