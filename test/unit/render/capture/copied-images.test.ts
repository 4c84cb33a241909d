import { beforeEach, expect, it } from 'vitest';

import { ClipboardImage } from '../../../../src/client/input/clipboard-image.js';
import { CopiedImages } from '../../../../src/render/capture/copied-images.js';
import { VirtualClock } from '../../../helpers/virtual-clock.js';

const PART_LENGTH = 48 * 1024;
const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(60_000, 7)]);

let clock: VirtualClock;
let images: CopiedImages;

beforeEach(() => {
  clock = new VirtualClock();
  images = new CopiedImages(clock);
});

function partsOf(image: Buffer): { part: number; parts: number; data: string }[] {
  const base64 = image.toString('base64');
  const parts = Math.ceil(base64.length / PART_LENGTH);
  return Array.from({ length: parts }, (_, part) => ({
    ...{ part, parts },
    data: base64.slice(part * PART_LENGTH, (part + 1) * PART_LENGTH),
  }));
}

it('an image goes to the client in parts, which makes it whole again', async () => {
  const client = new ClipboardImage();
  const parts = partsOf(PNG);
  expect(parts).toHaveLength(2);
  // One that was left off is forgotten with the next.
  client.add(images.admit(parts[0]) ?? {});
  const made = parts.map((part) => client.add(images.admit(part) ?? {}));
  expect(made[0]).toBeUndefined();
  expect(made[1]?.type).toBe('image/png');
  expect(Buffer.from((await made[1]?.arrayBuffer()) ?? new ArrayBuffer(0)).equals(PNG)).toBe(true);
});

const [first, last] = partsOf(PNG);
it.each([
  ['nothing', null],
  ['a text', 'iVBORw0K'],
  ['no PNG', { ...first, data: first?.data.replace('iVBOR', '/9j/4') }],
  ['a later part first', last],
  ['more parts than an image has', { ...first, parts: 18 }],
  ['a part behind the last', { ...last, part: 2 }],
  ['half a part', { ...first, part: 0.5 }],
  ['a part of another length', { ...first, data: first?.data.slice(4) }],
  ['what is no base64', { ...first, data: `${first?.data.slice(0, -1)}-` }],
  ['padding in the middle', { ...first, data: `${first?.data.slice(0, -1)}=` }],
])('%s is no part of an image', (_what, value) => {
  expect(images.admit(value)).toBeUndefined();
});

it('an image that is too large is refused, and not without end', () => {
  const told = Array.from({ length: 10 }, () => images.admit({ tooLarge: true })).filter(Boolean);
  expect(told).toHaveLength(3);
  expect(told[0]).toMatchObject({ type: 'refused', what: 'clipboard' });
});

it('parts out of their order are not taken, nor images without end', async () => {
  images.admit(first);
  expect(images.admit({ ...last, parts: 3 })).toBeUndefined();
  expect(images.admit(last)).toBeDefined();
  expect(images.admit(last)).toBeUndefined();
  const taken = Array.from({ length: 10 }, () => images.admit(first)).filter(Boolean);
  expect(taken).toHaveLength(2);
  await clock.advance(1000);
  expect(images.admit(first)).toBeDefined();
});
