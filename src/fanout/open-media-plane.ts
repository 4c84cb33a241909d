import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { openMachineLoad } from '../base/machine-load.js';
import { loadNativeAddon } from './load-native-addon.js';
import type { MediaPlane } from './media-plane.js';
import type { NativeAddon } from './native-addon.js';
import { NativeMediaPlane } from './native-media-plane.js';
import { sendThreadsFor } from './send-threads.js';
import { createWeriftMediaPlane } from './werift-media-plane.js';

export interface OpenMediaPlaneOptions {
  /** `auto`: the native one where its addon is there. */
  readonly mediaPlane: 'auto' | 'native' | 'werift';
  /** UDP port for all viewers; 0: the system chooses one. */
  readonly udpPort: number;
  /** TCP port for viewers that no UDP reaches. Default: none. */
  readonly tcpPort?: number | undefined;
  /** Threads of the native plane that send; `auto`: as many as the cores are good for. Default `auto`. */
  readonly mediaThreads?: number | 'auto';
  /** Bound at once, so that a port that is taken shows before the first viewer. */
  readonly listenAddress?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: the addon of this package. */
  readonly loadAddon?: () => NativeAddon | undefined;
}

/**
 * Opens the media plane that the options ask for.
 *
 * @throws StreamKitError `bad_option` where the native one is asked for and not there, `internal` where it is there and
 * broken, `unavailable` where the UDP or TCP port cannot be opened.
 */
export function openMediaPlane(options: OpenMediaPlaneOptions): MediaPlane {
  const { mediaPlane, udpPort, listenAddress, clock, logger, loadAddon = loadNativeAddon } = options;
  const { mediaThreads = 'auto', tcpPort } = options;
  const addon = mediaPlane === 'werift' ? undefined : loadAddon();
  if (addon === undefined) {
    if (mediaPlane === 'native') {
      throw new StreamKitError(
        'bad_option',
        `Expected auto or werift for mediaPlane because the native one is not built for ${process.platform} on ${process.arch}: run "npx node-gyp rebuild" in the native folder of the package`,
      );
    }
    if (mediaPlane === 'auto') {
      logger.info(
        { udpPort },
        'openMediaPlane() | no native media plane is built: packets go through werift',
      );
    }
    if (udpPort !== 0) {
      logger.warn({ udpPort }, 'openMediaPlane() | udpPort needs the native media plane and is not used');
    }
    if (tcpPort !== undefined) {
      logger.warn({ tcpPort }, 'openMediaPlane() | tcpPort needs the native media plane and is not used');
    }
    return createWeriftMediaPlane({ clock, logger });
  }
  const sendThreads = mediaThreads === 'auto' ? sendThreadsFor(openMachineLoad().size.cores) : mediaThreads;
  const plane = new NativeMediaPlane({ addon, udpPort, tcpPort, sendThreads, clock, logger });
  if (listenAddress !== undefined) {
    try {
      plane.openPort(listenAddress);
    } catch (error) {
      void plane.close();
      throw error;
    }
  }
  logger.debug({ udpPort, tcpPort, sendThreads }, 'openMediaPlane() | native media plane');
  return plane;
}
