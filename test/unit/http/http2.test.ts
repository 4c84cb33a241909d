import { once } from 'node:events';
import { connect, constants, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';

import { expect, it } from 'vitest';

import { resolveOptions } from '../../../src/options/stream-kit-options.js';
import { composeRouter } from '../../../src/router.js';
import { FakeParts } from '../../helpers/session-fakes.js';
import { settle } from '../../helpers/virtual-clock.js';

it.each(['NGHTTP2_NO_ERROR', 'NGHTTP2_CANCEL'] as const)(
  'a viewer over HTTP/2 that takes nothing and resets its stream with %s is gone',
  async (code) => {
    const parts = new FakeParts();
    const router = composeRouter(resolveOptions({}), parts);
    const session = await router.sessions.create({ targetUrl: 'https://game.example.org/' });
    parts.launches[0]?.succeed();
    await settle();
    const server = createServer((request, response) => void router(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    // Less than the first event has: what the server writes waits for the client.
    const connection = connect(origin, { settings: { initialWindowSize: 10 } });
    const stream = connection.request({ ':path': `/${session.id}/sse?media=none` });
    await once(stream, 'response');
    expect(session.state.clientConnected).toBe(true);
    stream.close(constants[code]);
    await expect.poll(() => session.state.clientConnected).toBe(false);
    await router.close();
    connection.destroy();
    server.close();
    await once(server, 'close');
  },
);
