import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { createWeriftMediaPlane } from '../../src/fanout/werift-media-plane.js';
import { silentLogger } from '../../src/base/logger.js';
import { processHandshakeTurns } from '../../src/peer/werift/handshake-turns.js';
import { PlainViewers } from './plain-viewer.js';

const AT_ONCE = 24;
const addon = loadNativeAddon();
const common = { clock: systemClock, logger: silentLogger };
const planes: [string, () => MediaPlane][] = [['werift', () => createWeriftMediaPlane(common)]];
if (addon !== undefined) {
  planes.push(['native', () => new NativeMediaPlane({ addon, udpPort: 0, ...common })]);
}

describe.each(planes)('joining on the %s media plane', (name, createPlane) => {
  let plane: MediaPlane;
  let viewers: PlainViewers;

  beforeEach(() => {
    plane = createPlane();
    viewers = new PlainViewers(plane);
  });

  afterEach(async () => {
    vi.restoreAllMocks();
    await viewers.close();
    await plane.close();
  });

  it(`lets ${AT_ONCE} viewers in who come at once, four handshakes of werift at a time`, async () => {
    let running = 0;
    let most = 0;
    let begun = 0;
    const take = processHandshakeTurns.take.bind(processHandshakeTurns);
    vi.spyOn(processHandshakeTurns, 'take').mockImplementation((clock) => {
      const turn = take(clock);
      let counted = false;
      const end = turn.end.bind(turn);
      turn.end = () => {
        if (counted) running -= 1;
        counted = false;
        end();
      };
      void turn.begun.then(() => {
        counted = true;
        begun += 1;
        running += 1;
        most = Math.max(most, running);
      });
      return turn;
    });
    const connected = await Promise.all(Array.from({ length: AT_ONCE }, () => viewers.connect()));
    expect(connected.map(({ client }) => client.connectionState)).toEqual(
      Array.from({ length: AT_ONCE }, () => 'connected'),
    );
    // The native plane does them on its own thread.
    expect([begun, most]).toEqual(name === 'werift' ? [AT_ONCE, 4] : [0, 0]);
    // The last one's turn ended with its handshake too.
    expect(running).toBe(0);
  });

  it('keeps a viewer out whose certificate is another than that of its answer', async () => {
    const other = `sha-256 ${new Array<string>(32).fill('AB').join(':')}`;
    const connecting = viewers.connect({}, (sdp) =>
      sdp.replace(/a=fingerprint:.*\r/g, `a=fingerprint:${other}\r`),
    );
    await expect(connecting).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('lets a viewer in who repeats its last flight, as one does who has had no answer for 50 ms', async () => {
    // RFC 5246 section 7.4: certificate, client_key_exchange and certificate_verify.
    const flight: Buffer[] = [];
    const viewer = await viewers.connect({}, undefined, undefined, async (datagram, send) => {
      await send(datagram);
      // RFC 6347 section 4.1: a record's header has 13 bytes, and its type is 22 for a handshake.
      const type = datagram[0] === 22 ? datagram[13] : undefined;
      if (type === 11 || type === 15 || type === 16) flight.push(datagram);
      if (type === 15) for (const repeated of flight.splice(0)) await send(repeated);
    });
    expect(viewer.client.connectionState).toBe('connected');
    expect(flight).toEqual([]);
  });
});
