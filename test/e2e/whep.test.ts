import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { TestServer, type CreatedSession } from '../helpers/test-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

const TOKEN = 'a-token-of-the-test';

let server: TestServer;
let browser: ViewerBrowser;
let session: CreatedSession;
const players: ViewerTab[] = [];

beforeAll(async () => {
  const onlyPlayersNeedToken = (request: {
    url?: string | undefined;
    headers: { authorization?: string | undefined };
  }) => ({
    authorized:
      request.url?.includes('/whep') !== true || request.headers.authorization === `Bearer ${TOKEN}`,
  });
  [server, browser] = await Promise.all([
    TestServer.start({ pauseGraceMs: 300, validateRequest: onlyPlayersNeedToken }),
    ViewerBrowser.launch(),
  ]);
});

afterEach(async () => {
  await Promise.all(players.splice(0).map((player) => player.page.close()));
  expect(await server.delete(session)).toBe(204);
});

afterAll(async () => {
  await Promise.all([server.close(), browser.close()]);
});

/** The page of a viewer, as yet without one: the players bring their own. */
async function openPage(): Promise<ViewerTab> {
  const player = await browser.open(server);
  await player.page.bringToFront();
  players.push(player);
  return player;
}

/** The player of the author of the protocol: trickles by PATCH, restarts ICE, ends by DELETE. */
async function playByWhipWhep(): Promise<ViewerTab> {
  const player = await openPage();
  await player.read(`(async () => {
    const { WHEPClient } = await import('/vendor/whip-whep/whep.js');
    window.peer = new RTCPeerConnection();
    const stream = new MediaStream();
    peer.ontrack = ({ track }) => { stream.addTrack(track); video.srcObject = stream; };
    peer.addTransceiver('audio', { direction: 'recvonly' });
    peer.addTransceiver('video', { direction: 'recvonly' });
    window.player = new WHEPClient();
    await player.view(peer, '${session.url}/whep', '${TOKEN}');
  })()`);
  return player;
}

/** The player of a broadcaster: waits for all of its candidates, trickles nothing. It is a CommonJS module. */
async function playByEyevinn(): Promise<ViewerTab> {
  const player = await openPage();
  await player.read(`(async () => {
    const load = async (path, modules) => {
      const module = { exports: {} };
      const code = await (await fetch('/vendor/' + path)).text();
      new Function('module', 'exports', 'require', code)(module, module.exports, (name) => modules[name]);
      return module.exports;
    };
    const modules = {
      events: await load('events/events.js', {}),
      // Advertising and another protocol, of which nothing is used.
      '@eyevinn/csai-manager': {}, '@eyevinn/whpp-client': {},
    };
    const { WebRTCPlayer } = await load('@eyevinn/webrtc-player/dist/main.js', modules);
    window.player = new WebRTCPlayer({ video, type: 'whep', statsTypeFilter: '^$' });
    await player.load(new URL('${session.url}/whep'), 'Bearer ${TOKEN}');
  })()`);
  return player;
}

/** Different pictures, in order, are decoded and shown. */
async function expectMovingPictures(player: ViewerTab): Promise<void> {
  await player.firstPicture();
  const counters = await player.read<number[]>('readCounters(6)');
  expect(counters).toEqual([...counters].sort((a, b) => a - b));
}

test('whip-whep and the Eyevinn player play the same session', async () => {
  session = await server.create(server.page('mode=counter'));
  await server.state(session, ({ status }) => status === 'connecting');

  const first = await playByWhipWhep();
  await expectMovingPictures(first);
  await first.until(`peer.getStats().then((stats) =>
    [...stats.values()].some(({ type, kind, packetsReceived }) =>
      type === 'inbound-rtp' && kind === 'audio' && packetsReceived > 10))`);
  const second = await playByEyevinn();
  await expectMovingPictures(second);
  const { metadata, clientConnected } = await server.state(session, ({ status }) => status === 'streaming');
  expect([metadata.viewers, clientConnected]).toEqual([2, true]);

  await first.page.bringToFront();
  const decoded =
    'peer.getStats().then((stats) => [...stats.values()].find(({ type, kind }) => type === "inbound-rtp" && kind === "video").framesDecoded)';
  const ufrag = 'peer.remoteDescription.sdp.match(/a=ice-ufrag:(.*)/)[1]';
  const before = await first.read<string>(ufrag);
  await first.read('player.restart()');
  expect(await first.read<string>(ufrag)).not.toBe(before);
  const atRestart = await first.read<number>(decoded);
  await first.until(`${decoded}.then((frames) => frames > ${atRestart + 30})`);
  await expectMovingPictures(first);

  await first.read('player.stop()');
  await server.state(session, (state) => state.metadata.viewers === 1);
  await second.read('player.destroy()');
  await server.state(
    session,
    (state) => state.metadata.viewers === 0 && state.metadata.video.frameRate === 0,
  );
});
