import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject } from '../options/option-checks.js';
import type { ControlSeat, SeatChannel, SeatChannelListener, SeatListener } from '../input/control-seat.js';
import type { InputChannel, ViewerPeerListener } from '../peer/viewer-peer.js';
import type { OpenSeat } from './session-control.js';

/** What of a peer concerns its data channel. */
export type InputListener = Required<
  Pick<ViewerPeerListener, 'onInputOpen' | 'onInputMessage' | 'onInputClosed'>
> & {
  /** The viewer is not to be reached, for now or for good. */
  onUnreachable(): void;
};

/** What waits for a viewer that does not read its data channel, a copied image at most; beyond it, it misses what it is told. */
const MAX_BACKLOG_BYTES = 1024 * 1024;

/** The input of a viewer: its seat, its data channel, its WebSocket, and its signals. */
export class ViewerInput {
  readonly seat: ControlSeat;
  readonly #findPublicId: (viewerId: string) => string | undefined;

  /** @param findPublicId - of the viewer with this secret id. */
  constructor(
    openSeat: OpenSeat,
    findPublicId: (viewerId: string) => string | undefined,
    listener: SeatListener,
  ) {
    this.#findPublicId = findPublicId;
    this.seat = openSeat(listener);
  }

  /** For one peer of the viewer. */
  listener(): InputListener {
    let channel: SeatChannel | undefined;
    return {
      onInputOpen: (opened) => {
        channel = this.seat.openChannel(channelListener(opened));
      },
      onInputMessage: (text) => channel?.onText(text),
      onInputClosed: () => channel?.close(),
      onUnreachable: () => channel?.release(),
    };
  }

  /** Its WebSocket is open. */
  openChannel(listener: SeatChannelListener): SeatChannel {
    // It may have come for the state alone, and have had no way to send input.
    this.seat.arrive();
    return this.seat.openChannel(listener);
  }

  /**
   * Takes a signal that is about control. False: it is about something else.
   *
   * @throws StreamKitError `forbidden`, `no_such_viewer`, `unprocessable`.
   */
  async acceptSignal(type: string, payload: unknown): Promise<boolean> {
    switch (type) {
      case 'request_control':
        await this.seat.request();
        return true;
      case 'release_control':
        this.seat.release();
        return true;
      case 'give_control': {
        const viewerId = isPlainObject(payload) ? (payload.publicId ?? payload.viewerId) : undefined;
        if (typeof viewerId !== 'string') {
          throw new StreamKitError('unprocessable', expectation('string', 'payload.publicId', viewerId));
        }
        this.seat.give(this.#findPublicId(viewerId) ?? viewerId);
        return true;
      }
      default:
        return false;
    }
  }
}

function channelListener(channel: InputChannel): SeatChannelListener {
  return {
    send: (text) => {
      if (channel.backlogBytes > MAX_BACKLOG_BYTES) return false;
      channel.send(text);
      return true;
    },
    onExcess: () => channel.close(),
  };
}
