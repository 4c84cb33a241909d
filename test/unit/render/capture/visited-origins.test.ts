import { EventEmitter } from 'node:events';

import { expect, it } from 'vitest';

import type { CdpSession } from '../../../../src/render/capture/cdp-connection.js';
import { VisitedOrigins } from '../../../../src/render/capture/visited-origins.js';

it('notes the origins of pages, the latest first, and none of frames and of what has no storage', () => {
  const visited = new VisitedOrigins();
  const cdp = new EventEmitter();
  visited.watch(cdp as unknown as CdpSession);
  const show = (url: string, parentId?: string) =>
    cdp.emit('Page.frameNavigated', { frame: { url, parentId } });
  show('https://one.example/path?query');
  show('http://two.example:8080/');
  show('https://frame.example/', 'parent');
  for (const url of [
    'about:blank',
    'data:text/html,x',
    'chrome://settings/',
    'blob:https://three.example/1',
  ]) {
    show(url);
  }
  show('https://one.example/again');
  expect(visited.origins).toEqual(['https://one.example', 'http://two.example:8080']);
});

it('remembers a bounded number of them', () => {
  const visited = new VisitedOrigins();
  for (let page = 0; page < 250; page++) visited.add(`https://${page}.example`);
  expect(visited.origins).toHaveLength(100);
  expect(visited.origins[0]).toBe('https://249.example');
});
