import type * as LiveKit from 'livekit-client';
import type { RemoteTrack, Room } from 'livekit-client';

import type { MediaSource } from '../../protocol/media-source.js';
import type { StatsReport } from '../diagnose/stats-sampler.js';
import { minimizeDelay } from './live-receiver.js';
import type { SourcePlayer, SourcePlayerListener } from './source-player.js';

/** Loads the package `livekit-client`. */
export type LoadLiveKit = () => Promise<unknown>;

/** Takes the media that is published in a room of LiveKit. */
export class LiveKitPlayer implements SourcePlayer {
  readonly stream = new MediaStream();
  readonly #listener: SourcePlayerListener;
  readonly #tracks = new Map<string, RemoteTrack>();
  #room: Room | undefined;
  #closed = false;

  constructor(source: MediaSource, load: LoadLiveKit, listener: SourcePlayerListener) {
    this.#listener = listener;
    this.#open(source, load).catch((thrown: unknown) => this.#lose(thrown));
  }

  async getStats(): Promise<StatsReport> {
    const reports = await Promise.all(
      [...this.#tracks.values()].flatMap(({ receiver }) => receiver?.getStats() ?? []),
    );
    return new Map(reports.flatMap((report) => [...report]) as [string, unknown][]);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    void this.#room?.disconnect();
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  async #open({ url, token = '' }: MediaSource, load: LoadLiveKit): Promise<void> {
    const liveKit = (await load()) as typeof LiveKit;
    if (this.#isClosed()) return;
    const room = (this.#room = new liveKit.Room());
    room.on('trackSubscribed', (track) => this.#add(track));
    room.on('trackUnsubscribed', (track) => this.#remove(track));
    room.on('disconnected', () => this.#lose(new Error('LiveKit has ended the connection')));
    await room.connect(url, token);
    if (this.#isClosed()) await room.disconnect();
  }

  #add(track: RemoteTrack): void {
    if (this.#closed) return;
    const { kind, mediaStreamTrack, receiver } = track;
    const before = this.#tracks.get(kind);
    if (before) this.#remove(before);
    this.#tracks.set(kind, track);
    minimizeDelay(receiver);
    this.stream.addTrack(mediaStreamTrack);
    this.#listener.onTrack(mediaStreamTrack);
  }

  #remove(track: RemoteTrack): void {
    if (this.#tracks.get(track.kind) === track) this.#tracks.delete(track.kind);
    this.stream.removeTrack(track.mediaStreamTrack);
  }

  #lose(thrown: unknown): void {
    if (this.#closed) return;
    this.close();
    this.#listener.onLost(thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

/** An optional package: bundlers do not report a missing package if the import is inside try. */
export async function loadPackage(): Promise<unknown> {
  try {
    return await import('livekit-client');
  } catch (cause) {
    throw new Error('the package livekit-client could not be loaded', { cause });
  }
}
