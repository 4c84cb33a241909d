import { describe, it } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import type { NativeAddon } from '../../src/fanout/native-addon.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { silentLogger } from '../../src/base/logger.js';
import { describeConsumerSwitch } from './consumer-switch-contract.js';
import { describeMediaPlane } from './media-plane-contract.js';

const addon = loadNativeAddon();

/** The native plane as viewers see it that no socket of its own reaches. */
function createRelayedPlane(addon: NativeAddon): MediaPlane {
  const plane = new NativeMediaPlane({ addon, udpPort: 0, clock: systemClock, logger: silentLogger });
  return {
    name: plane.name,
    closed: false,
    createProducer: (parameters, listener) => plane.createProducer(parameters, listener),
    createTransport: (dtlsTransport) => plane.createTransport(dtlsTransport),
    close: () => plane.close(),
  };
}

if (addon === undefined) {
  describe('the native media plane behind a relay', () => {
    it.skip('is not built: there is no compiler', () => undefined);
  });
} else {
  describeMediaPlane('native, relayed', () => createRelayedPlane(addon));
  describeConsumerSwitch('native, relayed', () => createRelayedPlane(addon));
}
