import { silentLogger } from '../../src/base/logger.js';
import type { Clock } from '../../src/base/clock.js';
import type { RemoteControl } from '../../src/input/remote-control.js';
import { type Caller, viewerRoleOf } from '../../src/session/caller.js';
import { Viewer } from '../../src/session/viewer.js';
import { ViewerLog } from '../../src/session/viewer-log.js';

/** Makes viewers that will have nothing but a WebSocket, with seats of `control`. */
export function socketViewers(control: RemoteControl, clock: Clock): (caller: Caller) => Viewer {
  let viewers = 0;
  return (caller) => {
    viewers += 1;
    const publicId = String(viewers);
    return new Viewer({
      ...{ id: `secret ${publicId}`, caller },
      log: new ViewerLog({
        ...{ streamId: 'id', viewer: viewers, clock, logger: silentLogger },
        observe: () => undefined,
      }),
      openSeat: (listener) =>
        control.seat(
          { publicId, permittedRole: viewerRoleOf(caller), callerContext: caller.context },
          listener,
        ),
      findPublicId: () => undefined,
    });
  };
}
