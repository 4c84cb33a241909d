// Viewers that take pictures at little CPU: they count packets and decode nothing.
import { PeerConnection, RtcpReceivingSession, Video } from 'node-datachannel';
import { WebSocket } from 'ws';

/** Of H.264, as the player chooses it. */
const PAYLOAD_TYPE = 107;
const EVENT_END = '\n\n';

/** Reports what arrives on `track`, and answers it with receiver reports. */
function receive(track, onPacket) {
  track.setMediaHandler(new RtcpReceivingSession());
  track.onMessage(() => onPacket());
}

function gathered(peer) {
  return new Promise((resolve) => {
    peer.onGatheringStateChange((state) => {
      if (state === 'complete') resolve();
    });
  });
}

/**
 * A WHEP player that stays. It gets the largest rung.
 *
 * @returns its end.
 */
export async function play(session, onPacket) {
  const peer = new PeerConnection('player', { iceServers: [] });
  const media = new Video('0', 'RecvOnly');
  media.addH264Codec(PAYLOAD_TYPE);
  const track = peer.addTrack(media);
  receive(track, onPacket);
  const ready = gathered(peer);
  peer.setLocalDescription('offer');
  await ready;
  const response = await fetch(`${session}/whep`, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: peer.localDescription().sdp,
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`WHEP: ${answer}`);
  peer.setRemoteDescription(answer, 'answer');
  return () => {
    // Held until here: one that is collected receives nothing any more.
    track.close();
    peer.close();
  };
}

/** Takes the frames that are encoded over a WebSocket. @returns its end. */
export function readStream(session, onChunk) {
  const socket = new WebSocket(`${session.replace(/^http/, 'ws')}/stream`);
  socket.on('error', () => undefined);
  socket.on('open', () => socket.send(JSON.stringify({ type: 'resume', lastSeq: null })));
  socket.on('message', (_data, isBinary) => {
    if (isBinary) onChunk();
  });
  return () => socket.terminate();
}

/**
 * A WebRTC viewer that joins by an event stream with `wishes` (query parameters), takes pictures until `signal` is aborted
 * and goes.
 *
 * @param refused - called instead of anything else where it is not admitted.
 */
export async function watchWith(session, wishes, { signal, onPacket, refused }) {
  const query = new URLSearchParams({ videoCodec: 'h264', ...wishes });
  const peer = new PeerConnection('viewer', { iceServers: [] });
  const tracks = [];
  const ready = gathered(peer);
  peer.onTrack((track) => {
    tracks.push(track);
    receive(track, onPacket);
  });
  let viewerId;
  const handlers = {
    viewer: (payload) => {
      viewerId = payload.viewerId;
    },
    sdp_offer: async (sdp) => {
      peer.setRemoteDescription(sdp, 'offer');
      await ready;
      const payload = peer.localDescription().sdp;
      await fetch(`${session}/signal`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ viewerId, type: 'sdp_answer', payload }),
        signal,
      });
    },
    ice_candidate: (payload) => {
      if (payload?.candidate) peer.addRemoteCandidate(payload.candidate, payload.sdpMid ?? '0');
    },
  };
  try {
    const response = await fetch(`${session}/sse?${query}`, { signal });
    if (!response.ok) {
      refused();
      return;
    }
    for await (const { type, payload } of signalsOf(response.body)) await handlers[type]?.(payload);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    peer.close();
  }
}

/** The `custom_signal` events of an event stream. */
async function* signalsOf(body) {
  const decoder = new TextDecoder();
  let text = '';
  for await (const part of body) {
    text += decoder.decode(part, { stream: true });
    for (let end = text.indexOf(EVENT_END); end >= 0; end = text.indexOf(EVENT_END)) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + EVENT_END.length);
      const data = lines.find((line) => line.startsWith('data: '));
      if (data !== undefined && lines.includes('event: custom_signal')) yield JSON.parse(data.slice(6));
    }
  }
}
