// What a session process is to the plane: it makes frames and writes them to a media socket, descriptor 4. Driven over the
// IPC channel by ./server.mjs; says `keyframe` for each that it has made.
import { MediaFrameWriter } from '../../../dist/render/packetize/media-frame-writer.js';
import { openMediaSocket } from '../../../dist/render/packetize/open-media-socket.js';
import { SyntheticStream } from './synthetic-stream.mjs';

const MEDIA_SOCKET_FD = 4;

const writer = new MediaFrameWriter(openMediaSocket(MEDIA_SOCKET_FD));
let stream;

function write(slot, payloads) {
  if (slot === 0 && payloads.keyframe) process.send('keyframe');
  writer.write({ slot, ...payloads });
}

const methods = {
  play({ parameters, slots }) {
    stream?.stop();
    stream = new SyntheticStream(parameters, {
      video: (payloads) => write(slots.video, payloads),
      audio: (payloads) => write(slots.audio, payloads),
    });
  },
  stop() {
    stream?.stop();
    stream = undefined;
  },
  requestKeyframe() {
    stream?.requestKeyframe();
  },
};

process.on('disconnect', () => process.exit());
process.on('message', ({ method, argument }) => methods[method](argument));
