import { accessSync, constants, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { release } from 'node:os';
import { basename, join } from 'node:path';

export type GraphicsVendor = 'nvidia' | 'amd' | 'intel' | 'other';

/** A device of this machine that may draw pages. */
export interface GraphicsDevice {
  /** The render node, such as `/dev/dri/renderD128`; without one NVIDIA's own file, such as `/dev/nvidia0`. */
  readonly path: string;
  /** Number in the name of NVIDIA's own file; undefined: it is no device of NVIDIA's driver. */
  readonly nvidiaNumber: number | undefined;
  /**
   * Number by which CUDA knows it, and NVENC with it, if `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`: its place by address among the
   * NVIDIA devices that are there. Those in a container keep their files' numbers, and CUDA counts from 0.
   */
  readonly cudaIndex: number | undefined;
  readonly vendor: GraphicsVendor;
  /** The kernel's name for its driver, with the version if the driver has one: `amdgpu`, `nvidia 550.54.14`. */
  readonly driver: string;
  /** Such as `0000:03:00.0`; undefined: it is not on PCI, or sysfs does not show it. */
  readonly pciAddress: string | undefined;
  /** Vendor and device as PCI numbers them, such as `1002:73bf`. */
  readonly pciId: string | undefined;
  /** Why this process may not use it, with the remedy; undefined: it may. */
  readonly refusal: string | undefined;
}

const VENDORS: Readonly<Record<string, GraphicsVendor>> = {
  '10de': 'nvidia',
  '1002': 'amd',
  '1022': 'amd',
  '8086': 'intel',
};

/** Where Vulkan and EGL look for drivers, in files that packages install. */
const DRIVER_LISTS = [
  'usr/share/vulkan/icd.d',
  'etc/vulkan/icd.d',
  'usr/share/glvnd/egl_vendor.d',
  'etc/glvnd/egl_vendor.d',
];

/**
 * Looks for render nodes and NVIDIA devices. Reads files alone: no driver is loaded.
 *
 * @param root - where the file system begins; tests have one of their own.
 */
export function findGraphicsDevices(root = '/'): readonly GraphicsDevice[] {
  const nvidia = nvidiaDevices(root);
  const nodes = names(join(root, 'dev/dri'))
    .filter((name) => /^renderD\d+$/.test(name))
    .map((name) => renderNode(root, name, nvidia));
  const seen = new Set(nodes.map(({ nvidiaNumber }) => nvidiaNumber));
  const others = nvidia.filter(({ nvidiaNumber }) => !seen.has(nvidiaNumber));
  return [...nodes, ...others];
}

/**
 * The device that a name stands for: its path, or the number of an NVIDIA GPU.
 *
 * @returns undefined where there is none.
 */
export function deviceNamed(devices: readonly GraphicsDevice[], name: string): GraphicsDevice | undefined {
  const number = /^(?:\/dev\/nvidia)?(\d+)$/.exec(name)?.[1];
  return devices.find(
    ({ path, nvidiaNumber }) => path === name || (number !== undefined && nvidiaNumber === Number(number)),
  );
}

/** Another text as soon as a device, its driver or what is installed for it changes. */
export function driverFingerprint(devices: readonly GraphicsDevice[], root = '/'): string {
  const installed = DRIVER_LISTS.flatMap((list) =>
    names(join(root, list)).map((name) => `${list}/${name} ${mtimeMs(join(root, list, name))}`),
  );
  const hardware = devices.map(({ path, driver, pciId, refusal }) => [path, driver, pciId, refusal]);
  return createHash('sha256')
    .update(JSON.stringify([release(), hardware, installed]))
    .digest('hex')
    .slice(0, 32);
}

/** The names of the files in which drivers for Vulkan or EGL are declared. */
export function declaredDrivers(root: string, kind: 'vulkan' | 'egl'): readonly string[] {
  const folder = kind === 'vulkan' ? 'vulkan/icd.d' : 'glvnd/egl_vendor.d';
  return DRIVER_LISTS.filter((list) => list.endsWith(folder)).flatMap((list) =>
    names(join(root, list)).filter((name) => name.endsWith('.json')),
  );
}

function renderNode(root: string, name: string, nvidia: readonly GraphicsDevice[]): GraphicsDevice {
  const device = join(root, 'sys/class/drm', name, 'device');
  const vendorId = text(join(device, 'vendor'))?.replace(/^0x/, '');
  const deviceId = text(join(device, 'device'))?.replace(/^0x/, '');
  const pciAddress = pciAddressOf(device);
  const driver = linkName(join(device, 'driver')) ?? 'unknown';
  const twin = nvidia.find((other) => pciAddress !== undefined && other.pciAddress === pciAddress);
  const path = `/dev/dri/${name}`;
  return {
    path,
    nvidiaNumber: twin?.nvidiaNumber,
    cudaIndex: twin?.cudaIndex,
    vendor: VENDORS[vendorId ?? ''] ?? 'other',
    driver: twin?.driver ?? withVersion(root, driver),
    pciAddress,
    pciId: vendorId === undefined || deviceId === undefined ? undefined : `${vendorId}:${deviceId}`,
    refusal: refusalOf(root, path, 'add its user to the group that owns the file, often render'),
  };
}

function nvidiaDevices(root: string): readonly GraphicsDevice[] {
  const addresses = nvidiaAddresses(root);
  const numbers = names(join(root, 'dev')).flatMap((name) => {
    const digits = /^nvidia(\d+)$/.exec(name)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
  return numbers
    .toSorted((one, other) => byAddress(addresses.get(one), addresses.get(other)) || one - other)
    .map((number, cudaIndex): GraphicsDevice => {
      const path = `/dev/nvidia${number}`;
      return {
        path,
        nvidiaNumber: number,
        cudaIndex,
        vendor: 'nvidia',
        driver: withVersion(root, 'nvidia'),
        pciAddress: addresses.get(number),
        pciId: undefined,
        refusal: refusalOf(root, path, 'give it access, in a container by --gpus'),
      };
    });
}

/** Those without an address come last. All have as many digits. */
function byAddress(one: string | undefined, other: string | undefined): number {
  if (one === other) return 0;
  return (one ?? 'none') < (other ?? 'none') ? -1 : 1;
}

/** The address on PCI of each NVIDIA device, by its number. */
function nvidiaAddresses(root: string): ReadonlyMap<number, string> {
  const folder = join(root, 'proc/driver/nvidia/gpus');
  return new Map(
    names(folder).flatMap((address): [number, string][] => {
      const minor = /^Device Minor:\s*(\d+)/m.exec(text(join(folder, address, 'information')) ?? '')?.[1];
      return minor === undefined ? [] : [[Number(minor), address.toLowerCase()]];
    }),
  );
}

function withVersion(root: string, driver: string): string {
  const version = text(join(root, 'sys/module', driver, 'version'));
  return version === undefined ? driver : `${driver} ${version}`;
}

function pciAddressOf(device: string): string | undefined {
  const address = linkName(device)?.toLowerCase();
  return address !== undefined && /^[\da-f]{4}:[\da-f]{2}:[\da-f]{2}\.\d$/.test(address)
    ? address
    : undefined;
}

function refusalOf(root: string, path: string, remedy: string): string | undefined {
  try {
    accessSync(join(root, path), constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return `this process may not open ${path}: ${remedy}`;
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function linkName(path: string): string | undefined {
  try {
    return basename(realpathSync(path));
  } catch {
    return undefined;
  }
}

function mtimeMs(path: string): number {
  try {
    return Math.round(statSync(path).mtimeMs);
  } catch {
    return 0;
  }
}
