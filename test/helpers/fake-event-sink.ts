import type { EventSink, EventSinkListener } from '../../src/session/event-sink.js';
import { FakeConnection } from './fake-connection.js';

/** An open event stream to a client that the test plays. */
export class FakeSink extends FakeConnection<EventSinkListener> implements EventSink {
  ended = false;
  #text = '';

  write(events: Uint8Array): void {
    this.#text += Buffer.from(events).toString();
  }

  end(): void {
    this.ended = true;
    this.lose();
  }

  get events(): SseEvent[] {
    return parseEvents(this.#text);
  }

  /** Payloads of the signals of one type. */
  signals(type: string): unknown[] {
    return this.events
      .filter((event) => event.event === 'custom_signal' && event.data.type === type)
      .map((event) => event.data.payload as unknown);
  }
}

export interface SseEvent {
  readonly event: string;
  readonly id: number | undefined;
  /** RTP timestamp, 90 kHz. */
  readonly time?: number;

  readonly data: any;
}

/** The events of a stream as far as it was read; comments and `retry` are left out. */
export function parseEvents(text: string): SseEvent[] {
  return text
    .split('\n\n')
    .map((block) => block.split('\n'))
    .filter((lines) => lines.some((line) => line.startsWith('data: ')))
    .map((lines) => {
      const field = (name: string): string | undefined =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const [id, time] = [field('id'), field('time')];
      return {
        event: field('event') ?? '',
        id: id === undefined ? undefined : Number(id),
        ...(time === undefined ? {} : { time: Number(time) }),
        data: JSON.parse(field('data') ?? 'null'),
      };
    });
}
