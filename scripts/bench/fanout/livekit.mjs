// LiveKit beside our plane: the same stream published to it by WHIP, the same viewers out. They join as WHIP clients that
// publish nothing and name the tracks that they want, so no data channel is needed; what they get takes LiveKit's usual way.
import { join } from 'node:path';

import { withCandidates } from '../../../dist/peer/sdp/candidate-lines.js';
import { buildSfus, LIVEKIT, liveKitArguments, sfuDirectory, tokenOf } from '../../sfu-servers.mjs';
import { freePort } from '../rig.mjs';
import { PeerProcess } from './peer-process.mjs';
import { startFanoutServer } from './server-process.mjs';

export { LIVEKIT };

const ROOM = 'fanout';
/** Identity of who publishes. */
export const PUBLISHER = 'render';
/** As LiveKit calls tracks that were published by WHIP. */
const TRACKS = ['synthesized-camera', 'synthesized-microphone'];
const JOIN_TIMEOUT_MS = 10_000;

class LiveKitServer {
  #process;
  #origin;
  #publisher;
  #viewers = 0;

  constructor(process, origin, publisher) {
    this.#process = process;
    this.#origin = origin;
    this.#publisher = publisher;
  }

  get pid() {
    return this.#process.pid;
  }

  /** Publishes a stream, once. */
  async play(parameters) {
    const viewer = this.#publisher.newName();
    await this.#publisher.call('play', parameters);
    const { sdp, candidates } = await this.#publisher.call('offer', { viewer });
    const token = tokenOf(PUBLISHER, { room: ROOM, canPublish: true, canSubscribe: false });
    const answer = await post(this.#origin, withCandidates(sdp, candidates, true), token);
    await this.#publisher.call('answer', { viewer, sdp: answer });
  }

  async join(generator) {
    return joinLiveKit(this.#origin, generator, `viewer-${this.#viewers++}`);
  }

  async close() {
    await this.#publisher.close();
    await this.#process.close();
  }
}

/** @returns the answer. */
async function post(origin, offer, token, headers = {}) {
  const response = await fetch(`${origin}/whip/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${token}`, ...headers },
    body: offer,
    signal: AbortSignal.timeout(JOIN_TIMEOUT_MS),
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`LiveKit: ${response.status} ${answer.trim()}`);
  return answer;
}

/** Joins a room as one who watches its publisher. @returns the index of the viewer. */
export async function joinLiveKit(origin, generator, identity, room = ROOM) {
  const { viewer, sdp } = generator.offer();
  const token = tokenOf(identity, { room, canPublish: false, canSubscribe: true });
  const wanted = { subscribedParticipantTrackNames: { [PUBLISHER]: TRACKS } };
  const headers = { 'x-livekit-clientinfo': JSON.stringify(wanted) };
  generator.accept(viewer, await post(origin, sdp, token, headers));
  await generator.connected(viewer);
  return viewer;
}

/** @returns why there is none; undefined: there is one. Building it takes minutes the first time. */
export const buildLiveKit = () => buildSfus(['livekit']);

/** Starts LiveKit on loopback. */
export async function startLiveKitServer() {
  const [port, tcpPort, udpPort] = [await freePort(), await freePort(), await freePort()];
  const args = liveKitArguments({ port, tcpPort, udpPort });
  const livekit = new PeerProcess('LiveKit', join(sfuDirectory, 'server'), args);
  try {
    const origin = `http://127.0.0.1:${port}`;
    await livekit.answers(origin);
    return { origin, pid: livekit.pid, close: () => livekit.close() };
  } catch (error) {
    await livekit.close();
    throw error;
  }
}

/** Starts LiveKit and what publishes to it. */
export async function startLiveKit({ bitrateBps }) {
  const livekit = await startLiveKitServer();
  try {
    const publisher = await startFanoutServer({ mediaPlane: 'native', bitrateBps });
    return new LiveKitServer(livekit, livekit.origin, publisher);
  } catch (error) {
    await livekit.close();
    throw error;
  }
}
