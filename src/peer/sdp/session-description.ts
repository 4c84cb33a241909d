/** One `a=` line: `a=name` or `a=name:value`. */
export interface SdpAttribute {
  readonly name: string;
  readonly value: string;
}

/** One `m=` section (RFC 8866 section 5.14). */
export interface SdpMedia {
  readonly kind: string;
  readonly port: number;
  readonly protocol: string;
  readonly formats: readonly string[];
  readonly attributes: readonly SdpAttribute[];
}

export interface SessionDescription {
  readonly attributes: readonly SdpAttribute[];
  readonly media: readonly SdpMedia[];
}

/** One entry of `a=rtpmap` with its `a=fmtp`. */
export interface SdpCodec {
  readonly payloadType: number;
  /** Lower case. */
  readonly name: string;
  readonly clockRateHz: number;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MEDIA_LINE = /^([a-z]+) (\d{1,5})(?:\/\d+)? ([A-Za-z0-9/]+) (.+)$/;
/** RFC 8866 section 9: `non-zero-int-or-real`. */
const PACKET_TIME = /^\d{1,5}(?:\.\d{1,9})?$/;
const RTPMAP = /^(\d{1,3}) ([^/ ]+)\/(\d{1,6})(?:\/\d+)?$/;

/** @returns undefined where the text is no SDP. Lines that do not concern WebRTC are passed over. */
export function parseSessionDescription(text: string): SessionDescription | undefined {
  const lines = text.split(/\r\n|\n/);
  if (lines[0] !== 'v=0') {
    return undefined;
  }
  const attributes: SdpAttribute[] = [];
  const media: (SdpMedia & { attributes: SdpAttribute[] })[] = [];
  for (const line of lines) {
    if (line.startsWith('m=')) {
      const match = MEDIA_LINE.exec(line.slice(2));
      if (match === null) {
        return undefined;
      }
      const [, kind = '', port = '', protocol = '', formats = ''] = match;
      media.push({ kind, port: Number(port), protocol, formats: formats.split(' '), attributes: [] });
    } else if (line.startsWith('a=')) {
      const colon = line.indexOf(':');
      const attribute =
        colon < 0
          ? { name: line.slice(2), value: '' }
          : { name: line.slice(2, colon), value: line.slice(colon + 1) };
      (media.at(-1)?.attributes ?? attributes).push(attribute);
    }
  }
  return { attributes, media };
}

/** Values of every attribute called `name`. */
export function valuesOf(attributes: readonly SdpAttribute[], name: string): string[] {
  return attributes.filter((attribute) => attribute.name === name).map(({ value }) => value);
}

/** The attribute of the section or, where it has none, of the session (RFC 8839 section 5.4, RFC 8122 section 5). */
export function inheritedValues(session: SessionDescription, media: SdpMedia, name: string): string[] {
  const own = valuesOf(media.attributes, name);
  return own.length > 0 ? own : valuesOf(session.attributes, name);
}

/**
 * The longest media that a packet of the section may carry (`a=maxptime`, RFC 8866 section 6.5), in whole ms, at least 1.
 *
 * @returns undefined where it does not say, or says what is no time
 */
export function maxPacketTimeMs(media: SdpMedia): number | undefined {
  const [value = ''] = valuesOf(media.attributes, 'maxptime');
  if (!PACKET_TIME.test(value) || Number(value) === 0) return undefined;
  return Math.max(1, Math.floor(Number(value)));
}

/** The codecs of a section in the order of its `m=` line. */
export function codecsOf(media: SdpMedia): SdpCodec[] {
  const maps = new Map<string, RegExpExecArray>();
  for (const value of valuesOf(media.attributes, 'rtpmap')) {
    const match = RTPMAP.exec(value);
    if (match?.[1] !== undefined) {
      maps.set(match[1], match);
    }
  }
  const parameters = new Map<string, Map<string, string>>();
  for (const value of valuesOf(media.attributes, 'fmtp')) {
    const space = value.indexOf(' ');
    if (space > 0) {
      parameters.set(value.slice(0, space), parseParameters(value.slice(space + 1)));
    }
  }
  // Each is one, however often the line has it: what is done with codecs may compare all with all.
  return [...new Set(media.formats)].flatMap((format) => {
    const match = maps.get(format);
    const payloadType = Number(format);
    if (match === undefined || payloadType > 127) {
      return [];
    }
    return {
      payloadType,
      name: (match[2] ?? '').toLowerCase(),
      clockRateHz: Number(match[3]),
      parameters: parameters.get(format) ?? new Map<string, string>(),
    };
  });
}

function parseParameters(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of text.split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0) {
      parameters.set(pair.slice(0, equals).trim().toLowerCase(), pair.slice(equals + 1).trim());
    }
  }
  return parameters;
}
