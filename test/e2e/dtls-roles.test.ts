import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { TestServer } from '../helpers/test-server.js';
import { ViewerBrowser } from '../helpers/viewer-browser.js';

/** Before it connects: the viewer's page answers that it waits for our DTLS, where a browser begins by itself. */
const ANSWER_PASSIVELY = `(() => {
  const set = RTCPeerConnection.prototype.setLocalDescription;
  RTCPeerConnection.prototype.setLocalDescription = async function (given) {
    const { type, sdp } = given ?? (await this.createAnswer());
    return set.call(this, { type, sdp: sdp.replaceAll('a=setup:active', 'a=setup:passive') });
  };
})()`;

describe.each(['native', 'werift'] as const)(
  'a viewer that is the DTLS server, on the %s media plane',
  (mediaPlane) => {
    let browser: ViewerBrowser;
    let server: TestServer;

    beforeAll(async () => {
      browser = await ViewerBrowser.launch();
      server = await TestServer.start({ mediaPlane });
    });

    afterAll(async () => {
      await server.close();
      await browser.close();
    });

    test('sees the page', async () => {
      const session = await server.create(server.page('mode=bars'), { videoCodec: 'vp8' });
      const viewer = await browser.open(server);
      await viewer.read(ANSWER_PASSIVELY);
      await viewer.connect(session);
      await viewer.firstPicture();
      expect(await viewer.read('viewer.peer.localDescription.sdp')).toContain('a=setup:passive');
      await viewer.close();
      expect(await server.delete(session)).toBe(204);
    });
  },
);
