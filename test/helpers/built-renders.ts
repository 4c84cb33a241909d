import { join } from 'node:path';

import { root } from './product.js';

const load = (file: string): Promise<unknown> => import(join(root, 'dist', file));

// Renders and what they are given, as built: the programs of trials, probes and session processes exist only there.
export const { tryRenderer } = (await load(
  'render/graphics/renderer-trial.js',
)) as typeof import('../../src/render/graphics/renderer-trial.js');
export const { GraphicsSelection } = (await load(
  'render/graphics/graphics-selection.js',
)) as typeof import('../../src/render/graphics/graphics-selection.js');
export const { VerdictFile } = (await load(
  'render/graphics/verdict-file.js',
)) as typeof import('../../src/render/graphics/verdict-file.js');
export const { EncoderSelection } = (await load(
  'render/encode/encoder-selection.js',
)) as typeof import('../../src/render/encode/encoder-selection.js');
export const { openRemoteRenders } = (await load(
  'render/remote-renders.js',
)) as typeof import('../../src/render/remote-renders.js');
export const { createOpenRestartingRender } = (await load(
  'render/restarting-render.js',
)) as typeof import('../../src/render/restarting-render.js');
export const { openMediaPlane } = (await load(
  'fanout/open-media-plane.js',
)) as typeof import('../../src/fanout/open-media-plane.js');
