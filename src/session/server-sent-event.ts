import type { ServerSignalType } from '../protocol/signals.js';

/** Fields of an event besides its name and its data. */
export interface EventFields {
  readonly id: number;
  /** An RTP timestamp, 90 kHz. No field of the HTML standard: EventSource ignores it. */
  readonly time: number;
}

/** One server-sent event in the bytes of the wire. JSON has no raw line break, so `data` is always one line. */
export function serverSentEvent(event: string, data: unknown, fields?: EventFields): Uint8Array {
  const lines = fields === undefined ? '' : `id: ${fields.id}\ntime: ${fields.time}\n`;
  const text = `event: ${event}\n${lines}data: ${JSON.stringify(data)}\n\n`;
  // Memory of its own: while an event is kept, a slice of Node's pool would keep the 8 KiB around it.
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

/** Asks a client to connect again as soon as its stream has ended. The next stream says how long to wait from then on. */
export const RECONNECT_SOON: Uint8Array = Buffer.from('retry: 100\n\n');

/** A `custom_signal` event. It has no id: it is not part of what `Last-Event-ID` resumes. */
export function customSignal(type: ServerSignalType, payload: unknown): Uint8Array {
  return serverSentEvent('custom_signal', { type, payload });
}
