import type { Clock } from '../../base/clock.js';
import { HandshakeProofs } from './handshake-proofs.js';
import { type Dtls, type DtlsRole, HANDSHAKE, type HandshakeMessage } from './werift-dtls.js';

/** Messages that may wait for one that has been overtaken. */
const MAX_WAITING = 8;
/** How soon what a peer repeats is answered again; doubled each time, as its own timer is (RFC 6347 section 4.2.4.1). */
const FIRST_REPEAT_MS = 40;
const MAX_REPEAT_MS = 1000;
/** A server's flight with its certificate, that of the client with its own, and the server's last: RFC 6347 section 4.2.4. */
const FLIGHT_OF_SERVER = 4;
const FLIGHT_OF_CLIENT = 5;
const LAST_FLIGHT = 6;

/** What each end may be sent after the hellos, in this order, each once. */
const ORDER: Readonly<Record<DtlsRole, readonly number[]>> = {
  server: [
    HANDSHAKE.certificate,
    HANDSHAKE.clientKeyExchange,
    HANDSHAKE.certificateVerify,
    HANDSHAKE.finished,
  ],
  client: [
    HANDSHAKE.serverHello,
    HANDSHAKE.certificate,
    HANDSHAKE.serverKeyExchange,
    HANDSHAKE.certificateRequest,
    HANDSHAKE.serverHelloDone,
    HANDSHAKE.finished,
  ],
};

/** Lets an answer be repeated now and then. */
class Repeats {
  #waitMs = FIRST_REPEAT_MS;
  #nextUs = 0;

  readonly #clock: Clock;
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  permit(): boolean {
    const nowUs = this.#clock.nowUs();
    if (nowUs < this.#nextUs) {
      return false;
    }
    if (this.#nextUs > 0) this.#waitMs = Math.min(2 * this.#waitMs, MAX_REPEAT_MS);
    this.#nextUs = nowUs + this.#waitMs * 1000;
    return true;
  }
}

/**
 * Hands werift the handshake messages of the peer as RFC 6347 section 4.2.2 has it: in order, each once, and only those
 * that prove what they should. By itself it takes each as it comes. A hello that is repeated begins anew, a client's throws,
 * one after the handshake forgets its keys; and messages that have overtaken others, or are repeated, lead to other keys at
 * either end. A peer that has had no answer repeats itself within 50 ms, as where this thread is busy.
 */
export class HandshakeOrder {
  /** Number of the message that is due. */
  #due: number | undefined;
  /** Place in ORDER of the message that was handed on last. */
  #place = -1;
  readonly #waiting = new Map<number, HandshakeMessage>();
  readonly #proofs: HandshakeProofs;
  readonly #hellos: Repeats;
  readonly #flights: Repeats;
  readonly #lastFlights: Repeats;

  readonly #dtls: Dtls;
  readonly #role: DtlsRole;
  readonly #handOn: (message: HandshakeMessage) => Promise<void>;
  constructor(dtls: Dtls, role: DtlsRole, clock: Clock) {
    this.#dtls = dtls;
    this.#role = role;
    this.#proofs = new HandshakeProofs(dtls, role);
    this.#hellos = new Repeats(clock);
    this.#flights = new Repeats(clock);
    this.#lastFlights = new Repeats(clock);
    const handle = dtls.onHandleHandshakes.bind(dtls);
    this.#handOn = (message) => handle([message]);
    dtls.onHandleHandshakes = async (messages) => {
      // All at once: werift waits within some of them for what others bring.
      await Promise.all(messages.flatMap((message) => this.#take(message)));
    };
  }

  get #flight(): number {
    return this.#dtls.dtls.flight;
  }

  #take(message: HandshakeMessage): Promise<void>[] {
    switch (message.msg_type) {
      case HANDSHAKE.clientHello:
        return this.#role === 'server' ? this.#takeClientHello(message) : [];
      case HANDSHAKE.helloVerifyRequest:
        return this.#role === 'client' && this.#flight === 1 ? [this.#handOn(message)] : [];
      default:
        return this.#takeInOrder(message);
    }
  }

  #takeClientHello(hello: HandshakeMessage): Promise<void>[] {
    if (!hasCookie(hello.fragment)) {
      return this.#flight < FLIGHT_OF_SERVER && this.#hellos.permit() ? [this.#handOn(hello)] : [];
    }
    if (this.#flight > FLIGHT_OF_SERVER || (this.#flight === FLIGHT_OF_SERVER && !this.#flights.permit())) {
      return [];
    }
    const handled = [this.#handOn(hello)];
    // The cookie was the right one.
    if (this.#flight === FLIGHT_OF_SERVER && this.#due === undefined) {
      this.#flights.permit();
      this.#due = hello.message_seq + 1;
      handled.push(...this.#takeWaiting());
    }
    return handled;
  }

  #takeInOrder(message: HandshakeMessage): Promise<void>[] {
    const { msg_type: type, message_seq: number } = message;
    if (this.#role === 'client' && type === HANDSHAKE.serverHello) {
      // Its number depends on whether the server has asked for a cookie.
      this.#due ??= number;
    }
    if (this.#due === undefined || number > this.#due) {
      if (this.#waiting.size < MAX_WAITING && !this.#isOver) this.#waiting.set(number, message);
      return [];
    }
    if (number < this.#due) {
      return this.#mayRepeatFor(type) ? [this.#handOn(message)] : [];
    }
    const place = ORDER[this.#role].indexOf(type);
    if (place <= this.#place || !this.#proofs.hold(message)) {
      return [];
    }
    this.#place = place;
    this.#due += 1;
    return [this.#handOn(message), ...this.#takeWaiting()];
  }

  #takeWaiting(): Promise<void>[] {
    if (this.#isOver) this.#waiting.clear();
    const next = this.#due === undefined ? undefined : this.#waiting.get(this.#due);
    if (next === undefined) {
      return [];
    }
    this.#waiting.delete(next.message_seq);
    return this.#takeInOrder(next);
  }

  /** Everything that the peer has to say has been said. */
  get #isOver(): boolean {
    return this.#place === ORDER[this.#role].length - 1;
  }

  /** The last message of the peer's flight, come again, says that ours was lost. werift repeats that. */
  #mayRepeatFor(type: number): boolean {
    const [last, flight] =
      this.#role === 'server'
        ? [HANDSHAKE.finished, LAST_FLIGHT]
        : [HANDSHAKE.serverHelloDone, FLIGHT_OF_CLIENT];
    return type === last && this.#flight === flight && this.#lastFlights.permit();
  }
}

/** RFC 6347 section 4.2.1: version, random, session id by its length, cookie by its length. */
function hasCookie(hello: Buffer): boolean {
  const sessionIdBytes = hello[34] ?? 0;
  return (hello[35 + sessionIdBytes] ?? 0) > 0;
}
