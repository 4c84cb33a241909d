import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import type { FlagSetName } from './flag-sets.js';
import { declaredDrivers, type GraphicsDevice, type GraphicsVendor } from './graphics-devices.js';

/** Folders in which Debian and others keep shared libraries; Debian has one more for each architecture. */
const LIBRARY_FOLDERS = ['usr/lib', 'usr/lib64', 'usr/local/lib', 'lib64'];

/** What NVIDIA's container toolkit brings into a container that asks for it. */
const NVIDIA_IN_CONTAINER =
  "NVIDIA's driver libraries (in a container NVIDIA_DRIVER_CAPABILITIES with graphics)";

/**
 * What a way to draw needs of the system and does not find.
 *
 * @returns Debian's names of packages, or what else is missing; empty where nothing is known to be missing.
 */
export function missingPackages(
  flagSet: FlagSetName,
  devices: readonly GraphicsDevice[],
  root = '/',
): readonly string[] {
  const vendors = new Set(devices.map(({ vendor }) => vendor));
  switch (flagSet) {
    case 'vulkan':
      return [...library(root, 'libvulkan.so.1', 'libvulkan1'), ...drivers(root, 'vulkan', vendors)];
    case 'gl-egl':
      return [...library(root, 'libEGL.so.1', 'libegl1'), ...drivers(root, 'egl', vendors)];
    case 'gl':
      return [...library(root, 'libGL.so.1', 'libgl1'), ...library(root, 'libX11.so.6', 'libx11-6')];
    case 'swiftshader':
      return [];
  }
}

function library(root: string, file: string, packageName: string): string[] {
  const folders = LIBRARY_FOLDERS.flatMap((folder) => [folder, ...architectures(root, folder)]);
  return folders.some((folder) => existsSync(join(root, folder, file))) ? [] : [packageName];
}

function architectures(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder))
      .filter((name) => name.endsWith('-linux-gnu'))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Each vendor's driver declares itself by a file that has its name in it. */
function drivers(root: string, kind: 'vulkan' | 'egl', vendors: ReadonlySet<GraphicsVendor>): string[] {
  const declared = declaredDrivers(root, kind);
  const missing: string[] = [];
  if (vendors.has('nvidia') && !declared.some((name) => name.includes('nvidia'))) {
    missing.push(NVIDIA_IN_CONTAINER);
  }
  const wantsMesa = vendors.has('amd') || vendors.has('intel') || vendors.has('other');
  const mesa = kind === 'vulkan' ? /radeon|intel|lvp|virtio|nouveau|asahi/ : /mesa/;
  if (wantsMesa && !declared.some((name) => mesa.test(name))) {
    missing.push(kind === 'vulkan' ? 'mesa-vulkan-drivers' : 'libegl-mesa0');
  }
  return missing;
}
