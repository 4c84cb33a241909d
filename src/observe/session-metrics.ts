import type { ErrorCode } from '../protocol/error-codes.js';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

import type { ObserveSession, SessionEventName, SessionEvents } from '../session/session-events.js';

/** Bounds of the buckets, seconds. */
const BUCKETS = {
  launch: [0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 30, 60],
  session: [10, 60, 300, 900, 1800, 3600, 7200, 14_400],
  join: [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30],
  encode: [0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.033, 0.05, 0.1],
  captureToEncode: [0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, 0.5],
} as const;

const MS_PER_SECOND = 1000;
const US_PER_SECOND = 1_000_000;
/** Of a session that ran: what ended it was its browser or its capture. */
const CRASHES: ReadonlySet<ErrorCode> = new Set([
  'browser_crashed',
  'browser_hung',
  'gpu_hung',
  'out_of_memory',
  'capture_failed',
  'capture_stalled',
]);
const END_REASONS = ['deleted', 'timeout', 'error', 'shutdown', 'exited', 'moved'] as const;

type Handlers = { readonly [Name in SessionEventName]: (event: SessionEvents[Name]) => void };

/** Counts what sessions tell. No label is an id: there are as many series as codecs, reasons and codes. */
export function countSessionEvents(registry: Registry): ObserveSession {
  const handlers: Handlers = { ...life(registry), ...viewers(registry), ...media(registry) };
  return (name, event) => handlers[name](event);
}

function life(
  registry: Registry,
): Pick<
  Handlers,
  | 'session:create'
  | 'session:status'
  | 'session:restart'
  | 'session:end'
  | 'publication:status'
  | 'publication:fail'
  | 'recording:start'
  | 'recording:end'
> {
  const registers = [registry];
  const started = new Counter({
    ...{ name: 'stream_kit_sessions_started_total', help: 'Sessions that were made.', registers },
  });
  const ended = new Counter({
    ...{ name: 'stream_kit_sessions_ended_total', help: 'Sessions that ended, by reason.', registers },
    labelNames: ['reason'],
  });
  for (const reason of END_REASONS) ended.inc({ reason }, 0);
  const failures = new Counter({
    ...{ name: 'stream_kit_session_failures_total', help: 'Sessions that failed, by error code.', registers },
    labelNames: ['code'],
  });
  const crashes = new Counter({
    name: 'stream_kit_capture_crashes_total',
    help: 'Sessions whose browser or capture was lost after their page was captured, by error code.',
    ...{ labelNames: ['code'], registers },
  });
  const restarts = new Counter({
    name: 'stream_kit_session_restarts_total',
    help: 'Browsers that were started again for their session, by error code.',
    ...{ labelNames: ['code'], registers },
  });
  const launch = new Histogram({
    name: 'stream_kit_session_launch_duration_seconds',
    help: 'From the request for a session to its page being captured.',
    ...{ buckets: [...BUCKETS.launch], registers },
  });
  const duration = new Histogram({
    name: 'stream_kit_session_duration_seconds',
    help: 'From the request for a session to its end.',
    ...{ buckets: [...BUCKETS.session], registers },
  });
  const recordings = new Gauge({
    ...{ name: 'stream_kit_recordings', help: 'Recordings that run.', registers },
  });
  const recordingsStarted = new Counter({
    ...{ name: 'stream_kit_recordings_started_total', help: 'Recordings that were started.', registers },
    labelNames: ['format'],
  });
  const recordingsEnded = new Counter({
    ...{ name: 'stream_kit_recordings_ended_total', help: 'Recordings that ended, by status.', registers },
    labelNames: ['status'],
  });
  const recordedBytes = new Counter({
    ...{ name: 'stream_kit_recorded_bytes_total', help: 'Bytes of recordings that ended.', registers },
  });
  /** Those whose page was captured. */
  const publicationFailures = new Counter({
    name: 'stream_kit_publication_failures_total',
    help: 'Attempts to publish, and connections that came of them, that failed, by error code.',
    ...{ labelNames: ['code'], registers },
  });
  const live = new Set<string>();
  return {
    'session:create': () => started.inc(),
    'session:status': ({ streamId, status, previous, ageMs }) => {
      if (
        live.has(streamId) ||
        previous !== 'initializing' ||
        (status !== 'connecting' && status !== 'streaming')
      )
        return;
      live.add(streamId);
      launch.observe(ageMs / MS_PER_SECOND);
    },
    'session:restart': ({ code }) => {
      restarts.inc({ code });
      if (code !== 'restart_requested' && CRASHES.has(code)) crashes.inc({ code });
    },
    'session:end': ({ streamId, reason, code, ageMs }) => {
      ended.inc({ reason });
      duration.observe(ageMs / MS_PER_SECOND);
      const ran = live.delete(streamId);
      if (code === undefined) return;
      failures.inc({ code });
      if (ran && CRASHES.has(code)) crashes.inc({ code });
    },
    // What they are is read from the states.
    'publication:status': () => undefined,
    'publication:fail': ({ code }) => publicationFailures.inc({ code }),
    'recording:start': ({ format }) => {
      recordings.inc();
      recordingsStarted.inc({ format });
    },
    'recording:end': ({ status, bytes }) => {
      recordings.dec();
      recordingsEnded.inc({ status });
      recordedBytes.inc(bytes);
    },
  };
}

