import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { ChangingNetwork } from '../helpers/changing-network.js';
import { type CreatedSession, TestServer } from '../helpers/test-server.js';
import { TurnServer } from '../helpers/turn-server.js';
import { ViewerBrowser, type ViewerTab } from '../helpers/viewer-browser.js';

/** Where the NAT in front of the server is found. */
const ANNOUNCED = '127.0.0.2';

interface PeerReading {
  readonly peers: number;
  readonly usernameFragment: string;
  readonly dtlsState: string;
  readonly local: { readonly port: number };
  readonly remote: { readonly address: string; readonly port: number };
  readonly ssrc: number;
  readonly framesDecoded: number;
}

let browser: ViewerBrowser;

beforeAll(async () => {
  browser = await ViewerBrowser.launch();
});

afterAll(async () => {
  await browser.close();
});

describe.skipIf(!TurnServer.isInstalled)('through coturn, where there is no other way', () => {
  let turn: TurnServer;
  let server: TestServer;
  let session: CreatedSession;
  let viewer: ViewerTab;

  beforeAll(async () => {
    turn = await TurnServer.start();
    server = await TestServer.start({ iceServers: [turn.entry('udp'), turn.entry('tcp')] });
    session = await server.create(server.page('mode=counter'));
  });

  afterEach(async () => {
    await viewer.close();
  });

  afterAll(async () => {
    await server.close();
    await turn.stop();
  });

  async function moves(): Promise<any> {
    await viewer.firstPicture();
    await viewer.until('viewer.stats().then(({ video }) => video.framesDecoded > 15)');
    return (await viewer.read<any>('viewer.stats()')).way;
  }

  test.each(['udp', 'tcp'] as const)('a browser gets its picture over its relay, over %s', async (relay) => {
    viewer = await browser.open(server);
    await viewer.connect(session, { relay });
    expect((await moves()).local).toMatchObject({ candidateType: 'relay', relayProtocol: relay });
  });

  test('a browser gets its picture over the relay of the server', async () => {
    viewer = await browser.open(server);
    await viewer.connect(session, { directWay: false });
    const { local, remote } = await moves();
    expect(local.candidateType).not.toBe('relay');
    expect(remote.candidateType).toBe('relay');
    expect(TurnServer.isRelayPort(remote.port as number)).toBe(true);
  });
});

/** One viewer with the package's client, behind a network that changes. */
class RoamingViewer {
  private constructor(
    readonly server: TestServer,
    readonly tab: ViewerTab,
    readonly network: ChangingNetwork,
  ) {}

  static async watch(mediaPlane: 'auto' | 'werift'): Promise<RoamingViewer> {
    const server = await TestServer.start({ mediaPlane, announcedAddresses: [ANNOUNCED] });
    const session = await server.create(server.page('mode=counter'));
    const tab = await browser.open(server, 'sdk.html');
    await tab.read(`connect(${JSON.stringify(session.id)})`);
    const offered = `peers[0]?.getStats().then((stats) =>
      [...stats.values()].find(({ type }) => type === 'remote-candidate'))`;
    await tab.until(`Promise.resolve(${offered}).then((candidate) => candidate !== undefined)`);
    const { address, port } = await tab.read<{ address: string; port: number }>(offered);
    expect(address).toBe(ANNOUNCED);
    const network = await ChangingNetwork.open(ANNOUNCED, port);
    await tab.firstPicture();
    return new RoamingViewer(server, tab, network);
  }

  read(): Promise<PeerReading> {
    return this.tab.read<PeerReading>('readPeer()');
  }

  /** Waits until pictures come again. @returns how long it took, ms. */
  async untilMoving(since: number): Promise<number> {
    const start = performance.now();
    await this.tab.until(`readPeer().then(({ framesDecoded }) => framesDecoded > ${since + 10})`, 30_000);
    return performance.now() - start;
  }

  async close(): Promise<void> {
    await this.tab.read('connection.close()');
    await this.tab.page.close();
    await this.server.close();
    await this.network.close();
  }
}

/** The two planes beside each other: what takes time is the browser, which has to notice. */
describe.concurrent.each([
  ['native', 'auto'],
  ['werift', 'werift'],
] as const)('on the %s plane', (name, mediaPlane) => {
  test('the same peer goes on after an ICE restart, and where its way is cut', async ({ expect: local }) => {
    const viewer = await RoamingViewer.watch(mediaPlane);
    try {
      const first = await viewer.read();
      local(first).toMatchObject({ peers: 1, dtlsState: 'connected', remote: { address: ANNOUNCED } });

      // Asked for while all is well: other ICE credentials, another pair, the rest as it was.
      const askedMs = performance.now();
      await viewer.tab.read(`fetch(location.origin + '/stream/' + connection.streamId + '/signal', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ viewerId: connection.viewerId, type: 'ice_restart' }),
      }).then(({ status }) => { if (status !== 204) throw new Error(String(status)); })`);
      await viewer.tab.until(`readPeer().then(({ usernameFragment, local }) =>
        usernameFragment !== ${JSON.stringify(first.usernameFragment)} && local.port !== ${first.local.port})`);
      const restarted = await viewer.read();
      await viewer.untilMoving(restarted.framesDecoded);
      const restartMs = performance.now() - askedMs;
      const { ssrc } = first;
      local(restarted).toMatchObject({ peers: 1, dtlsState: 'connected', ssrc });

      // A NAT gives it another port: the plane follows, and ICE is not restarted. With werift that takes a restart.
      let reboundMs = 0;
      if (name === 'native') {
        viewer.network.rebind();
        const { framesDecoded } = await viewer.read();
        reboundMs = await viewer.untilMoving(framesDecoded);
        local(await viewer.read()).toMatchObject({
          usernameFragment: restarted.usernameFragment,
          local: { port: restarted.local.port },
        });
      }

      // As when a phone goes from one network to another: its ports of now reach nobody, new ones do.
      viewer.network.cut();
      const cutMs = await viewer.tab.read<number>('performance.now()');
      const atCut = await viewer.read();
      const recoveredMs = await viewer.untilMoving(atCut.framesDecoded);
      const recovered = await viewer.read();
      local(recovered).toMatchObject({ peers: 1, dtlsState: 'connected', ssrc });
      local(recovered.usernameFragment).not.toBe(atCut.usernameFragment);
      local(recovered.local.port).not.toBe(atCut.local.port);
      local(viewer.network.lost).toBeGreaterThan(0);
      local(recoveredMs).toBeLessThan(20_000);
      const states = await viewer.tab.read<{ state: string; atMs: number }[]>('states');
      const seen = states
        .filter(({ atMs }) => atMs > cutMs)
        .map(({ state, atMs }) => `${state} ${Math.round(atMs - cutMs)}`);
      console.log(
        `${name}: restart ${Math.round(restartMs)} ms; rebound ${Math.round(reboundMs)} ms; cut: ${seen.join(', ')}, pictures ${Math.round(recoveredMs)} ms`,
      );
    } finally {
      console.log(name, JSON.stringify(await viewer.tab.read('({ states, now: performance.now() })')));
      await viewer.close();
    }
  });
});
