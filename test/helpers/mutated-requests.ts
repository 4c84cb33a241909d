/** A request as a client that means no good sends it. */
export interface AbusiveRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

type Random = () => number;

const FINGERPRINT = new Array<string>(32).fill('AB').join(':');
export const PLAYER_OFFER = [
  'v=0',
  'o=- 1 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0 1',
  ...['video 9 UDP/TLS/RTP/SAVPF 96 97 102', 'audio 9 UDP/TLS/RTP/SAVPF 111'].flatMap((media, mid) => [
    `m=${media}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    'a=ice-ufrag:abcd',
    'a=ice-pwd:0123456789abcdefghijkl',
    `a=fingerprint:sha-256 ${FINGERPRINT}`,
    'a=setup:actpass',
    'a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid',
    'a=recvonly',
    'a=rtcp-mux',
    ...(mid === 0
      ? [
          'a=rtpmap:96 VP8/90000',
          'a=rtpmap:97 rtx/90000',
          'a=fmtp:97 apt=96',
          'a=rtpmap:102 H264/90000',
          'a=fmtp:102 packetization-mode=1;profile-level-id=42e01f',
          'a=rtcp-fb:* nack pli',
          'a=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host generation 0',
        ]
      : ['a=rtpmap:111 opus/48000/2']),
  ]),
  '',
].join('\r\n');

export const PLAYER_FRAGMENT = [
  'a=ice-ufrag:efgh',
  'a=ice-pwd:lkjihgfedcba9876543210',
  'm=video 9 UDP/TLS/RTP/SAVPF 0',
  'a=mid:0',
  'a=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host generation 0',
  'a=end-of-candidates',
  '',
].join('\r\n');

/** What there is to be asked for: ids and secrets that hold. */
export interface AbuseTargets {
  readonly id: string;
  readonly viewerId: string;
  readonly playerId: string;
  readonly recordingId: string;
  readonly token: string;
}

/** One valid request of every route and method. */
export function validRequests({
  id,
  viewerId,
  playerId,
  recordingId,
  token,
}: AbuseTargets): AbusiveRequest[] {
  const json = { 'content-type': 'application/json' };
  const get = (target: string, headers = {}): AbusiveRequest => make('GET', target, headers, '');
  return [
    make('POST', '/', json, {
      targetUrl: 'https://game.example.org/',
      initialData: { level: 3, names: ['a', 'b'], nested: { deep: [1, 2, { x: null }] } },
      renderOptions: { resolution: '640x360', frameRate: 30, videoCodec: 'auto', audio: true },
    }),
    make(
      'POST',
      '/?media=none',
      { ...json, accept: 'text/event-stream' },
      { targetUrl: 'https://a.example/' },
    ),
    get(`/${id}`),
    get(`/${id}/sse?media=none`),
    get(`/${id}/sse?videoCodec=h264&maxHeight=720&viewerId=${viewerId}&token=${token}`, {
      'last-event-id': '3',
    }),
    make('POST', `/${id}/signal`, json, { viewerId, type: 'ice_restart' }),
    make('POST', `/${id}/signal`, json, {
      ...{ viewerId, type: 'ice_candidate' },
      payload: { candidate: 'candidate:1 1 udp 1 127.0.0.1 9 typ host', sdpMid: '0', sdpMLineIndex: 0 },
    }),
    make('POST', `/${id}/signal`, json, { viewerId, type: 'sdp_answer', payload: PLAYER_OFFER }),
    make('POST', `/${id}/signal`, json, { viewerId, type: 'message', payload: { a: [1] } }),
    make('POST', `/${id}/signal`, json, { viewerId, type: 'set_wishes', payload: { maxHeight: 90 } }),
    make('PATCH', `/${id}/viewers/1`, json, { maxHeight: 360, maxBitrateBps: 500_000 }),
    get(`/${id}/snapshot?format=png&width=320`),
    get(`/${id}/stream`),
    make('POST', `/${id}/publications`, json, {
      url: 'https://whip.invalid/live',
      token: 'secret',
      maxHeight: 360,
    }),
    get(`/${id}/publications`),
    get(`/${id}/recordings`),
    make('POST', `/${id}/recordings`, json, { format: 'mp4', maxBytes: 2_000_000, maxDurationMs: 2000 }),
    get(`/${id}/recordings/${recordingId}`),
    get(`/${id}/recordings/${recordingId}/file?part=1`, { range: 'bytes=0-3' }),
    make('DELETE', `/${id}/recordings/${recordingId}`, {}, ''),
    get(`/${id}/hls/index.m3u8`),
    get(`/${id}/hls/segment-0.m4s`),
    get(`/${id}/whep`),
    make('POST', `/${id}/whep`, { 'content-type': 'application/sdp' }, PLAYER_OFFER),
    make(
      'PATCH',
      `/${id}/whep/${playerId}`,
      { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*' },
      PLAYER_FRAGMENT,
    ),
    make('DELETE', `/${id}/whep/${playerId}`, {}, ''),
    get('/metrics'),
    get('/healthz'),
    get('/healthz/ready'),
    make(
      'OPTIONS',
      `/${id}/whep`,
      { origin: 'https://a.example', 'access-control-request-method': 'POST' },
      '',
    ),
  ];
}

function make(
  method: string,
  target: string,
  headers: Record<string, string>,
  body: unknown,
): AbusiveRequest {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { method, target, headers, body: Buffer.from(text) };
}

/** One of the requests, with up to three things wrong with it. */
export function mutated(requests: readonly AbusiveRequest[], random: Random): AbusiveRequest {
  let request = pick(requests, random);
  for (let times = Math.floor(random() * 4); times > 0; times--)
    request = pick(MUTATIONS, random)(request, random);
  return request;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY', 'LINK'];
const SEGMENTS = [
  ...[
    '',
    '.',
    '..',
    '%2e%2e',
    '%2f',
    '..%2f..%2fetc%2fpasswd',
    '%00',
    '%0d%0aX-Evil:%201',
    '%',
    '%zz',
    '%ff',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    ':streamId',
    '*',
    '//',
    '\\..\\',
    'a'.repeat(2000),
  ],
  ...[
    '00000000-0000-4000-8000-000000000001',
    'segment-0.m4s',
    'segment-99999999999999999999.m4s',
    'init-0.mp4',
  ],
  ...[
    'sse',
    'signal',
    'whep',
    'stream',
    'file',
    'hls',
    'recordings',
    'snapshot',
    'é',
    '%F0%9F%92%A9',
    ';a=b',
    '&',
    '@',
  ],
];
const VALUES = [
  ...[
    '',
    '0',
    '-1',
    '1e9',
    'NaN',
    '99999999999999999999',
    '1.5',
    'null',
    'true',
    '[]',
    '%00',
    '%0d%0a',
    '../..',
  ],
  ...[
    'a'.repeat(5000),
    '%F0%9F%92%A9',
    '%ff%fe',
    '__proto__',
    '1&1',
    'none',
    'png',
    'h264',
    '\u00e9',
    '"',
    '<script>',
  ],
];
const JUNK: readonly unknown[] = [
  ...[null, true, 0, -1, 1e308, 2 ** 53, '', 'x', [], {}, [[]], { toString: 1 }, 'a'.repeat(20_000)],
  ...[
    '\u0000',
    '\r\n',
    '\ud800',
    '__proto__',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'http://127.0.0.1/',
  ],
  ...[
    'http://[::1]/',
    'http://user:pw@a.example/',
    `https://a.example/${'a'.repeat(9000)}`,
    new Array(5000).fill(0),
  ],
  JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`),
  JSON.parse('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"x":1}}}'),
];

const MUTATIONS: readonly ((request: AbusiveRequest, random: Random) => AbusiveRequest)[] = [
  (request, random) => ({ ...request, method: pick(METHODS, random) }),
  // A segment of the path is another, one more, or one less.
  (request, random) => {
    const [path = '', query] = request.target.split('?');
    const segments = path.split('/');
    const at = 1 + Math.floor(random() * segments.length);
    segments.splice(at, Math.floor(random() * 2), ...(random() < 0.8 ? [pick(SEGMENTS, random)] : []));
    const next = encodedForTheWire(segments.join('/'));
    return { ...request, target: `/${next.replace(/^\//, '')}${query === undefined ? '' : `?${query}`}` };
  },
  (request, random) => {
    const name = pick(
      ['viewerId', 'media', 'videoCodec', 'maxHeight', 'format', 'width', 'part', 'token', 'x'],
      random,
    );
    const value = encodedForTheWire(pick(VALUES, random));
    const sign = request.target.includes('?') ? '&' : '?';
    return { ...request, target: `${request.target}${sign}${name}=${value}` };
  },
  (request, random) => {
    const name = pick(
      [
        'content-type',
        'accept',
        'range',
        'if-match',
        'last-event-id',
        'authorization',
        'origin',
        'x-forwarded-for',
      ],
      random,
    );
    const value = pick(
      ['', 'x', ...VALUES.filter((one) => !/[^\x20-\x7e]/.test(one)), 'Bearer skt1.a.b'],
      random,
    );
    return { ...request, headers: { ...request.headers, [name]: value } };
  },
  (request, random) => ({
    ...request,
    headers: { ...request.headers, 'content-encoding': pick(['gzip', 'identity', 'br', 'x'], random) },
  }),
  (request, random) => {
    const type = pick(
      ['application/json', 'application/sdp', 'text/plain', 'application/json; charset=latin1'],
      random,
    );
    return { ...request, headers: { ...request.headers, 'content-type': type } };
  },
  // Bytes of the body are others.
  (request, random) => {
    const body = Buffer.from(request.body);
    for (let flips = 1 + Math.floor(random() * 8); flips > 0 && body.length > 0; flips--) {
      body[Math.floor(random() * body.length)] = Math.floor(random() * 256);
    }
    return { ...request, body };
  },
  (request, random) => {
    const { body } = request;
    const from = Math.floor(random() * (body.length + 1));
    const to = from + Math.floor(random() * (body.length - from + 1));
    const middle =
      random() < 0.5 ? [] : new Array<Buffer>(2 + Math.floor(random() * 3)).fill(body.subarray(from, to));
    return { ...request, body: Buffer.concat([body.subarray(0, from), ...middle, body.subarray(to)]) };
  },
  // Any value of a JSON body is another.
  ...new Array<(request: AbusiveRequest, random: Random) => AbusiveRequest>(3).fill((request, random) => {
    try {
      const value: unknown = JSON.parse(request.body.toString());
      return { ...request, body: Buffer.from(JSON.stringify(withJunk(value, random))) };
    } catch {
      return { ...request, body: Buffer.from(JSON.stringify(pick(JUNK, random))) };
    }
  }),
  // Nested deeper than a stack reaches.
  (request, random) => {
    const depth = random() < 0.5 ? 3000 : 100_000;
    const deep =
      random() < 0.5
        ? `${'['.repeat(depth)}${']'.repeat(depth)}`
        : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    const text = `{"targetUrl":"https://a.example/","viewerId":"x","type":"message","initialData":${deep},"payload":${deep}}`;
    return random() < 0.1 ? { ...request, body: Buffer.from(text) } : request;
  },
  // Lines of an SDP stand elsewhere, twice, or not at all.
  (request, random) => {
    const lines = request.body.toString('latin1').split('\r\n');
    const at = Math.floor(random() * lines.length);
    lines.splice(Math.floor(random() * lines.length), Math.floor(random() * 2), ...lines.slice(at, at + 2));
    return { ...request, body: Buffer.from(lines.join('\r\n'), 'latin1') };
  },
  (request, random) =>
    random() < 0.1
      ? { ...request, body: Buffer.alloc(Math.floor(random() * 1.5 * 1024 * 1024), 0x20) }
      : request,
];

function withJunk(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random() < 0.2) return pick(JUNK, random);
  const entries = Object.entries(value);
  const at = Math.floor(random() * (entries.length + 1));
  const entry = entries[at];
  if (entry === undefined)
    return { ...value, [pick(['__proto__', 'x', 'renderOptions'], random)]: pick(JUNK, random) };
  if (random() < 0.2) return Object.fromEntries(entries.filter((_, index) => index !== at));
  return { ...value, [entry[0]]: withJunk(entry[1], random) };
}

/** What no client could put on the wire is escaped. */
function encodedForTheWire(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, (character) => encodeURIComponent(character));
}

