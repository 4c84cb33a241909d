import { expect, it } from 'vitest';

import { pictureBox, placeIn } from '../../../../src/client/media/picture-place.js';

const HD = { width: 1280, height: 720 };

it('bars beside and above the picture are no part of it', () => {
  const wide = pictureBox({ left: 100, top: 50, width: 1000, height: 360 }, HD, 'contain', '50% 50%');
  expect(wide).toEqual({ left: 280, top: 50, width: 640, height: 360 });
  expect(placeIn(wide, 280, 50)).toEqual({ x: 0, y: 0 });
  expect(placeIn(wide, 920, 410)).toEqual({ x: 1, y: 1 });
  expect(placeIn(wide, 440, 230)).toEqual({ x: 0.25, y: 0.5 });
  expect(placeIn(wide, 279, 230)).toBeUndefined();
  expect(placeIn(wide, 10, 999, true)).toEqual({ x: 0, y: 1 });
  const high = pictureBox({ left: 0, top: 0, width: 640, height: 1000 }, HD, 'contain', '50% 50%');
  expect(high).toEqual({ left: 0, top: 320, width: 640, height: 360 });
});

it('what object-fit and object-position do with the picture counts', () => {
  const box = { left: 0, top: 0, width: 1000, height: 360 };
  expect(pictureBox(box, HD, 'fill', '50% 50%')).toEqual(box);
  expect(pictureBox(box, HD, 'contain', '100% 0%')).toMatchObject({ left: 360, width: 640 });
  expect(pictureBox(box, HD, 'contain', '12px 0px')).toMatchObject({ left: 12, top: 0 });
  expect(pictureBox(box, HD, 'cover', '50% 50%')).toMatchObject({ left: 0, width: 1000, height: 562.5 });
  expect(pictureBox(box, HD, 'cover', '50% 100%').top).toBe(-202.5);
  const small = { width: 100, height: 60 };
  expect(pictureBox(box, small, 'none', '50% 50%')).toEqual({ left: 450, top: 150, width: 100, height: 60 });
  expect(pictureBox(box, small, 'scale-down', '50% 50%').width).toBe(100);
  expect(pictureBox(box, HD, 'scale-down', '50% 50%').width).toBe(640);
});

it('without a picture, or a size, there is no wrong place', () => {
  const box = { left: 0, top: 0, width: 300, height: 150 };
  expect(pictureBox(box, { width: 0, height: 0 }, 'contain', '50% 50%')).toEqual(box);
  expect(placeIn({ left: 0, top: 0, width: 0, height: 0 }, 0, 0, true)).toBeUndefined();
});
