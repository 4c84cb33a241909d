import type { LaunchOptions } from 'puppeteer';

import type { GraphicsDevice } from './graphics-devices.js';

/** One way for Chromium to draw. */
export interface FlagSet {
  /** Stable: it is stored, and logged. */
  readonly name: 'vulkan' | 'gl-egl' | 'gl' | 'swiftshader';
  /** For people. */
  readonly title: string;
  readonly flags: readonly string[];
}

export type FlagSetName = FlagSet['name'];

/**
 * In the order in which they are tried. Chromium's list of drivers to avoid knows desktops: the trial decides in its place.
 * SwiftShader, the last, is what headless Chromium takes by itself, so it needs no flag.
 */
export const FLAG_SETS: readonly FlagSet[] = [
  {
    name: 'vulkan',
    title: 'ANGLE on Vulkan',
    flags: [
      '--use-angle=vulkan',
      '--enable-features=Vulkan',
      '--disable-vulkan-surface',
      '--ignore-gpu-blocklist',
    ],
  },
  { name: 'gl-egl', title: 'ANGLE on EGL', flags: ['--use-angle=gl-egl', '--ignore-gpu-blocklist'] },
  { name: 'gl', title: 'ANGLE on desktop GL', flags: ['--use-angle=gl', '--ignore-gpu-blocklist'] },
  { name: 'swiftshader', title: 'SwiftShader (CPU)', flags: [] },
];

/** Whoever sets one of these has chosen how Chromium draws. */
const CHOOSING_FLAG =
  /^\s*--?(?:use-angle|use-gl|disable-gpu|enable-gpu|in-process-gpu|ignore-gpu-blocklist)(?:=|\s*$)/;

/** What a browser is started with for one way to draw. */
export interface GraphicsLaunch {
  readonly flags: readonly string[];
  /** Environment by which drivers choose a device. */
  readonly env: Readonly<Record<string, string>>;
}

/** The user's own flags decide how Chromium draws. */
export function choosesRenderer({ args = [] }: LaunchOptions): boolean {
  return args.some((flag) => CHOOSING_FLAG.test(flag));
}

/** @param device - undefined: the one that the driver takes by itself. */
export function graphicsLaunch({ flags }: FlagSet, device: GraphicsDevice | undefined): GraphicsLaunch {
  if (device === undefined || flags.length === 0) return { flags, env: {} };
  const { path, pciAddress, pciId } = device;
  return {
    flags: path.startsWith('/dev/dri/') ? [...flags, `--render-node-override=${path}`] : flags,
    env: {
      // Mesa's OpenGL, and the layer of Mesa that orders Vulkan's devices.
      ...(pciAddress === undefined ? {} : { DRI_PRIME: `pci-${pciAddress.replace(/[:.]/g, '_')}` }),
      ...(pciId === undefined ? {} : { MESA_VK_DEVICE_SELECT: `${pciId}!` }),
    },
  };
}

/** The user's options win. */
export function withGraphics(options: LaunchOptions, { flags, env }: GraphicsLaunch): LaunchOptions {
  if (flags.length === 0) return options;
  const hasEnv = Object.keys(env).length > 0;
  return {
    ...options,
    args: [...flags, ...(options.args ?? [])],
    ...(hasEnv ? { env: { ...env, ...(options.env ?? process.env) } } : {}),
  };
}
