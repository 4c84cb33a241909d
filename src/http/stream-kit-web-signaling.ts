import type { StreamKitWebServerSignal } from '../protocol/stream-kit-web.js';
import { StreamKitError } from '../base/errors.js';
import { isPlainObject } from '../options/option-checks.js';
import type { EventSink, EventSinkListener } from '../session/event-sink.js';
import type { MessageSink } from '../session/message-sink.js';
import type { EventStreamLink } from '../session/event-stream-link.js';

/** RFC 6455 section 7.4.1. */
const CLOSE_NORMAL = 1000;
const CLOSE_POLICY_VIOLATION = 1008;

export interface StreamKitWebSignalingParameters {
  readonly viewer: EventStreamLink;
  /** Counts a message. @throws StreamKitError `at_capacity`. */
  readonly takeMessage: () => void;
  /** Notes that somebody uses the session. */
  readonly touch: () => void;
  /** Why the session failed; undefined if it did not. */
  readonly error: () => string | undefined;
  /** A message could not be handled, by a fault of ours. */
  readonly onServerError: (thrown: unknown) => void;
}

/**
 * The event stream and the signals of one viewer, as stream-kit-web has them on one WebSocket: it translates each signal, and leaves
 * out the state, of which that client knows nothing.
 */
export class StreamKitWebSignaling implements EventSink {
  readonly #socket: MessageSink;
  readonly #parameters: StreamKitWebSignalingParameters;

  /** Takes the WebSocket. */
  static open(socket: MessageSink, parameters: StreamKitWebSignalingParameters): void {
    parameters.viewer.attach(new StreamKitWebSignaling(socket, parameters), {
      media: true,
      lastEventId: undefined,
    });
  }

  private constructor(socket: MessageSink, parameters: StreamKitWebSignalingParameters) {
    this.#socket = socket;
    this.#parameters = parameters;
  }

  get backlogBytes(): number {
    return this.#socket.backlogBytes;
  }

  listen(listener: EventSinkListener): void {
    this.#socket.listen({
      onText: (text) => void this.#accept(text),
      onBinary: () => this.#socket.close(CLOSE_POLICY_VIOLATION, 'binary'),
      onPong: () => undefined,
      onDrain: () => listener.onDrain(),
      onClosed: () => listener.onClosed(),
    });
  }

  write(events: Uint8Array): void {
    const text = Buffer.from(events.buffer, events.byteOffset, events.byteLength).toString();
    for (const event of text.split('\n\n')) {
      const [, data] = /^event: custom_signal\ndata: (.*)$/.exec(event) ?? [];
      const message = data === undefined ? undefined : this.#translate(JSON.parse(data) as Signal);
      if (message !== undefined) this.#send(message);
    }
  }

  end(): void {
    this.#socket.close(CLOSE_NORMAL, '');
  }

  abort(): void {
    this.#socket.abort();
  }

  #translate({ type, payload }: Signal): StreamKitWebServerSignal | undefined {
    if (type === 'sdp_offer') return { type: 'offer', sdp: { type: 'offer', sdp: String(payload) } };
    // The client takes no end of candidates.
    if (type === 'ice_candidate' && isPlainObject(payload))
      return { type: 'ice-candidate', candidate: payload };
    if (type !== 'closed' || !isPlainObject(payload)) return undefined;
    const message = this.#parameters.error() ?? `The stream has ended: ${String(payload.reason)}`;
    return { type: 'error', message };
  }

  async #accept(text: string): Promise<void> {
    const { viewer, takeMessage, touch } = this.#parameters;
    try {
      takeMessage();
    } catch {
      this.#socket.close(CLOSE_POLICY_VIOLATION, 'too_many_signals');
      return;
    }
    touch();
    try {
      const message = parse(text);
      if (message.type === 'answer') {
        const sdp = isPlainObject(message.sdp) ? message.sdp.sdp : message.sdp;
        await viewer.acceptSignal('sdp_answer', sdp);
      } else if (message.type === 'ice-candidate') {
        await viewer.acceptSignal('ice_candidate', message.candidate);
      } else throw new StreamKitError('bad_request', 'Expected type answer or ice-candidate');
    } catch (thrown) {
      const isClients = thrown instanceof StreamKitError;
      this.#send({ type: 'error', message: isClients ? thrown.message : 'The message could not be handled' });
      if (!isClients) this.#parameters.onServerError(thrown);
    }
  }

  #send(message: StreamKitWebServerSignal): void {
    this.#socket.sendText(JSON.stringify(message));
  }
}

interface Signal {
  readonly type: string;
  readonly payload: unknown;
}

function parse(text: string): Record<string, unknown> {
  try {
    const message: unknown = JSON.parse(text);
    if (isPlainObject(message)) return message;
  } catch {
    // Answered below.
  }
  throw new StreamKitError('bad_request', 'Expected a JSON object with a type');
}
