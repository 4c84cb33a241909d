/** What may be wrong; stable. */
export type FindingCode =
  | 'server_unreachable'
  | 'server_full'
  | 'not_allowed'
  | 'session_gone'
  | 'session_failed'
  | 'webrtc_unsupported'
  | 'codec_missing'
  | 'no_server_candidates'
  | 'udp_blocked'
  | 'ice_failed'
  | 'turn_refused'
  | 'turn_unreachable'
  | 'media_interrupted'
  | 'dtls_failed'
  | 'relayed'
  | 'no_picture'
  | 'packet_loss'
  | 'high_latency'
  | 'jitter_buffer_high'
  | 'picture_freezes'
  | 'decoder_slow'
  | 'capture_slow'
  | 'encoder_slow'
  | 'server_busy'
  | 'rendering_in_software'
  | 'autoplay_blocked';

/** One reason why a connection does not come up, or looks as it does. */
export interface Finding {
  readonly code: FindingCode;
  /** `error`: no picture; `warning`: not as it should be; `info`: worth knowing. */
  readonly severity: 'error' | 'warning' | 'info';
  /** One or two sentences, for people. */
  readonly message: string;
  /** What it is concluded from, with units in the names. */
  readonly figures: Readonly<Record<string, string | number>>;
}

export function finding(
  severity: Finding['severity'],
  code: FindingCode,
  message: string,
  figures: Record<string, string | number | undefined> = {},
): Finding {
  const known = Object.entries(figures).filter(
    (entry): entry is [string, string | number] => entry[1] !== undefined,
  );
  const rounded = known.map(
    ([name, value]) => [name, typeof value === 'number' ? round(value) : value] as const,
  );
  return { code, severity, message, figures: Object.fromEntries(rounded) };
}

/** To three digits behind the point: more is noise. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
