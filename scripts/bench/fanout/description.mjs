// What a viewer of the load generator needs of a server's description, and its own. Reads what we, Janus and LiveKit write.

const TRANSPORT_WIDE_CC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
const SESSION = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0'];
/** What a viewer that offers takes, as a browser would write it. */
const OFFERED = [
  {
    kind: 'video',
    mid: '0',
    formats: '102 103',
    attributes: [
      'extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid',
      `extmap:2 ${TRANSPORT_WIDE_CC}`,
      'rtpmap:102 H264/90000',
      'rtcp-fb:102 transport-cc',
      'rtcp-fb:102 nack',
      'rtcp-fb:102 nack pli',
      'fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
      'rtpmap:103 rtx/90000',
      'fmtp:103 apt=102',
    ],
  },
  {
    kind: 'audio',
    mid: '1',
    formats: '111',
    attributes: [
      'extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid',
      `extmap:2 ${TRANSPORT_WIDE_CC}`,
      'rtpmap:111 opus/48000/2',
      'rtcp-fb:111 transport-cc',
      'fmtp:111 minptime=10;useinbandfec=1',
    ],
  },
];

const values = (lines, name) =>
  lines.filter((line) => line.startsWith(`a=${name}:`)).map((line) => line.slice(name.length + 3));

export function readDescription(sdp) {
  const [session, ...sections] = sdp.split(/\r?\n(?=m=)/).map((part) => part.split(/\r?\n/));
  const media = sections.map((lines) => ({
    kind: lines[0].slice(2).split(' ')[0],
    formats: lines[0].split(' ').slice(3).join(' '),
    mid: values(lines, 'mid')[0],
    ssrcs: [...new Set(values(lines, 'ssrc').map((value) => Number(value.split(' ')[0])))],
    attributes: lines
      .filter((line) => /^a=(rtpmap|fmtp|rtcp-fb|extmap):/.test(line))
      .map((line) => line.slice(2)),
    transportWideCcId: Number(
      values(lines, 'extmap')
        .find((value) => value.includes(TRANSPORT_WIDE_CC))
        ?.split(/[ /]/)[0] ?? 0,
    ),
    lines,
  }));
  const first = (name) => values([...media[0].lines, ...session], name)[0];
  const video = media.find(({ kind }) => kind === 'video');
  const audio = media.find(({ kind }) => kind === 'audio');
  return {
    media,
    video,
    audio,
    ufrag: first('ice-ufrag'),
    password: first('ice-pwd'),
    fingerprint: first('fingerprint').split(' ')[1].toUpperCase(),
    candidates: media.flatMap(({ lines }) => values(lines, 'candidate')),
  };
}

/** Takes everything that is offered, as the active side of DTLS, over one host candidate. */
export function writeAnswer(offer, transport) {
  return write(offer.media, transport, [], 'active');
}

/** Leaves it to the server to check and nominate, as ICE lite does (RFC 8445 section 6.1.1); it is then the client of DTLS. */
export function writeOffer(transport) {
  return write(OFFERED, transport, ['a=ice-lite'], 'actpass');
}

function write(media, { ufrag, password, address, port, fingerprint }, attributes, setup) {
  const lines = [...SESSION, `a=group:BUNDLE ${media.map(({ mid }) => mid).join(' ')}`, ...attributes];
  for (const { kind, formats, mid, attributes: own } of media) {
    lines.push(
      `m=${kind} 9 UDP/TLS/RTP/SAVPF ${formats}`,
      'c=IN IP4 127.0.0.1',
      `a=mid:${mid}`,
      'a=recvonly',
      'a=rtcp-mux',
      `a=setup:${setup}`,
      `a=ice-ufrag:${ufrag}`,
      `a=ice-pwd:${password}`,
      `a=fingerprint:sha-256 ${fingerprint}`,
      ...own.map((attribute) => `a=${attribute}`),
      `a=candidate:1 1 udp 2113937151 ${address} ${port} typ host`,
      'a=end-of-candidates',
    );
  }
  return `${lines.join('\r\n')}\r\n`;
}
