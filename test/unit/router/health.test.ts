import { afterEach, describe, expect, it } from 'vitest';

import { resolveOptions, type StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import { composeRouter } from '../../../src/router.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, EventStreamClient, postJson, serveRouter } from '../../helpers/router-server.js';
import { FakeParts } from '../../helpers/session-fakes.js';
import { settle } from '../../helpers/virtual-clock.js';

let server: RouterServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function serve(options: StreamKitOptions): Promise<RouterServer> {
  server = await serveRouter(options);
  return server;
}

const target = { targetUrl: 'https://game.example.org/' };
const well = { capacity: true, encoder: true, mediaPlane: true, cluster: true };

describe('health', () => {
  it('is told to whoever asks, credentials or not, and says nothing but yes and no', async () => {
    const { url, router } = await serve({ health: true, validateRequest: () => ({ authorized: false }) });
    for (const path of ['/healthz', '/healthz/ready']) {
      const { status, headers, json } = await ask(url + path);
      expect([status, json]).toEqual([200, { status: 'ok', checks: well }]);
      expect(headers.get('cache-control')).toBe('no-store');
      expect((await ask(url + path, { method: 'HEAD' })).status).toBe(200);
    }
    expect(router.health()).toEqual({ status: 'ok', checks: well });
    expect((await ask(`${url}/nobody`)).status).toBe(401);
  });

  it('of a server that is full is good, but it is not ready until a session has ended', async () => {
    const { url, router } = await serve({ health: { path: '/up' }, maxSessions: 1 });
    const { json } = await postJson(url, target);
    const full = { status: 'degraded', checks: { ...well, capacity: false } };
    expect(router.health()).toEqual(full);
    expect((await ask(`${url}/up`)).status).toBe(200);
    const ready = await ask(`${url}/up/ready`);
    expect([ready.status, ready.json]).toEqual([503, full]);
    await ask(`${url}/${json.streamId}`, { method: 'DELETE' });
    expect((await ask(`${url}/up/ready`)).status).toBe(200);
  });

  it('of a server that closes is bad from the first moment', async () => {
    const { url, router, parts } = await serve({ health: true });
    await postJson(url, target);
    let release = (): void => undefined;
    parts.closeCapture = () => new Promise((resolve) => (release = resolve));
    parts.launches[0]?.succeed();
    await settle();
    const closing = router.close();
    const statuses = await Promise.all(['/healthz', '/healthz/ready'].map((path) => ask(url + path)));
    expect(statuses.map(({ status, json }) => [status, json.status])).toEqual([
      [503, 'closing'],
      [503, 'closing'],
    ]);
    release();
    await closing;
    expect(router.health().status).toBe('closing');
  });

  it.each([0, 5000])(
    'of a server that drains is well, but takes no more (reattach %i ms)',
    async (viewerReattachMs) => {
      const { url, router, parts } = await serve({ health: true, viewerReattachMs });
      const { json } = await postJson(url, target);
      parts.launches[0]?.succeed();
      await settle();
      const watching = await EventStreamClient.open(`${url}/${json.streamId}/sse`);
      const seen: string[] = [];
      const drained = router.drain().then(() => seen.push('drained'));
      expect(router.health().status).toBe('draining');
      const statuses = await Promise.all(['/healthz', '/healthz/ready'].map((path) => ask(url + path)));
      expect(statuses.map(({ status }) => status)).toEqual([200, 503]);
      const refused = await postJson(url, target);
      expect([refused.status, refused.json.error.code]).toEqual([503, 'at_capacity']);
      await parts.clock.advance(60_000);
      expect([seen, (await ask(`${url}/${json.streamId}`)).status]).toEqual([[], 200]);
      watching.abort();
      await settle();
      await parts.clock.advance(11_000);
      await drained;
      expect((await ask(`${url}/${json.streamId}`)).status).toBe(404);
      expect(router.health().status).toBe('draining');
    },
  );

  it('waits for the encoders to be known, and for a plane that is open', async () => {
    const parts = new FakeParts();
    const gauges = { encoderFound: () => false, egressRefusals: () => ({}) };
    const router = composeRouter(resolveOptions(), parts, undefined, gauges);
    expect(router.health()).toEqual({ status: 'degraded', checks: { ...well, encoder: false } });
    gauges.encoderFound = () => true;
    Object.assign(parts.mediaPlane, { closed: true });
    expect(router.health()).toEqual({ status: 'degraded', checks: { ...well, mediaPlane: false } });
    await router.close();
  });

  it('has no route unless it is asked for', async () => {
    const { url } = await serve({});
    expect((await ask(`${url}/healthz`)).json.error.code).toBe('no_such_session');
    expect((await ask(`${url}/healthz/ready`)).json.error.code).toBe('not_found');
  });
});
