import { badOption, isPlainObject } from './option-checks.js';
import { type OptionsOf, required, resolveTable } from './option-definition.js';

const GPU = {
  /** Path of a render node such as `/dev/dri/renderD129`, or number of an NVIDIA GPU. Refused where the machine has none such. */
  device: required<string>(gpuDevice),
};

/** A device to draw pages on. */
export interface GpuOptions extends OptionsOf<typeof GPU> {}

export type ResolvedGpuOption = 'auto' | 'off' | Readonly<GpuOptions>;

const DEVICE = /^(?:\d{1,3}|\/dev\/dri\/renderD\d{1,4}|\/dev\/nvidia\d{1,3})$/;

/** @throws StreamKitError `bad_option` */
export function gpuOption(value: unknown, name: string): ResolvedGpuOption {
  if (value === 'auto' || value === 'off') return value;
  if (!isPlainObject(value)) throw badOption("'auto', 'off' or { device }", name, value);
  return resolveTable(GPU, value, name);
}

function gpuDevice(value: unknown, name: string): string {
  if (typeof value !== 'string' || !DEVICE.test(value)) {
    throw badOption('path of a render node or number of a GPU', name, value);
  }
  return value;
}
