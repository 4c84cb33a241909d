import { badOption, isPlainObject, refuseUnknownNames } from './option-checks.js';

/** A device to draw pages on. */
export interface GpuOptions {
  /** Path of a render node such as `/dev/dri/renderD129`, or number of an NVIDIA GPU. Refused where the machine has none such. */
  readonly device: string;
}

export type ResolvedGpuOption = 'auto' | 'off' | Readonly<GpuOptions>;

const DEVICE = /^(?:\d{1,3}|\/dev\/dri\/renderD\d{1,4}|\/dev\/nvidia\d{1,3})$/;

/** @throws StreamKitError `bad_option` */
export function gpuOption(value: unknown, name: string): ResolvedGpuOption {
  if (value === 'auto' || value === 'off') return value;
  if (!isPlainObject(value)) throw badOption("'auto', 'off' or { device }", name, value);
  refuseUnknownNames(value, ['device'], name);
  const { device } = value;
  if (typeof device !== 'string' || !DEVICE.test(device)) {
    throw badOption('path of a render node or number of a GPU', `${name}.device`, device);
  }
  return Object.freeze({ device });
}
