import { systemClock } from '../../src/clock.js';
import { createWeriftMediaPlane } from '../../src/fanout/werift-media-plane.js';
import { silentLogger } from '../../src/logger.js';
import { describeMediaPlane } from './media-plane-contract.js';

describeMediaPlane('werift', () => createWeriftMediaPlane({ clock: systemClock, logger: silentLogger }));
