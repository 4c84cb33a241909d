// What a viewer of the load generator needs of an offer, and its answer. Reads ours and Janus' alike.

const TRANSPORT_WIDE_CC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';

const values = (lines, name) =>
  lines.filter((line) => line.startsWith(`a=${name}:`)).map((line) => line.slice(name.length + 3));

export function readOffer(sdp) {
  const [session, ...sections] = sdp.split(/\r?\n(?=m=)/).map((part) => part.split(/\r?\n/));
  const media = sections.map((lines) => ({
    kind: lines[0].slice(2).split(' ')[0],
    line: lines[0],
    mid: values(lines, 'mid')[0],
    ssrcs: [...new Set(values(lines, 'ssrc').map((value) => Number(value.split(' ')[0])))],
    formats: lines.filter((line) => /^a=(rtpmap|fmtp|rtcp-fb|extmap):/.test(line)),
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
export function writeAnswer(offer, { ufrag, password, address, port, fingerprint }) {
  const lines = [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${offer.media.map(({ mid }) => mid).join(' ')}`,
  ];
  for (const { kind, line, mid, formats } of offer.media) {
    lines.push(
      `m=${kind} 9 UDP/TLS/RTP/SAVPF ${line.split(' ').slice(3).join(' ')}`,
      'c=IN IP4 127.0.0.1',
      `a=mid:${mid}`,
      'a=recvonly',
      'a=rtcp-mux',
      'a=setup:active',
      `a=ice-ufrag:${ufrag}`,
      `a=ice-pwd:${password}`,
      `a=fingerprint:sha-256 ${fingerprint}`,
      ...formats,
      `a=candidate:1 1 udp 2113937151 ${address} ${port} typ host`,
      'a=end-of-candidates',
    );
  }
  return `${lines.join('\r\n')}\r\n`;
}
