import { Counter, Histogram, Registry } from 'prom-client';

import type { MediaPlane } from '../fanout/media-plane.js';
import type { AnsweredRequest } from '../http/request-handler.js';
import type { ObserveSession } from '../session/session-events.js';
import type {
  PictureCounter,
  SessionCounters,
  UsageCounter,
  ViewerCounter,
} from '../session/session-counters.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import { EventLoopDelay } from './event-loop-delay.js';
import { readDeviceEncodings } from './device-encoding-metrics.js';
import type { PoolReport, RouterGauges } from './router-gauges.js';
import { scrapedCounter, scrapedGauge } from './scraped-metric.js';
import { countSessionEvents } from './session-metrics.js';

/** What is counted elsewhere, and read whenever the metrics are. */
export interface MetricsSources {
  readonly maxSessions: number;
  readonly counters: SessionCounters;
  readonly mediaPlane: Pick<MediaPlane, 'name' | 'stats'>;
  /** How many more pages could be taken. */
  readonly room: () => number;
  /** The documents of the sessions. */
  readonly states: () => readonly Readonly<StreamSessionState>[];
  /** What callers were refused because they asked too often. */
  readonly rateRefusals?: () => Readonly<Record<string, number>>;
  /** What became of webhooks. Default: there are none. */
  readonly webhooks?: () => Readonly<Record<string, number>>;
  /** What pages were refused, by reason; default: nothing is. */
  readonly egressRefusals?: () => Readonly<Record<string, number>>;
  /** Browsers that are kept ready. Default: there are none. */
  readonly pool?: (() => PoolReport) | undefined;
  readonly deviceEncodings?: RouterGauges['deviceEncodings'];
}

/** All of it at one moment: there may be thousands of viewers, and a reading asks for each of them once. */
interface Scrape {
  readonly viewers: Readonly<Record<ViewerCounter, number>>;
  readonly connected: number;
  readonly pictures: Readonly<Record<PictureCounter, number>>;
  readonly usage: Readonly<Record<UsageCounter, number>>;
  readonly states: readonly Readonly<StreamSessionState>[];
  readonly plane: MediaPlane['stats'];
}

type LastScrape = () => Scrape;

const STATUSES = ['initializing', 'connecting', 'streaming', 'error', 'terminated'] as const;
const PUBLICATION_STATUSES = ['connecting', 'live', 'retrying', 'failed'] as const;
const KINDS = ['video', 'audio'] as const;
const HTTP_BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The metrics of one router, in a registry of its own. */
export class RouterMetrics {
  readonly #registry = new Registry();
  readonly #sources: MetricsSources;
  #scrape: Scrape | undefined;
  readonly #eventLoopDelay = new EventLoopDelay();
  readonly #requests: Counter<'route' | 'method' | 'status_class'>;
  readonly #errors: Counter<'code'>;
  readonly #durations: Histogram<'route' | 'method'>;
  /** Counts what sessions tell. */
  readonly observe: ObserveSession;

