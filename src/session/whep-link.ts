import { StreamKitError } from '../base/errors.js';
import { SerialQueue } from '../base/serial-queue.js';
import type { AnsweringPeer, AnsweringPeerParameters, OpenAnsweringPeer } from '../peer/viewer-peer.js';
import type { Viewer, ViewerLink } from './viewer.js';
import type { ViewerMediaListener } from './viewer-media.js';
import { ViewerMedia } from './viewer-media.js';

export interface WhepLinkParameters {
  readonly viewer: Viewer;
  readonly openAnsweringPeer: OpenAnsweringPeer;
  readonly peer: AnsweringPeerParameters;
}

export interface WhepLinkListener extends Pick<ViewerMediaListener, 'whenLive'> {
  /** The media has changed, or ended. */
  onMediaChange(): void;
}

/** What an ICE restart came to. */
export interface PlayerRestart {
  readonly entityTag: string;
  /** `application/trickle-ice-sdpfrag`. */
  readonly fragment: string;
}

/** Most fragments of one player that wait for the one before them. */
const MAX_WAITING_FRAGMENTS = 8;

/** The peer of a viewer that has made the offer (WHEP): it is all that the viewer has, and the viewer is gone when it is. */
export class WhepLink implements ViewerLink {
  readonly viewer: Viewer;
  readonly media: ViewerMedia;
  readonly attached = true;
  readonly awaySinceUs = undefined;
  readonly #peer: AnsweringPeer;
  /** Counts the ICE sessions (draft-ietf-wish-whep, of RFC 9725 section 4.3.1): part of the entity tag. */
  #iceSession = 1;
  readonly #work = new SerialQueue({
    most: MAX_WAITING_FRAGMENTS,
    sentence: 'Too many fragments are waiting for this player',
  });

  /** @throws StreamKitError `unprocessable` for an offer that cannot be served. */
  constructor({ viewer, openAnsweringPeer, peer: of }: WhepLinkParameters, listener: WhepLinkListener) {
    this.viewer = viewer;
    const { logContext } = viewer.log;
    const peers: AnsweringPeer[] = [];
    this.media = new ViewerMedia(
      (_, peerListener) => {
        const peer = openAnsweringPeer({ ...of, logContext }, peerListener);
        peers.push(peer);
        return peer;
      },
      of,
      {
        // Everything that it needs to know is in its answer.
        sendSignal: () => this.sendSignal(),
        onMediaChange: () => listener.onMediaChange(),
        whenLive: (work) => listener.whenLive(work),
      },
      viewer.log,
    );
    const [peer] = peers;
    if (peer === undefined) throw new StreamKitError('internal', 'No peer was opened');
    this.#peer = peer;
  }

  /** A strong one (RFC 9110 section 8.8.3): another after each ICE restart. */
  get entityTag(): string {
    return `"${this.#iceSession}"`;
  }

  /** Makes the answer to its offer. */
  async answer(): Promise<string> {
    const [answer] = await Promise.all([this.#peer.answer(), this.media.start()]);
    return answer;
  }

  /**
   * Takes what the player sends by PATCH: candidates, or an ICE restart.
   *
   * @param ifMatch - the header, if there is one.
   * @returns undefined where there is nothing to be told.
   * @throws StreamKitError `precondition_failed`, `precondition_required` for a restart that names no entity tag,
   * `unprocessable`, `conflict` for a restart before the first connection, `at_capacity`.
   */
  patch(fragment: string, ifMatch: string | undefined): Promise<PlayerRestart | undefined> {
    return this.#work.run(() => this.#patch(fragment, ifMatch));
  }

  /** There is no way to tell it anything. */
  sendSignal(): boolean {
    return false;
  }

  sendPatches(): void {
    // It has no state document.
  }

  close(): Promise<void> {
    return this.media.close();
  }

  async #patch(fragment: string, ifMatch: string | undefined): Promise<PlayerRestart | undefined> {
    if (this.media.state === 'closed') {
      throw new StreamKitError('no_such_viewer', 'There is no such viewer');
    }
    const isAny = ifMatch?.trim() === '*';
    if (ifMatch !== undefined && !isAny && !entityTagsOf(ifMatch).includes(this.entityTag)) {
      throw new StreamKitError('precondition_failed', 'The ICE session is not the one of If-Match');
    }
    if (!this.#peer.isRestart(fragment)) {
      // A widely used client sends its candidates without If-Match.
      await this.#peer.trickle(fragment);
      return undefined;
    }
    if (ifMatch === undefined) {
      throw new StreamKitError('precondition_required', 'An ICE restart goes with If-Match: *');
    }
    if (!isAny) {
      throw new StreamKitError('unprocessable', 'The ICE credentials are not those of the session');
    }
    const answer = await this.#peer.restart(fragment);
    this.#iceSession += 1;
    return { entityTag: this.entityTag, fragment: answer };
  }
}

/** RFC 9110 section 13.1.1 compares strongly: a weak tag matches nothing. */
function entityTagsOf(ifMatch: string): string[] {
  return ifMatch.split(',').map((tag) => tag.trim());
}
