import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export interface ProbedPacket {
  readonly kind: 'video' | 'audio';
  readonly timeMs: number;
  readonly keyframe: boolean;
}

export interface ProbedFile {
  /** `h264`, `vp8`, `opus`. */
  readonly codecs: readonly string[];
  readonly width: number;
  readonly height: number;
  /** What the container says; NaN where it says nothing. */
  readonly durationMs: number;
  /** In the order of the file. */
  readonly packets: readonly ProbedPacket[];
}

/** What ffprobe reads from a file. */
export async function probe(path: string): Promise<ProbedFile> {
  const show = [
    'format=duration:stream=codec_name,codec_type,width,height:packet=codec_type,pts_time,dts_time,flags',
  ];
  const { stdout } = await run(
    'ffprobe',
    ['-v', 'error', '-of', 'json', '-show_packets', '-show_streams', '-show_entries', ...show, path],
    { maxBuffer: MAX_OUTPUT_BYTES },
  );
  const { streams, packets, format } = JSON.parse(stdout);
  const video = streams.find((stream: any) => stream.codec_type === 'video');
  return {
    codecs: streams.map((stream: any) => stream.codec_name),
    width: video.width,
    height: video.height,
    durationMs: Number(format.duration) * 1000,
    packets: packets.map((packet: any) => ({
      kind: packet.codec_type,
      timeMs: Number(packet.pts_time) * 1000,
      keyframe: packet.flags.startsWith('K'),
    })),
  };
}

/** Times of one track, ms. */
export function timesOf(file: ProbedFile, kind: ProbedPacket['kind']): number[] {
  return file.packets.filter((packet) => packet.kind === kind).map(({ timeMs }) => timeMs);
}

/** Times at which the decoded picture turns from black to white, ms. */
export async function flashes(path: string): Promise<number[]> {
  const filter = 'scale=16:16,format=gray,showinfo';
  const { stderr } = await run(
    'ffmpeg',
    ['-v', 'info', '-i', path, '-an', '-vsync', 'passthrough', '-vf', filter, '-f', 'null', '-'],
    { maxBuffer: MAX_OUTPUT_BYTES },
  );
  const onsets: number[] = [];
  let wasWhite = true;
  for (const [, time, mean] of stderr.matchAll(/pts_time:([\d.]+).*? mean:\[(\d+)/g)) {
    const isWhite = Number(mean) > 128;
    if (isWhite && !wasWhite) onsets.push(Number(time) * 1000);
    wasWhite = isWhite;
  }
  return onsets;
}

const SAMPLE_RATE_HZ = 48_000;

/** Times at which the decoded sound begins after at least 300 ms of silence, ms. */
export async function beeps(path: string): Promise<number[]> {
  const { stdout } = await run(
    'ffmpeg',
    [
      ...['-v', 'error', '-i', path, '-vn', '-af', 'aresample=async=1:first_pts=0'],
      ...['-f', 'f32le', '-ac', '1', '-ar', String(SAMPLE_RATE_HZ), '-'],
    ],
    { maxBuffer: MAX_OUTPUT_BYTES, encoding: 'buffer' },
  );
  const samples = new Float32Array(stdout.buffer, stdout.byteOffset, stdout.byteLength >> 2);
  const onsets: number[] = [];
  let silentSamples = 0;
  for (const [index, sample] of samples.entries()) {
    if (Math.abs(sample) < 0.05) {
      silentSamples++;
      continue;
    }
    if (silentSamples > 0.3 * SAMPLE_RATE_HZ) onsets.push((index / SAMPLE_RATE_HZ) * 1000);
    silentSamples = 0;
  }
  return onsets;
}

/** How much later each beep is than its flash, ms. */
export async function skewsOf(path: string): Promise<number[]> {
  const [seen, heard] = await Promise.all([flashes(path), beeps(path)]);
  return seen.flatMap((flash) => {
    const nearest = heard.reduce(
      (best, beep) => (Math.abs(beep - flash) < Math.abs(best - flash) ? beep : best),
      Infinity,
    );
    return Math.abs(nearest - flash) < 400 ? [nearest - flash] : [];
  });
}
