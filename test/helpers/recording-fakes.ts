import type { VideoCodec } from '../../src/protocol/video-codecs.js';
import type { MuxPacket } from '../../src/recording/mux-packet.js';
import type { MuxThread, MuxThreadListener, OpenMuxThread } from '../../src/recording/mux-thread.js';
import type { PacketSink, PacketSource } from '../../src/recording/packet-source.js';

/** A muxing thread that the test plays. */
export class FakeMuxThread<Data, Report> implements MuxThread {
  readonly packets: MuxPacket[] = [];
  stopped = false;
  #gone = false;

  constructor(
    readonly data: Data,
    readonly listener: MuxThreadListener<Report>,
    private readonly onStop: (thread: FakeMuxThread<Data, Report>) => void,
  ) {}

  send(packet: MuxPacket): void {
    this.packets.push(packet);
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.onStop(this);
  }

  close(): Promise<void> {
    this.stop();
    this.leave();
    return Promise.resolve();
  }

  report(report: Report): void {
    this.listener.onReport(report);
  }

  /** It is gone. */
  leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.listener.onGone();
  }
}

/** Opens fake threads and keeps them. @param onStop - plays what a thread reports at its end. */
export function fakeMuxThreads<Data, Report>(
  onStop: (thread: FakeMuxThread<Data, Report>) => void,
): { readonly opened: FakeMuxThread<Data, Report>[]; readonly open: OpenMuxThread<Data, Report> } {
  const opened: FakeMuxThread<Data, Report>[] = [];
  return {
    opened,
    open: (data, listener) => {
      const thread = new FakeMuxThread(data, listener, onStop);
      opened.push(thread);
      return thread;
    },
  };
}

/** A session's media that the test plays. */
export class FakePacketSource implements PacketSource {
  readonly hasAudio = true;
  readonly asked: string[] = [];
  closed = 0;
  sink: PacketSink | undefined;

  constructor(readonly codec: VideoCodec = 'h264') {}

  readonly open = (sink: PacketSink): PacketSource => {
    this.sink = sink;
    return this;
  };

  requestKeyframe(): void {
    this.asked.push('keyframe');
  }

  refresh(): void {
    this.asked.push('refresh');
  }

  setLinkEstimates(): void {
    // A recorder has none.
  }

  close(): void {
    this.closed += 1;
  }

  picture(captureTimeUs: number, keyframe: boolean, bytes = 100): void {
    const { codec } = this;
    const content = new Uint8Array(bytes);
    this.sink?.onEncodedFrame({
      ...{ codec, bytes: content, keyframe, captureTimeUs, rtpTimestamp: 0, rung: 0 as const },
      ...{ readTimeUs: 0, encodedTimeUs: 0, repeated: false },
    });
  }
}
