import { channel, type Channel } from 'node:diagnostics_channel';

import type { ObserveSession, SessionEventName, SessionEvents } from '../session/session-events.js';

/** The names of the channels, such as `stream-kit:session:create`. */
export type DiagnosticsChannelName = `stream-kit:${SessionEventName}`;

/** What is published on each channel. Subscribers get a frozen copy. */
export type DiagnosticsChannels = {
  readonly [Name in SessionEventName as `stream-kit:${Name}`]: Readonly<SessionEvents[Name]>;
};

/** One channel an event; named here so that a subscriber that came first is found. */
const EVENTS: Readonly<Record<SessionEventName, Channel>> = {
  'session:create': channel('stream-kit:session:create'),
  'session:status': channel('stream-kit:session:status'),
  'session:restart': channel('stream-kit:session:restart'),
  'session:end': channel('stream-kit:session:end'),
  'viewer:join': channel('stream-kit:viewer:join'),
  'viewer:connect': channel('stream-kit:viewer:connect'),
  'viewer:first-frame': channel('stream-kit:viewer:first-frame'),
  'viewer:fail': channel('stream-kit:viewer:fail'),
  'viewer:leave': channel('stream-kit:viewer:leave'),
  'encoder:start': channel('stream-kit:encoder:start'),
  'encoder:stop': channel('stream-kit:encoder:stop'),
  'encoder:replace': channel('stream-kit:encoder:replace'),
  'keyframe:request': channel('stream-kit:keyframe:request'),
  frame: channel('stream-kit:frame'),
  'publication:status': channel('stream-kit:publication:status'),
  'publication:fail': channel('stream-kit:publication:fail'),
  'recording:start': channel('stream-kit:recording:start'),
  'recording:end': channel('stream-kit:recording:end'),
};

/**
 * Publishes what sessions tell on `diagnostics_channel`. Costs nothing without a subscriber. What a subscriber throws does
 * not get here: Node gives it to the process as an uncaught exception, after all others have been told.
 */
export const publishSessionEvent: ObserveSession = (name, event) => {
  const target = EVENTS[name];
  if (target.hasSubscribers) target.publish(Object.freeze({ ...event }));
};