function pick<T>(list: readonly T[], random: Random): T {
  const found = list[Math.floor(random() * list.length)];
  if (found === undefined) throw new Error('Nothing to pick from');
  return found;
}

/** A text with lines and characters that are others, stand elsewhere, twice, or not at all. */
export function mutatedText(text: string, random: Random): string {
  const lines = text.split('\r\n');
  for (let times = 1 + Math.floor(random() * 3); times > 0; times--) {
    const at = Math.floor(random() * lines.length);
    const line = lines[at] ?? '';
    const from = Math.floor(random() * (line.length + 1));
    const to = from + Math.floor(random() * 12);
    const junk = pick(
      ['', ' ', '0', '-1', '999999999999', '\0', '\r', '\n', 'a=', ':', '\u00e9', 'x'.repeat(500)],
      random,
    );
    const changes: (() => unknown)[] = [
      () => lines.splice(at, 1, line.slice(0, from) + junk + line.slice(to)),
      () => lines.splice(at, 1),
      () => lines.splice(Math.floor(random() * lines.length), 0, ...lines.slice(at, at + 3)),
      () => lines.splice(at, 1, ...new Array<string>(50).fill(line)),
      () => lines.splice(at),
    ];
    pick(changes.slice(0, random() < 0.9 ? 4 : 5), random)();
  }
  return lines.join('\r\n');
}
