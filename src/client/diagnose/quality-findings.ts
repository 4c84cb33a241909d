import type { ClientReport } from './client-report.js';
import { finding, type Finding } from './finding.js';
import type {
  EncodingDiagnostics,
  SessionDiagnostics,
  ViewerDiagnostics,
} from '../../protocol/session-diagnostics.js';
import type { RecentStats, StreamStats } from './stream-stats.js';

/** From here on it shows; what retransmissions cannot make up for within the jitter buffer. */
const LOSS_RATIO = 0.02;
const HEAVY_LOSS_RATIO = 0.1;
/** Above it playing feels late whatever the picture is. */
const HIGH_RTT_MS = 200;
const HIGH_JITTER_BUFFER_MS = 150;
/** Pictures are held back for their sound, by up to 200 ms. */
const HIGH_WITH_SOUND_MS = 250;
const FREEZE_MS = 250;
/** Share of the time between two pictures, of decoding and encoding: above it there is no room for a dearer one. */
const FULL_SHARE = 0.85;
const DROPPED_SHARE = 0.1;
/** Fewer pictures than that in the time say nothing. */
const ENOUGH_FRAMES = 5;
const SLOW_CAPTURE_MS = 100;
const SLOW_SEND_MS = 20;
const NO_PICTURE_AFTER_MS = 3000;

/** How good the picture is that comes, and which end it is up to. */
export function qualityFindings(report: ClientReport, server: SessionDiagnostics | undefined): Finding[] {
  const { peer, stats, publicId } = report;
  if (peer?.connectionState !== 'connected') return [];
  const viewer = server?.viewers.find((one) => one.publicId === publicId);
  const encoding = server?.encodings.find(({ codec }) => codec === viewer?.videoCodec);
  const findings: (Finding | undefined)[] = [
    missingPicture(peer.iceStateMs, stats, viewer, encoding),
    stats.recent && loss(stats.recent, viewer),
    stats.recent && decoder(stats, stats.recent),
    stats.recent && freeze(stats.recent),
    roundTrip(stats, viewer),
    jitterBuffer(stats),
    ...(encoding ? serverStages(encoding) : []),
    server && softwareRendering(server),
  ];
  return findings.filter((one) => one !== undefined);
}

function missingPicture(
  connectedMs: number,
  { width, recent }: StreamStats,
  viewer: ViewerDiagnostics | undefined,
  encoding: EncodingDiagnostics | undefined,
): Finding | undefined {
  if (width !== undefined || connectedMs < NO_PICTURE_AFTER_MS) return undefined;
  const packetsSent = viewer?.video?.packetsSent;
  const why = recent?.packetsReceived
    ? ': pictures are not whole, or cannot be decoded'
    : packetsSent
      ? ': the server sends, and nothing arrives'
      : '';
  return finding('error', 'no_picture', `The connection stands, but no picture has come${why}.`, {
    connectedMs,
    packetsReceived: recent?.packetsReceived,
    packetsSent,
    framesEncoded: encoding?.frames.encoded,
  });
}

function loss(recent: RecentStats, viewer: ViewerDiagnostics | undefined): Finding | undefined {
  const { lossRatio, nacksSent, plisSent, packetsReceived } = recent;
  if (lossRatio < LOSS_RATIO) return undefined;
  const percent = `${(lossRatio * 100).toFixed(lossRatio < 0.1 ? 1 : 0)} %`;
  const message = `${percent} of the packets are lost on the way; a crowded Wi-Fi or a line that is too slow does that.`;
  return finding(lossRatio < HEAVY_LOSS_RATIO ? 'warning' : 'error', 'packet_loss', message, {
    lossRatio,
    packetsReceived,
    nacksSent,
    plisSent,
    packetsRetransmitted: viewer?.video?.packetsRetransmitted,
  });
}

