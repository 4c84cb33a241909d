import {
  connectStream,
  type BlockedPlayback,
  type ConnectionStatus,
  type ConnectStreamOptions,
  type StreamConnection,
  type StreamError,
  type StreamSessionState,
} from '@open-game-system/stream-kit-server/client';
import { useCallback, useEffect, useRef, useState } from 'react';

import { connectOptions } from './connect-options.js';
import { sessionKey, viewerKey } from './connection-key.js';

/** Options of {@link useStream}: those of `connectStream` but for `video`, which the handle's `videoRef` takes. */
export interface UseStreamOptions extends Omit<ConnectStreamOptions, 'video'> {
  /** False: nothing is connected. Default true. */
  enabled?: boolean | undefined;
  /** What happens on unmount to a session that was made by `create`. Default `leave`: it goes on for other viewers. */
  onUnmount?: 'leave' | 'terminate' | undefined;
}

/** What {@link useStream} knows of its connection at this render. */
export interface StreamHandle {
  /** `idle` while it is not enabled. */
  readonly status: ConnectionStatus | 'idle';
  /** The session's state; treat it as frozen. */
  readonly state: StreamSessionState | undefined;
  /** The stream of the present peer. */
  readonly media: MediaStream | undefined;
  /** The last error since the connection stood; with the status `failed`, why. */
  readonly error: StreamError | undefined;
  /** What the browser does not play without a gesture: call `connection.play()` from a click. */
  readonly blocked: BlockedPlayback | undefined;
  /** Undefined before the first effect and while not enabled. */
  readonly connection: StreamConnection | undefined;
  /** For the `ref` of a `<video>`. Always the same function. */
  readonly videoRef: (video: HTMLVideoElement | null) => void;
}

type Snapshot = Omit<StreamHandle, 'videoRef'>;

const IDLE: Snapshot = {
  status: 'idle',
  state: undefined,
  media: undefined,
  error: undefined,
  blocked: undefined,
  connection: undefined,
};

/** After these a gesture may have done what the browser waited for. */
const PLAYBACK_EVENTS = ['playing', 'volumechange'] as const;

/**
 * Connects to a session as long as the component is mounted. `url`, `streamId`, `create` and the viewer's options are
 * compared by value; another `create` makes another session, other viewer's options only join the same session anew, but for
 * `maxHeight` and `maxBitrateBps`, which change without a gap.
 * `headers`, `fetch` and the callbacks may be new functions at each render and are used as they are then.
 */
export function useStream(options: UseStreamOptions): StreamHandle {
  const [snapshot, setSnapshot] = useState(IDLE);
  const latest = useRef(options);
  const video = useRef<HTMLVideoElement | undefined>(undefined);
  const connected = useRef<StreamConnection | undefined>(undefined);
  /** The session that was made for a key, to be joined anew. */
  const created = useRef<{ key: string; streamId: string } | undefined>(undefined);
  const unmounting = useRef(false);
  const { enabled = true, maxHeight = null, maxBitrateBps = null } = options;
  const session = sessionKey(options);
  const viewer = viewerKey(options);

  const unblock = useCallback(() => {
    if (connected.current?.autoplayBlocked === false)
      setSnapshot((before) => ({ ...before, blocked: undefined }));
  }, []);

  // These before the one that connects: it sees this render's options, and its clean-up whether all is over.
  useEffect(() => {
    latest.current = options;
  });
  useEffect(() => {
    unmounting.current = false;
    return () => {
      unmounting.current = true;
    };
  }, []);

  // A connection that is made at this render has them among its options.
  useEffect(() => {
    connected.current?.setWishes({ maxHeight, maxBitrateBps }).catch((thrown: unknown) => {
      const error = thrown as StreamError;
      if (error.code === 'closed') return;
      setSnapshot((before) => ({ ...before, error }));
      latest.current.onError?.(error);
    });
  }, [maxHeight, maxBitrateBps]);

  useEffect(() => {
    if (!enabled) return undefined;
    const joined = created.current?.key === session ? created.current.streamId : undefined;
    const connection = connectStream(connectOptions(latest, joined));
    const update = (change: Partial<Snapshot>): void => setSnapshot((before) => ({ ...before, ...change }));
    connected.current = connection;
    connection.showIn(video.current);
    setSnapshot({ ...IDLE, status: connection.status, connection });
    connection.on('session', ({ streamId }) => {
      if (latest.current.create !== undefined) created.current = { key: session, streamId };
    });
    connection.on('state', (change) => {
      update({ state: change.state });
      latest.current.onState?.(change);
    });
    connection.on('status', (status) => {
      update(status === 'connected' ? { status, error: undefined } : { status });
      latest.current.onStatus?.(status);
    });
    connection.on('error', (error) => {
      update({ error });
      latest.current.onError?.(error);
    });
    connection.on('media', (media) => update({ media }));
    connection.on('autoplayBlocked', (blocked) => update({ blocked }));
    connection.on('closed', ({ reason }) => {
      // What has ended is not joined again.
      if (reason !== 'client') created.current = undefined;
    });
    return () => {
      connected.current = undefined;
      const { onUnmount = 'leave' } = latest.current;
      if (unmounting.current && onUnmount === 'terminate' && created.current !== undefined) {
        // Nobody is left to be told of a failure; the session then ends by its timeout.
        connection.terminate().catch(() => undefined);
      } else {
        connection.close();
      }
      // Last: closing tells of itself.
      setSnapshot(IDLE);
    };
  }, [enabled, session, viewer]);

  const videoRef = useCallback(
    (element: HTMLVideoElement | null) => {
      for (const name of PLAYBACK_EVENTS) {
        video.current?.removeEventListener(name, unblock);
        element?.addEventListener(name, unblock);
      }
      video.current = element ?? undefined;
      connected.current?.showIn(video.current);
    },
    [unblock],
  );

  return { ...snapshot, videoRef };
}
