import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { onTestFinished } from 'vitest';

/** A file system with the files of devices and drivers; it goes with the test. */
export class FakeRoot {
  readonly path = mkdtempSync(join(tmpdir(), 'stream-kit-root-'));

  constructor() {
    onTestFinished(() => rmSync(this.path, { recursive: true, force: true }));
  }

  file(path: string, text = ''): this {
    const whole = join(this.path, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
    return this;
  }

  link(path: string, target: string): this {
    const whole = join(this.path, path);
    mkdirSync(dirname(whole), { recursive: true });
    symlinkSync(join(this.path, target), whole);
    return this;
  }

  /** Leaves the names, behind which there is nothing: not even root can open them. */
  without(...paths: readonly string[]): this {
    for (const path of paths) {
      rmSync(join(this.path, path));
      symlinkSync(join(this.path, 'nowhere'), join(this.path, path));
    }
    return this;
  }

  /** A card as the kernel shows it. */
  renderNode(name: string, pciAddress: string, vendor: string, device: string, driver: string): this {
    const card = `sys/devices/pci0000:00/${pciAddress}`;
    return this.file(`dev/dri/${name}`)
      .file(`${card}/vendor`, `0x${vendor}\n`)
      .file(`${card}/device`, `0x${device}\n`)
      .file(`sys/bus/pci/drivers/${driver}/bind`)
      .link(`${card}/driver`, `sys/bus/pci/drivers/${driver}`)
      .link(`sys/class/drm/${name}/device`, card);
  }

  nvidia(number: number, pciAddress: string, version = '550.54.14'): this {
    return this.file(`dev/nvidia${number}`)
      .file(`proc/driver/nvidia/gpus/${pciAddress}/information`, `Model: X\nDevice Minor: \t ${number}\n`)
      .file('sys/module/nvidia/version', `${version}\n`);
  }
}