function decoder({ decodeMs, framesPerSecond = 30 }: StreamStats, recent: RecentStats): Finding | undefined {
  const { framesReceived, framesDropped, framesDecoded, lossRatio } = recent;
  if (framesReceived < ENOUGH_FRAMES) return undefined;
  const intervalMs = recent.intervalMs / framesReceived;
  const isFull = decodeMs !== undefined && decodeMs > intervalMs * FULL_SHARE;
  const drops = framesDropped > framesReceived * DROPPED_SHARE && lossRatio < LOSS_RATIO;
  if (!isFull && !drops) return undefined;
  const message = 'This device decodes too slowly; fewer or smaller pictures would help.';
  return finding('warning', 'decoder_slow', message, {
    decodeMs,
    frameIntervalMs: intervalMs,
    framesReceived,
    framesDecoded,
    framesDropped,
    framesPerSecond,
  });
}

function freeze({ freezeMs, intervalMs, plisSent }: RecentStats): Finding | undefined {
  if (freezeMs < FREEZE_MS) return undefined;
  return finding('warning', 'picture_freezes', `The picture stood still for ${freezeMs.toFixed(0)} ms.`, {
    freezeMs,
    intervalMs,
    plisSent,
  });
}

function roundTrip({ rttMs }: StreamStats, viewer: ViewerDiagnostics | undefined): Finding | undefined {
  const serverRttMs = viewer?.video?.rttMs ?? undefined;
  if (rttMs === undefined || rttMs < HIGH_RTT_MS) return undefined;
  const message = `A packet takes ${rttMs.toFixed(0)} ms to the server and back; the way is long, or full.`;
  return finding('warning', 'high_latency', message, { rttMs, serverRttMs });
}

function jitterBuffer({ jitterBufferMs, audioCodec }: StreamStats): Finding | undefined {
  const highMs = audioCodec === undefined ? HIGH_JITTER_BUFFER_MS : HIGH_WITH_SOUND_MS;
  if (jitterBufferMs === undefined || jitterBufferMs < highMs) return undefined;
  const message = `Pictures wait ${jitterBufferMs.toFixed(0)} ms here, because packets come unevenly.`;
  return finding('warning', 'jitter_buffer_high', message, { jitterBufferMs });
}

/** A server without a GPU is as it should be. Servers before 0.3 do not say what draws. */
function softwareRendering({ rendering }: SessionDiagnostics): Finding | undefined {
  if (rendering?.fallback !== true) return undefined;
  const message = 'The server draws the page on its CPU, although it has a GPU; its driver may have failed.';
  return finding('warning', 'rendering_in_software', message, { renderer: rendering.renderer });
}

function serverStages({
  encoder,
  load,
  frameRate,
  targetFrameRate,
  frames,
  latency,
}: EncodingDiagnostics): Finding[] {
  const findings: Finding[] = [];
  if (load > FULL_SHARE) {
    const message = `The server's encoder takes ${(load * 100).toFixed(0)} % of the time between two pictures; it needs more CPU, a smaller picture or fewer a second.`;
    const dropped = frames.dropped;
    findings.push(
      finding('warning', 'encoder_slow', message, {
        encoder,
        load,
        frameRate,
        targetFrameRate,
        framesDropped: dropped,
      }),
    );
  }
  if (latency && latency.capture.meanMs > SLOW_CAPTURE_MS) {
    const { meanMs, maxMs } = latency.capture;
    const message = `The server's browser takes ${meanMs.toFixed(0)} ms to hand a picture over; its CPU is busy, perhaps with the page.`;
    findings.push(finding('warning', 'capture_slow', message, { captureMs: meanMs, captureMaxMs: maxMs }));
  }
  if (latency && latency.send.meanMs > SLOW_SEND_MS) {
    const { meanMs, maxMs } = latency.send;
    const message = `Encoded pictures wait ${meanMs.toFixed(0)} ms before the server sends them; its main thread is busy.`;
    findings.push(finding('warning', 'server_busy', message, { sendMs: meanMs, sendMaxMs: maxMs }));
  }
  return findings;
}
