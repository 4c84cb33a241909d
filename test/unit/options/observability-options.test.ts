import { describe, expect, it } from 'vitest';

import { resolveOptions, type StreamKitOptions } from '../../../src/options/stream-kit-options.js';

describe('metrics and health', () => {
  it('are not served unless asked for', () => {
    expect(resolveOptions()).toMatchObject({ metrics: undefined, health: undefined });
    expect(resolveOptions({ metrics: false, health: false })).toMatchObject({
      ...{ metrics: undefined, health: undefined },
    });
  });

  it('have their usual paths, or others', () => {
    expect(resolveOptions({ metrics: true, health: {} })).toMatchObject({
      ...{ metrics: { path: '/metrics' }, health: { path: '/healthz' } },
    });
    expect(resolveOptions({ metrics: { path: '/a/b.c' } }).metrics).toEqual({ path: '/a/b.c' });
  });

  it.each([
    '',
    '/',
    'metrics',
    '/metrics/',
    '//metrics',
    '/a//b',
    '/:streamId',
    '/a?b',
    '/a b',
    '/..',
    '/a/../b',
    '/0b0f7a86-0000-4000-8000-000000000001',
    '/0B0F7A86-0000-4000-8000-000000000001/sse',
    7 as unknown as string,
  ])('refuse the path %j, which is none or could be that of a session', (path) => {
    expect(() => resolveOptions({ metrics: { path } })).toThrow(/^Expected path .* for metrics\.path /);
    expect(() => resolveOptions({ health: { path } })).toThrow(/^Expected path .* for health\.path /);
  });

  it.each<StreamKitOptions>([
    { metrics: { path: '/healthz' }, health: true },
    { metrics: { path: '/healthz/ready' }, health: true },
  ])('refuse to share a path: %j', (options) => {
    expect(() => resolveOptions(options)).toThrow('Expected a path for metrics.path that no other route has');
  });

  it('refuse what they do not know', () => {
    const options = { metrics: { route: '/metrics' } } as unknown as StreamKitOptions;
    expect(() => resolveOptions(options)).toThrow('Unknown option "route" in metrics');
  });
});