  constructor(sources: MetricsSources) {
    const registry = this.#registry;
    const registers = [registry];
    this.#sources = sources;
    const last: LastScrape = () => (this.#scrape ??= scrape(sources));
    readSessions(registry, sources, last);
    readViewers(registry, last);
    readPlane(registry, sources, last);
    if (sources.pool !== undefined) readPool(registry, sources.pool);
    if (sources.deviceEncodings !== undefined) readDeviceEncodings(registry, sources.deviceEncodings);
    this.observe = countSessionEvents(registry);
    this.#requests = new Counter({
      name: 'stream_kit_http_requests_total',
      help: 'Requests that were answered, by the pattern of their route.',
      ...{ labelNames: ['route', 'method', 'status_class'], registers },
    });
    this.#errors = new Counter({
      name: 'stream_kit_http_errors_total',
      help: 'Answers with an error, by its code; those of limits are among them.',
      ...{ labelNames: ['code'], registers },
    });
    this.#durations = new Histogram({
      name: 'stream_kit_http_request_duration_seconds',
      help: 'From a request to its answer; of an event stream or a file to its head.',
      ...{ labelNames: ['route', 'method'], buckets: HTTP_BUCKETS_SECONDS, registers },
    });
    scrapedCounter<'limit'>(registry, {
      name: 'stream_kit_rate_limit_refusals_total',
      help: 'Requests that were refused because their caller made too many, by what they were for.',
      labelNames: ['limit'],
      read: () => Object.entries(sources.rateRefusals?.() ?? {}).map(([limit, count]) => [{ limit }, count]),
    });
    scrapedCounter<'outcome'>(registry, {
      name: 'stream_kit_webhooks_total',
      help: 'Events for the webhook: delivered, failed after the last attempt, or dropped because too many waited.',
      labelNames: ['outcome'],
      read: () => Object.entries(sources.webhooks?.() ?? {}).map(([outcome, count]) => [{ outcome }, count]),
    });
    scrapedGauge<'quantile'>(registry, {
      name: 'stream_kit_event_loop_delay_seconds',
      help: 'How late the event loop was since the metrics were last read.',
      labelNames: ['quantile'],
      read: () =>
        this.#eventLoopDelay.read().map(({ quantile, seconds }) => [{ quantile: String(quantile) }, seconds]),
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In the text format of Prometheus. */
  read(): Promise<string> {
    this.#scrape = scrape(this.#sources);
    return this.#registry.metrics();
  }

  countRequest({ route, method, status, code, durationMs }: AnsweredRequest): void {
    this.#requests.inc({ route, method, status_class: `${Math.floor(status / 100)}xx` });
    this.#durations.observe({ route, method }, durationMs / 1000);
    if (code !== undefined) this.#errors.inc({ code });
  }

  /** Measures no more; what was counted can still be read. Idempotent. */
  close(): void {
    this.#eventLoopDelay.close();
  }
}

function scrape({ counters: { viewers, pictures, usage }, mediaPlane, states }: MetricsSources): Scrape {
  return {
    viewers: viewers.read(),
    connected: viewers.size,
    pictures: pictures.read(),
    usage: usage.read(),
    states: states(),
    plane: mediaPlane.stats,
  };
}

function readSessions(registry: Registry, { maxSessions, room }: MetricsSources, last: LastScrape): void {
  scrapedGauge<'status'>(registry, {
    name: 'stream_kit_sessions',
    help: 'Sessions, by status; those that failed for as long as they can be asked why.',
    labelNames: ['status'],
    read: () => {
      const { states } = last();
      return STATUSES.map((status) => [{ status }, states.filter((state) => state.status === status).length]);
    },
  });
  scrapedGauge(registry, {
    name: 'stream_kit_sessions_limit',
    help: 'Most sessions at once.',
    read: () => [[{}, maxSessions]],
  });
  scrapedGauge(registry, {
    name: 'stream_kit_sessions_room',
    help: 'How many more pages could be taken now: none while memory or CPU is short, or while the server drains.',
    read: () => [[{}, room()]],
  });
  scrapedGauge<'status'>(registry, {
    name: 'stream_kit_publications',
    help: 'Publications of sessions to media servers, by status; those that failed until they are ended.',
    labelNames: ['status'],
    read: () => {
      const all = last().states.flatMap(({ metadata }) => metadata.publications ?? []);
      return PUBLICATION_STATUSES.map((status) => [
        { status },
        all.filter((one) => one.status === status).length,
      ]);
    },
  });
  scrapedGauge<'rendering' | 'renderer'>(registry, {
    name: 'stream_kit_sessions_by_renderer',
    help: 'Pages that are drawn on a GPU, on the CPU, or on the CPU although there is a GPU, by the name of the renderer.',
    labelNames: ['rendering', 'renderer'],
    read: () => renderings(last().states),
  });
  scrapedCounter(registry, {
    name: 'stream_kit_frames_captured_total',
    help: 'Raw pictures that were taken to be encoded.',
    read: () => [[{}, last().pictures.framesRead]],
  });
  scrapedCounter(registry, {
    name: 'stream_kit_session_cpu_seconds_total',
    help: 'CPU time of the browsers, captures and encoders of sessions.',
    read: () => [[{}, last().usage.cpuSeconds]],
  });
  scrapedCounter(registry, {
    name: 'stream_kit_viewer_seconds_total',
    help: 'The time of all viewers together.',
    read: () => [[{}, last().usage.viewerSeconds]],
  });
  scrapedCounter<'stage'>(registry, {
    name: 'stream_kit_frames_dropped_total',
    help: 'Raw pictures that encoders were too slow for, and encoded ones that were not sent to a viewer.',
    labelNames: ['stage'],
    read: () => [
      [{ stage: 'encode' }, last().pictures.framesDropped],
      [{ stage: 'send' }, last().viewers['video.framesDropped']],
    ],
  });
}

type Rendering = Record<'rendering' | 'renderer', string>;

/** There are no more series than sessions. */
function renderings(states: Scrape['states']): [Rendering, number][] {
  const counts = new Map<string, [Rendering, number]>();
  for (const { metadata } of states) {
    if (metadata.rendering === null) continue;
    const { renderer, software, fallback } = metadata.rendering;
    const rendering = fallback ? 'fallback' : software ? 'software' : 'gpu';
    const [labels, count] = counts.get(`${rendering} ${renderer}`) ?? [{ rendering, renderer }, 0];
    counts.set(`${rendering} ${renderer}`, [labels, count + 1]);
  }
  return [...counts.values()];
}

function readPool(registry: Registry, counts: () => PoolReport): void {
  scrapedGauge(registry, {
    name: 'stream_kit_pool_ready',
    help: 'Browsers that are ready for a session.',
    read: () => [[{}, counts().ready]],
  });
  scrapedCounter<'outcome'>(registry, {
    name: 'stream_kit_pool_takes_total',
    help: 'Starts of browsers for sessions: hit, miss because none was ready or it was lost, or unfit because the session needed another browser.',
    labelNames: ['outcome'],
    read: () => {
      const { hits, misses, unfit } = counts();
      return [
        [{ outcome: 'hit' }, hits],
        [{ outcome: 'miss' }, misses],
        [{ outcome: 'unfit' }, unfit],
      ];
    },
  });
  readPreloads(registry, counts);
}

function readPreloads(registry: Registry, counts: () => PoolReport): void {
  scrapedCounter<'outcome'>(registry, {
    name: 'stream_kit_pool_preloads_total',
    help: 'Pages that browsers of the pool were to load ahead: loaded or failed.',
    labelNames: ['outcome'],
    read: () => {
      const { loaded, failed } = counts().preloads;
      return [
        [{ outcome: 'loaded' }, loaded],
        [{ outcome: 'failed' }, failed],
      ];
    },
  });
}

function readViewers(registry: Registry, last: LastScrape): void {
  scrapedGauge(registry, {
    name: 'stream_kit_viewers',
    help: 'Viewers that are there, with or without media.',
    read: () => [[{}, last().states.reduce((sum, { metadata }) => sum + metadata.viewers, 0)]],
  });
  scrapedGauge(registry, {
    name: 'stream_kit_viewers_connected',
    help: 'Viewers and publications whose connection for media is up.',
    read: () => [[{}, last().connected]],
  });
  const byKind = (
    name: string,
    help: string,
    figure:
      | ('packetsSent' | 'bytesSent' | 'packetsRetransmitted')
      | ('repairPacketsSent' | 'repairBytesSent' | 'nacksReceived'),
  ): void =>
    scrapedCounter<'kind'>(registry, {
      ...{ name, help, labelNames: ['kind'] },
      read: () => {
        const { viewers } = last();
        return KINDS.map((kind) => [{ kind }, viewers[`${kind}.${figure}`]]);
      },
    });
  byKind('stream_kit_media_packets_sent_total', 'RTP packets sent, without retransmissions.', 'packetsSent');
  byKind('stream_kit_media_bytes_sent_total', 'Bytes of RTP payload sent.', 'bytesSent');
  byKind(
    'stream_kit_media_packets_retransmitted_total',
    'RTP packets that were sent once more.',
    'packetsRetransmitted',
  );
  byKind(
    'stream_kit_media_repair_packets_sent_total',
    'FlexFEC packets, from which viewers restore what they lose.',
    'repairPacketsSent',
  );
  byKind(
    'stream_kit_media_repair_bytes_sent_total',
    'Bytes of retransmissions and of FlexFEC packets; their budget is a quarter of what is sent.',
    'repairBytesSent',
  );
  byKind('stream_kit_nacks_received_total', 'Generic NACKs that viewers sent.', 'nacksReceived');
  scrapedCounter<'type'>(registry, {
    name: 'stream_kit_keyframe_requests_received_total',
    help: 'Keyframe requests that viewers sent, before they were coalesced.',
    labelNames: ['type'],
    read: () => {
      const { viewers } = last();
      return [
        [{ type: 'pli' }, viewers['video.plisReceived']],
        [{ type: 'fir' }, viewers['video.firsReceived']],
      ];
    },
  });
  scrapedCounter(registry, {
    name: 'stream_kit_rtcp_dropped_total',
    help: 'RTCP of viewers that could not be parsed or belonged to nobody.',
    read: () => [[{}, last().viewers.rtcpDropped]],
  });
}

function readPlane(
  registry: Registry,
  { mediaPlane, egressRefusals }: MetricsSources,
  last: LastScrape,
): void {
  scrapedGauge<'plane'>(registry, {
    name: 'stream_kit_media_plane_info',
    help: 'What sends media to the viewers.',
    labelNames: ['plane'],
    read: () => [[{ plane: mediaPlane.name }, 1]],
  });
  scrapedCounter<'reason'>(registry, {
    name: 'stream_kit_egress_refusals_total',
    help: 'Connections of pages that were not permitted.',
    labelNames: ['reason'],
    read: () => Object.entries(egressRefusals?.() ?? {}).map(([reason, count]) => [{ reason }, count]),
  });
  if (mediaPlane.stats === undefined) return;
  const stats = () => last().plane;
  scrapedCounter<'cause'>(registry, {
    name: 'stream_kit_plane_datagrams_dropped_total',
    help: 'Datagrams to the media port that were dropped, by cause.',
    labelNames: ['cause'],
    read: () => [
      [{ cause: 'unknown_source' }, stats()?.droppedUnknownSource ?? 0],
      [{ cause: 'stun_integrity' }, stats()?.droppedStunIntegrity ?? 0],
      [{ cause: 'malformed' }, stats()?.droppedMalformed ?? 0],
      [{ cause: 'srtcp_authentication' }, stats()?.droppedSrtcpAuthentication ?? 0],
      [{ cause: 'dtls_backlog' }, stats()?.droppedDtls ?? 0],
      [{ cause: 'rtcp_backlog' }, stats()?.droppedRtcp ?? 0],
    ],
  });
  const ofPlane = (name: string, help: string, read: () => number | undefined): void =>
    scrapedCounter(registry, { name, help, read: () => [[{}, read() ?? 0]] });
  ofPlane(
    'stream_kit_plane_datagrams_received_total',
    'Datagrams to the media port.',
    () => stats()?.received,
  );
  scrapedGauge(registry, {
    name: 'stream_kit_plane_tcp_connections',
    help: 'TCP connections of viewers to the media port.',
    read: () => [[{}, stats()?.tcpConnections ?? 0]],
  });
  ofPlane(
    'stream_kit_plane_tcp_refused_total',
    'TCP connections to the media port that were closed because nobody proved to be a viewer, or because there were too many.',
    () => stats()?.tcpRefused,
  );
  ofPlane('stream_kit_plane_send_calls_total', 'System calls that sent media.', () => stats()?.sendCalls);
  ofPlane('stream_kit_plane_send_errors_total', 'Those that failed.', () => stats()?.sendErrors);
  ofPlane(
    'stream_kit_plane_events_dropped_total',
    'Events of the plane that JavaScript was too slow for.',
    () => stats()?.eventsDropped,
  );
  ofPlane(
    'stream_kit_plane_cpu_seconds_total',
    'CPU time of the threads of the native media plane.',
    () => (stats()?.cpuUs ?? 0) / 1_000_000,
  );
}
