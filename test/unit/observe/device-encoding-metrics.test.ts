import { Registry } from 'prom-client';
import { expect, it } from 'vitest';

import { readDeviceEncodings } from '../../../src/observe/device-encoding-metrics.js';
import type { DeviceEncodings } from '../../../src/render/encode/encoder-seats.js';
import { samplesOf } from '../../helpers/exposition.js';

it('metrics say by device how much it encodes, and its limit once it has one', async () => {
  const registry = new Registry();
  let encodings: DeviceEncodings[] = [];
  readDeviceEncodings(registry, () => encodings);
  expect([...samplesOf(await registry.metrics())]).toEqual([]);
  encodings = [
    { device: 'nvenc:0', running: 3, limit: 3, passedOver: 2 },
    { device: 'vaapi:renderD128', running: 1, limit: undefined, passedOver: 0 },
  ];
  expect(Object.fromEntries(samplesOf(await registry.metrics()))).toEqual({
    'stream_kit_device_encodings{device="nvenc:0"}': 3,
    'stream_kit_device_encodings{device="vaapi:renderD128"}': 1,
    'stream_kit_device_encodings_limit{device="nvenc:0"}': 3,
    'stream_kit_device_encodings_passed_over_total{device="nvenc:0"}': 2,
    'stream_kit_device_encodings_passed_over_total{device="vaapi:renderD128"}': 0,
  });
});
