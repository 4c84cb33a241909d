import { systemClock } from '../../src/base/clock.js';
import { createWeriftMediaPlane } from '../../src/fanout/werift-media-plane.js';
import { silentLogger } from '../../src/base/logger.js';
import { describeConsumerSwitch } from './consumer-switch-contract.js';
import { describeMediaPlane } from './media-plane-contract.js';

describeMediaPlane('werift', () => createWeriftMediaPlane({ clock: systemClock, logger: silentLogger }));
describeConsumerSwitch('werift', () => createWeriftMediaPlane({ clock: systemClock, logger: silentLogger }));
