// Where the bench's frames come from: a process of its own, as those of a session do, or for a plane without media sockets
// this one.
import { fork } from 'node:child_process';
import { join } from 'node:path';

import { SyntheticStream } from './synthetic-stream.mjs';

const SLOTS = { video: 0, audio: 1 };

/** @param producers - video and audio, of `plane`. */
export function openFrameSource(plane, producers) {
  return plane.openMediaSocket === undefined ? new OwnSource(producers) : new ProcessSource(plane, producers);
}

class OwnSource {
  #producers;
  #stream;
  #keyframesBefore = 0;

  constructor(producers) {
    this.#producers = producers;
  }

  get keyframes() {
    return this.#keyframesBefore + (this.#stream?.keyframes ?? 0);
  }

  play(parameters) {
    this.stop();
    this.#stream = new SyntheticStream(parameters, {
      video: (payloads) => this.#producers.video.send(payloads),
      audio: (payloads) => this.#producers.audio.send(payloads),
    });
  }

  requestKeyframe() {
    this.#stream?.requestKeyframe();
  }

  stop() {
    this.#keyframesBefore = this.keyframes;
    this.#stream?.stop();
    this.#stream = undefined;
  }

  close() {
    this.stop();
  }
}

class ProcessSource {
  #socket;
  #child;
  keyframes = 0;

  constructor(plane, producers) {
    this.#socket = plane.openMediaSocket((reason) => console.error(`The media socket failed: ${reason}.`));
    for (const [kind, slot] of Object.entries(SLOTS)) this.#socket.bind(slot, producers[kind]);
    this.#child = fork(join(import.meta.dirname, 'feeder.mjs'), {
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', this.#socket.fd],
    });
    this.#socket.handedOver();
    this.#child.on('message', () => (this.keyframes += 1));
  }

  #call(method, argument) {
    if (this.#child.connected) this.#child.send({ method, argument });
  }

  play(parameters) {
    this.#call('play', { parameters, slots: SLOTS });
  }

  requestKeyframe() {
    this.#call('requestKeyframe');
  }

  stop() {
    this.#call('stop');
  }

  close() {
    // First, so that its end is no failure of the socket.
    this.#socket.close();
    if (this.#child.connected) this.#child.disconnect();
  }
}
