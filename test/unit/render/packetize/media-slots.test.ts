import { expect, test } from 'vitest';

import { MEDIA_SOCKET_SLOTS } from '../../../../src/fanout/native-addon.js';
import { MEDIA_SLOTS } from '../../../../src/render/packetize/media-slots.js';

test('every stream has a slot of its own that a media socket has', () => {
  const slots = Object.values(MEDIA_SLOTS);
  expect(new Set(slots).size).toBe(slots.length);
  expect(Math.max(...slots)).toBeLessThan(MEDIA_SOCKET_SLOTS);
});
