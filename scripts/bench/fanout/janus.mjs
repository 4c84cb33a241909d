// Janus' streaming plugin beside our plane: the same stream by UDP in, the same viewers out.
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '../rig.mjs';
import { PeerProcess } from './peer-process.mjs';
import { SyntheticStream } from './synthetic-stream.mjs';

const PLUGIN = 'janus.plugin.streaming';
const VIDEO = { ssrc: 11, payloadType: 102 };
const AUDIO = { ssrc: 12, payloadType: 111 };

/** @returns Janus' version, or undefined where it is not installed. */
export function janusVersion() {
  const { stdout, stderr, error } = spawnSync('janus', ['--version'], { encoding: 'utf8' });
  if (error !== undefined) return undefined;
  return /(\d+\.\d+\.\d+)/.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown';
}

/**
 * Where Janus' viewers bind: libnice offers no loopback address where the machine has another. Packets from and to an
 * own address stay on the loopback interface all the same.
 */
export function janusAddress() {
  const addresses = Object.values(networkInterfaces()).flat();
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

/** The API of one Janus session over HTTP: events are polled for, and given to the handle that they are of. */
class JanusSession {
  #url;
  #waiting = new Map();
  #closed = false;
  #polling;

  static async open(origin) {
    const { data } = await JanusSession.#post(origin, { janus: 'create' });
    return new JanusSession(`${origin}/${data.id}`);
  }

  constructor(url) {
    this.#url = url;
    this.#polling = this.#poll();
  }

  async attach() {
    const { data } = await JanusSession.#post(this.#url, { janus: 'attach', plugin: PLUGIN });
    return data.id;
  }

  /** Answered at once. */
  async request(handle, body) {
    const { plugindata } = await JanusSession.#post(`${this.#url}/${handle}`, { janus: 'message', body });
    return plugindata.data;
  }

  /** Answered by an event. */
  async message(handle, body, jsep) {
    const event = new Promise((resolve, reject) => this.#waiting.set(handle, { resolve, reject }));
    event.catch(() => undefined);
    await JanusSession.#post(`${this.#url}/${handle}`, {
      janus: 'message',
      body,
      ...(jsep === undefined ? {} : { jsep }),
    });
    return event;
  }

  async close() {
    this.#closed = true;
    await this.#polling;
  }

  async #poll() {
    while (!this.#closed) {
      const events = await fetch(`${this.#url}?maxev=20`)
        .then((response) => response.json())
        .catch((error) => this.#fail(error));
      if (events === undefined) return;
      for (const event of Array.isArray(events) ? events : [events]) {
        if (event.plugindata === undefined) continue;
        this.#waiting.get(event.sender)?.resolve(event);
        this.#waiting.delete(event.sender);
      }
    }
  }

  /** Nothing will be answered any more. */
  #fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#closed = true;
  }

  static async #post(url, body) {
    const response = await fetch(url, {
      method: 'POST',
      body: JSON.stringify({ ...body, transaction: String(Math.random()) }),
    });
    const answer = await response.json();
    if (answer.janus === 'error') throw new Error(`Janus: ${answer.error.reason}`);
    return answer;
  }
}

class JanusServer {
  #process;
  #folder;
  #session;
  #socket = createSocket('udp4');
  #ports;
  #stream;

  constructor(process, folder, session, ports) {
    this.#process = process;
    this.#folder = folder;
    this.#session = session;
    this.#ports = ports;
  }

  get pid() {
    return this.#process.pid;
  }

  play(parameters) {
    this.#stream?.stop();
    this.#stream = new SyntheticStream(parameters, {
      video: (payloads) => this.#feed(payloads, VIDEO, this.#ports.video),
      audio: (payloads) => this.#feed(payloads, AUDIO, this.#ports.audio),
    });
  }

  async join(generator) {
    const handle = await this.#session.attach();
    const { jsep, plugindata } = await this.#session.message(handle, { request: 'watch', id: 1 });
    if (jsep === undefined) throw new Error(`Janus: ${JSON.stringify(plugindata)}`);
    const answer = generator.answer(jsep.sdp);
    await this.#session.message(handle, { request: 'start' }, { type: 'answer', sdp: answer.sdp });
    await generator.connected(answer.viewer);
    return answer.viewer;
  }

  async close() {
    this.#stream?.stop();
    this.#socket.close();
    // Its end ends the poll that is under way.
    await this.#process.close();
    await this.#session.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #feed({ bytes, offsets, rtpTimestamp }, stream, port) {
    for (let i = 0; i + 1 < offsets.length; i++) {
      const header = Buffer.alloc(12);
      header[0] = 0x80;
      const last = stream === VIDEO && i === offsets.length - 2;
      header[1] = stream.payloadType | (last ? 0x80 : 0);
      stream.sequence = ((stream.sequence ?? 0) + 1) & 0xffff;
      header.writeUInt16BE(stream.sequence, 2);
      header.writeUInt32BE(rtpTimestamp, 4);
      header.writeUInt32BE(stream.ssrc, 8);
      this.#socket.send([header, bytes.subarray(offsets[i], offsets[i + 1])], port, '127.0.0.1');
    }
  }
}

/** Starts Janus on loopback, with its own defaults but for where it listens. */
export async function startJanus() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-janus-'));
  const port = await freePort();
  writeFileSync(
    join(folder, 'janus.jcfg'),
    `general: { debug_level = 2 }
media: { }
nat: { ice_enforce_list = "${janusAddress()}" }
plugins: { disable = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_videoroom.so,libjanus_voicemail.so" }
transports: { disable = "libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so,libjanus_websockets.so" }
`,
  );
  writeFileSync(
    join(folder, 'janus.transport.http.jcfg'),
    `general: { json = "compact", base_path = "/janus", http = true, port = ${port}, ip = "127.0.0.1", https = false }
admin: { admin_http = false, admin_https = false }
`,
  );
  writeFileSync(join(folder, 'janus.plugin.streaming.jcfg'), 'general: { }\n');
  const janus = new PeerProcess('Janus', 'janus', ['--configs-folder', folder, '--disable-colors']);
  try {
    const origin = `http://127.0.0.1:${port}/janus`;
    await janus.answers(`${origin}/info`);
    const session = await JanusSession.open(origin);
    const handle = await session.attach();
    const created = await session.request(handle, {
      request: 'create',
      type: 'rtp',
      id: 1,
      media: [
        { type: 'audio', mid: 'a', codec: 'opus', pt: AUDIO.payloadType, port: 0, iface: '127.0.0.1' },
        {
          type: 'video',
          mid: 'v',
          codec: 'h264',
          pt: VIDEO.payloadType,
          fmtp: 'profile-level-id=42e01f;packetization-mode=1',
          port: 0,
          iface: '127.0.0.1',
        },
      ],
    });
    const portOf = (mid) => created.stream.ports.find((entry) => entry.mid === mid).port;
    return new JanusServer(janus, folder, session, { audio: portOf('a'), video: portOf('v') });
  } catch (error) {
    await janus.close();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}
