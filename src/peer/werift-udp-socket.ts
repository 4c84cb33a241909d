import { UdpTransport } from 'werift';

import { asError } from '../errors.js';

let guarded = false;

/**
 * Gives every UDP socket that werift opens an error listener. It has none of its own (0.24.4), so a bind that fails
 * or a send to an unreachable address would end the process. Process-wide, once.
 */
export function guardWeriftSockets(): void {
  if (guarded) {
    return;
  }
  guarded = true;
  UdpTransport.init = async (type, options) => {
    // The constructor and init() are private by declaration only.
    const transport = Reflect.construct(UdpTransport, [type, options]) as UdpTransport;
    const bound = transport as unknown as { init(): Promise<void> };
    const failed = new Promise<never>((_, reject) => {
      transport.socket.on('error', (error) => {
        // After the bind this is one packet that was not sent; ICE consent notices a path that is gone.
        reject(asError(error));
      });
    });
    try {
      await Promise.race([bound.init(), failed]);
    } catch (error) {
      await transport.close();
      throw error;
    }
    failed.catch(() => undefined);
    return transport;
  };
}
