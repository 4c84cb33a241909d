import { afterEach, describe, expect, it, vi } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import type { NativeAddon, NativePlane } from '../../../src/fanout/native-addon.js';
import { NativePlaneHost } from '../../../src/fanout/native-plane-host.js';
import { silentLogger } from '../../../src/base/logger.js';

const PORT = 40_000;
let host: NativePlaneHost | undefined;

/** An addon whose plane binds as `bind` says, the ports it was asked for, and what belongs to relays over TCP and TLS. */
function hostThatBinds(
  bind: (port: number) => number,
  logger = silentLogger,
): { host: NativePlaneHost; ports: number[]; asked: string[] } {
  const ports: number[] = [];
  const asked: string[] = [];
  const plane: Partial<NativePlane> = {
    bind: (_address, port) => {
      ports.push(port);
      return { socket: ports.length, port: bind(port) };
    },
    listenTcp: (_address, port) => {
      ports.push(port);
      return { socket: ports.length, port: bind(port) };
    },
    openRelay: (_endpoint, address) => ({ socket: 1, address, port: bind(0) }),
    dialRelay: (_endpoint, _server, name) => {
      asked.push(`dial ${String(name)}`);
      return { socket: 1 << 30, address: '127.0.0.1', port: bind(0) };
    },
    trustCertificates: (pem) => void asked.push(pem.slice(0, 27)),
    stats: () => ({}) as ReturnType<NativePlane['stats']>,
    close: () => undefined,
  };
  const addon: NativeAddon = { surfaceVersion: 1, createPlane: () => plane as NativePlane };
  host = NativePlaneHost.acquire(addon, 0, logger);
  return { host, ports, asked };
}

const failure = (code: string): Error => Object.assign(new Error(`bind: ${code}`), { code });

afterEach(() => {
  host?.release();
  host = undefined;
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe('the TCP port of a plane', () => {
  it('is tried again some seconds after it was taken, and that is logged once', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    let isTaken = true;
    const warn = vi.fn();
    const { host: opened, ports } = hostThatBinds(
      (port) => {
        if (isTaken) throw failure('EADDRINUSE');
        return port;
      },
      { ...silentLogger, warn },
    );
    for (const _ of [1, 2]) expect(opened.findTcp('127.0.0.1', PORT)).toBeUndefined();
    expect(ports).toHaveLength(1);
    vi.advanceTimersByTime(5000);
    expect(opened.findTcp('127.0.0.1', PORT)).toBeUndefined();
    expect(ports).toHaveLength(2);
    expect(warn).toHaveBeenCalledTimes(1);
    isTaken = false;
    vi.advanceTimersByTime(5000);
    expect(opened.findTcp('127.0.0.1', PORT)?.port).toBe(PORT);
  });

  it('is shared by the routers that name it', () => {
    const { host: opened, ports } = hostThatBinds((port) => port);
    expect(opened.listenTcp('127.0.0.1', PORT)).toBe(opened.listenTcp('127.0.0.1', PORT));
    expect(opened.findTcp('127.0.0.1', PORT)?.port).toBe(PORT);
    expect(ports).toEqual([PORT]);
  });
});

describe('a socket to a TURN server', () => {
  const server = { address: '192.0.2.1', port: 3478 };

  it('that is refused is warned of once for each reason', () => {
    const warn = vi.fn();
    let code = 'EMFILE';
    const bind = (): number => {
      throw failure(code);
    };
    const { host: opened } = hostThatBinds(bind, { ...silentLogger, warn });
    for (code of ['EMFILE', 'EMFILE', 'ERR_ENDPOINT_LIMIT', 'EMFILE', 'ERR_PLANE_LIMIT']) {
      expect(opened.openRelay(1, 'udp', '0.0.0.0', server, 'turn.test')).toBeUndefined();
    }
    expect(warn.mock.calls).toEqual(
      ['EMFILE', 'ERR_ENDPOINT_LIMIT', 'ERR_PLANE_LIMIT'].map((each) => [
        { err: expect.objectContaining({ code: each }), transport: 'udp', server },
        expect.any(String),
      ]),
    );
  });

  it('over TLS is told the name of the server, once certificates are trusted', () => {
    const { host: opened, asked } = hostThatBinds(() => PORT);
    const hosts = ['turn.test', 'turn.test.', '192.0.2.1', '2001:db8::1', 'Türn.test'];
    for (const name of hosts) {
      expect(opened.openRelay(1, 'tls', '0.0.0.0', server, name)).toBeDefined();
    }
    expect(opened.openRelay(1, 'tcp', '0.0.0.0', server, 'turn.test')).toBeDefined();
    const names = ['turn.test', 'turn.test', '192.0.2.1', '2001:db8::1', 'xn--trn-hoa.test', 'null'];
    expect(asked).toEqual(['-----BEGIN CERTIFICATE-----', ...names.map((name) => `dial ${name}`)]);
  });

  it('over TLS is never one over TCP, whatever the name', () => {
    const { host: opened, asked } = hostThatBinds(() => PORT);
    for (const name of ['', '.', 'turn server']) opened.openRelay(1, 'tls', '0.0.0.0', server, name);
    expect(asked.slice(1)).toEqual(['dial ', 'dial ', 'dial ']);
  });

  it('over TLS is none of the plane where Node verifies no certificates', () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const { host: opened, asked } = hostThatBinds(() => PORT);
    expect(opened.openRelay(1, 'tls', '0.0.0.0', server, 'turn.test')).toBeUndefined();
    expect(opened.openRelay(1, 'tcp', '0.0.0.0', server, 'turn.test')).toBeDefined();
    expect(asked).toEqual(['dial null']);
  });

  it('that the system does not have at all is not warned of', () => {
    const log = { ...silentLogger, warn: vi.fn(), debug: vi.fn() };
    const { host: opened } = hostThatBinds(() => {
      throw failure('ENOTSUP');
    }, log);
    expect(opened.openRelay(1, 'tcp', '0.0.0.0', server, 'turn.test')).toBeUndefined();
    expect(log.warn).not.toHaveBeenCalled();
    expect(log.debug).toHaveBeenCalledTimes(1);
  });
});

describe('the port of a plane', () => {
  it('is another one on an address where it is taken', () => {
    const { host: opened, ports } = hostThatBinds((port) => {
      if (port === PORT) throw failure('EADDRINUSE');
      return ports.length === 1 ? PORT : PORT + 1;
    });
    expect(opened.bind('127.0.0.1').port).toBe(PORT);
    expect(opened.bind('::1').port).toBe(PORT + 1);
    expect(ports).toEqual([0, PORT, 0]);
  });

  it('is not looked for elsewhere when the address cannot be bound at all', () => {
    const { host: opened, ports } = hostThatBinds((port) => {
      if (port === PORT) throw failure('EADDRNOTAVAIL');
      return PORT;
    });
    opened.bind('127.0.0.1');
    expect(() => opened.bind('192.0.2.1')).toThrow(expect.objectContaining({ code: 'unavailable' }));
    expect(ports).toEqual([0, PORT]);
  });

  it('is refused with a coded error when no other is free either', () => {
    const { host: opened, ports } = hostThatBinds(() => {
      if (ports.length > 1) throw failure('EADDRINUSE');
      return PORT;
    });
    opened.bind('127.0.0.1');
    expect(() => opened.bind('::1')).toThrow(StreamKitError);
    expect(ports).toEqual([0, PORT, 0]);
  });
});
