import type { LaunchOptions } from 'puppeteer';

import type { BrowserLaunchOptions } from '../capture/browser-environment.js';
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
export function graphicsLaunch({ name, flags }: FlagSet, device: GraphicsDevice | undefined): GraphicsLaunch {
  if (device === undefined || flags.length === 0) return { flags, env: {} };
  const { path } = device;
  return {
    flags: path.startsWith('/dev/dri/') ? [...flags, `--render-node-override=${path}`] : flags,
    env: mesaEnvironment(name, device),
  };
}

/**
 * By the address on PCI, since two cards of one model have the same ids: `MESA_VK_DEVICE_SELECT` cannot tell them apart, and
 * wins over `DRI_PRIME`. For Vulkan a `!` behind it hides the other devices, of which ANGLE would prefer a discrete GPU; Mesa's
 * OpenGL compares the whole text with the address, so there it must not stand. https://docs.mesa3d.org/envvars.html
 */
function mesaEnvironment(name: FlagSetName, { pciAddress, pciId }: GraphicsDevice): GraphicsLaunch['env'] {
  const only = name === 'vulkan' ? '!' : '';
  if (pciAddress !== undefined) return { DRI_PRIME: `pci-${pciAddress.replace(/[:.]/g, '_')}${only}` };
  return pciId === undefined ? {} : { MESA_VK_DEVICE_SELECT: `${pciId}!` };
}

/** The user's options win. The environment of this process is not part of the result, which travels to other processes. */
export function withGraphics(
  options: LaunchOptions,
  { flags, env: addedEnv }: GraphicsLaunch,
): BrowserLaunchOptions {
  if (flags.length === 0) return options;
  return {
    ...options,
    args: [...flags, ...(options.args ?? [])],
    ...(Object.keys(addedEnv).length > 0 ? { addedEnv } : {}),
  };
}