function viewers(
  registry: Registry,
): Pick<Handlers, 'viewer:join' | 'viewer:connect' | 'viewer:first-frame' | 'viewer:fail' | 'viewer:leave'> {
  const registers = [registry];
  const joins = new Counter({
    ...{ name: 'stream_kit_viewer_joins_total', help: 'Viewers that joined a session.', registers },
  });
  const leaves = new Counter({
    name: 'stream_kit_viewer_leaves_total',
    help: 'Viewers that left: gone, or by the reason for which their session ended.',
    ...{ labelNames: ['reason'], registers },
  });
  const failures = new Counter({
    name: 'stream_kit_viewer_failures_total',
    help: 'Connections of viewers that did not come about or broke, by error code.',
    ...{ labelNames: ['code'], registers },
  });
  const join = new Histogram({
    name: 'stream_kit_viewer_join_duration_seconds',
    help: 'From the offer to ICE and DTLS being up.',
    ...{ labelNames: ['codec'], buckets: [...BUCKETS.join], registers },
  });
  const firstFrame = new Histogram({
    name: 'stream_kit_viewer_first_frame_seconds',
    help: 'From the offer to the first picture that the viewer can decode being sent.',
    ...{ labelNames: ['codec'], buckets: [...BUCKETS.join], registers },
  });
  return {
    'viewer:join': () => joins.inc(),
    'viewer:connect': ({ codec, connectMs }) => join.observe({ codec }, connectMs / MS_PER_SECOND),
    'viewer:first-frame': ({ codec, firstFrameMs }) =>
      firstFrame.observe({ codec }, firstFrameMs / MS_PER_SECOND),
    'viewer:fail': ({ code }) => failures.inc({ code }),
    'viewer:leave': ({ reason }) => leaves.inc({ reason }),
  };
}

function media(
  registry: Registry,
): Pick<Handlers, 'encoder:start' | 'encoder:stop' | 'encoder:replace' | 'keyframe:request' | 'frame'> {
  const registers = [registry];
  const encoders = new Gauge({
    name: 'stream_kit_encoders',
    help: 'Encodings that run, by codec and by the name that FFmpeg has for the encoder.',
    ...{ labelNames: ['codec', 'encoder'], registers },
  });
  const replacements = new Counter({
    name: 'stream_kit_encoder_replacements_total',
    help: 'Encoders that broke or did not open, and were followed by another.',
    ...{ labelNames: ['codec'], registers },
  });
  const keyframesRequested = new Counter({
    name: 'stream_kit_keyframes_requested_total',
    help: 'Keyframes that encoders were asked for, each for all viewers that wanted one.',
    ...{ labelNames: ['codec'], registers },
  });
  const frames = new Counter({
    ...{ name: 'stream_kit_frames_encoded_total', help: 'Pictures that were encoded.', registers },
    labelNames: ['codec'],
  });
  const keyframes = new Counter({
    ...{ name: 'stream_kit_keyframes_encoded_total', help: 'Keyframes that were encoded.', registers },
    labelNames: ['codec'],
  });
  const encode = new Histogram({
    name: 'stream_kit_frame_encode_duration_seconds',
    help: 'From the raw picture being read to its encoding being there.',
    ...{ labelNames: ['codec'], buckets: [...BUCKETS.encode], registers },
  });
  const captureToEncode = new Histogram({
    name: 'stream_kit_frame_capture_to_encode_seconds',
    help: 'From the capture of a picture to its encoding being there; without those that were encoded again.',
    ...{ labelNames: ['codec'], buckets: [...BUCKETS.captureToEncode], registers },
  });
  return {
    'encoder:start': ({ codec, encoder }) => encoders.inc({ codec, encoder }),
    'encoder:stop': ({ codec, encoder }) => encoders.dec({ codec, encoder }),
    'encoder:replace': ({ codec }) => replacements.inc({ codec }),
    'keyframe:request': ({ codec }) => keyframesRequested.inc({ codec }),
    frame: ({ codec, keyframe, captureTimeUs, readTimeUs, encodedTimeUs, repeated }) => {
      frames.inc({ codec });
      if (keyframe) keyframes.inc({ codec });
      encode.observe({ codec }, Math.max(0, encodedTimeUs - readTimeUs) / US_PER_SECOND);
      if (repeated) return;
      captureToEncode.observe({ codec }, Math.max(0, encodedTimeUs - captureTimeUs) / US_PER_SECOND);
    },
  };
}
