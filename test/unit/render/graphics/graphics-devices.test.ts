import { chmodSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import {
  deviceNamed,
  driverFingerprint,
  findGraphicsDevices,
} from '../../../../src/render/graphics/graphics-devices.js';
import { missingPackages } from '../../../../src/render/graphics/missing-packages.js';
import { FakeRoot } from './fake-root.js';

const amd = (): FakeRoot => new FakeRoot().renderNode('renderD128', '0000:03:00.0', '1002', '73bf', 'amdgpu');

describe('findGraphicsDevices', () => {
  it('finds nothing where there is no device', () => {
    expect(findGraphicsDevices(new FakeRoot().path)).toEqual([]);
  });

  it('tells what a render node is', () => {
    expect(findGraphicsDevices(amd().path)).toEqual([
      {
        path: '/dev/dri/renderD128',
        nvidiaNumber: undefined,
        cudaIndex: undefined,
        vendor: 'amd',
        driver: 'amdgpu',
        pciAddress: '0000:03:00.0',
        pciId: '1002:73bf',
        refusal: undefined,
      },
    ]);
  });

  it('knows the two files of one NVIDIA card by its address on PCI', () => {
    const root = amd()
      .renderNode('renderD129', '0000:65:00.0', '10de', '2684', 'nvidia')
      .nvidia(1, '0000:65:00.0')
      .nvidia(0, '0000:17:00.0')
      .file('dev/nvidiactl')
      .file('dev/nvidia-uvm');
    const devices = findGraphicsDevices(root.path);
    expect(devices.map(({ path, nvidiaNumber, driver }) => [path, nvidiaNumber, driver])).toEqual([
      ['/dev/dri/renderD128', undefined, 'amdgpu'],
      ['/dev/dri/renderD129', 1, 'nvidia 550.54.14'],
      ['/dev/nvidia0', 0, 'nvidia 550.54.14'],
    ]);
    expect(devices.map(({ cudaIndex }) => cudaIndex)).toEqual([undefined, 1, 0]);
    expect(deviceNamed(devices, '1')?.path).toBe('/dev/dri/renderD129');
    expect(deviceNamed(devices, '/dev/nvidia1')?.path).toBe('/dev/dri/renderD129');
    expect(deviceNamed(devices, '/dev/dri/renderD128')?.vendor).toBe('amd');
    expect(deviceNamed(devices, '2')).toBeUndefined();
  });

  it('numbers the NVIDIA devices that are there by their addresses, as CUDA does', () => {
    const root = new FakeRoot()
      .nvidia(3, '0000:17:00.0')
      .nvidia(2, '0000:65:00.0')
      .nvidia(10, '0000:31:00.0');
    const devices = findGraphicsDevices(root.path);
    expect(devices.map(({ path, cudaIndex }) => [path, cudaIndex])).toEqual([
      ['/dev/nvidia3', 0],
      ['/dev/nvidia10', 1],
      ['/dev/nvidia2', 2],
    ]);
    // The option names a file's number.
    expect(deviceNamed(devices, '2')?.path).toBe('/dev/nvidia2');
    const bare = new FakeRoot().file('dev/nvidia10').file('dev/nvidia2');
    expect(findGraphicsDevices(bare.path).map(({ path }) => path)).toEqual(['/dev/nvidia2', '/dev/nvidia10']);
  });

  it.skipIf(process.getuid?.() === 0)('says how to get at a device that this user may not open', () => {
    const root = amd();
    chmodSync(join(root.path, 'dev/dri/renderD128'), 0o000);
    const [device] = findGraphicsDevices(root.path);
    expect(device?.refusal).toMatch(/may not open \/dev\/dri\/renderD128: .*group/);
  });
});

describe('driverFingerprint', () => {
  const fingerprint = (root: FakeRoot): string =>
    driverFingerprint(findGraphicsDevices(root.path), root.path);

  it('is the same for the same driver, and another for another', () => {
    const root = amd().nvidia(0, '0000:65:00.0', '550.54.14');
    const before = fingerprint(root);
    expect(fingerprint(root)).toBe(before);
    root.file('sys/module/nvidia/version', '560.35.03');
    expect(fingerprint(root)).not.toBe(before);
  });

  it('changes when a driver for Vulkan is installed', () => {
    const root = amd();
    const before = fingerprint(root);
    root.file('usr/share/vulkan/icd.d/radeon_icd.x86_64.json', '{}');
    expect(fingerprint(root)).not.toBe(before);
  });
});

describe('missingPackages', () => {
  it("names Debian's packages for a card of AMD", () => {
    const root = amd();
    const devices = findGraphicsDevices(root.path);
    expect(missingPackages('vulkan', devices, root.path)).toEqual(['libvulkan1', 'mesa-vulkan-drivers']);
    expect(missingPackages('gl-egl', devices, root.path)).toEqual(['libegl1', 'libegl-mesa0']);
    root
      .file('usr/lib/x86_64-linux-gnu/libvulkan.so.1')
      .file('usr/share/vulkan/icd.d/radeon_icd.x86_64.json')
      .file('usr/lib/x86_64-linux-gnu/libEGL.so.1')
      .file('usr/share/glvnd/egl_vendor.d/50_mesa.json');
    expect(missingPackages('vulkan', devices, root.path)).toEqual([]);
    expect(missingPackages('gl-egl', devices, root.path)).toEqual([]);
  });

  it('says of an NVIDIA card in a container that the container does not ask for graphics', () => {
    const root = new FakeRoot().nvidia(0, '0000:65:00.0').file('usr/lib/x86_64-linux-gnu/libvulkan.so.1');
    const [missing] = missingPackages('vulkan', findGraphicsDevices(root.path), root.path);
    expect(missing).toContain('NVIDIA_DRIVER_CAPABILITIES');
  });
});
