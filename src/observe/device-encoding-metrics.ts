import type { Registry } from 'prom-client';

import type { DeviceEncodings } from '../render/encode/encoder-seats.js';
import { scrapedCounter, scrapedGauge } from './scraped-metric.js';

/** What the hardware encoders of each device do. There are as many series as devices. */
export function readDeviceEncodings(registry: Registry, read: () => readonly DeviceEncodings[]): void {
  scrapedGauge<'device'>(registry, {
    name: 'stream_kit_device_encodings',
    help: 'Encodings that run in hardware, by kind and device.',
    labelNames: ['device'],
    read: () => read().map(({ device, running }) => [{ device }, running]),
  });
  scrapedGauge<'device'>(registry, {
    name: 'stream_kit_device_encodings_limit',
    help: 'Most encodings a device was found to take at once; absent if it has refused none.',
    labelNames: ['device'],
    read: () =>
      read().flatMap(({ device, limit }) => (limit === undefined ? [] : [[{ device }, limit] as const])),
  });
  scrapedCounter<'device'>(registry, {
    name: 'stream_kit_device_encodings_passed_over_total',
    help: 'Encodings that were started elsewhere because the device takes no more.',
    labelNames: ['device'],
    read: () => read().map(({ device, passedOver }) => [{ device }, passedOver]),
  });
}
