/** Where a STUN or TURN server is and how it is spoken to: RFC 7064 and RFC 7065. */
export interface IceServerLocation {
  readonly kind: 'stun' | 'turn';
  readonly host: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp' | 'tls';
}

const URL_FORM =
  /^(stun|turn)(s?):(?:\[([0-9a-f:.]+)\]|([^\s:/?[\]]+))(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i;
const PLAIN_PORT = 3478;
const TLS_PORT = 5349;

/** @returns undefined for what cannot be used from here: STUN over TLS, TURN over DTLS, and what is no such URL. */
export function readIceServerUrl(url: string): IceServerLocation | undefined {
  const match = URL_FORM.exec(url);
  if (match === null) return undefined;
  const [, scheme = '', secure, address, name, portText, transportText = ''] = match;
  const isSecure = secure !== '';
  const kind = scheme.toLowerCase() === 'stun' ? 'stun' : 'turn';
  const asked = transportText.toLowerCase();
  if (isSecure && (kind === 'stun' || asked === 'udp')) return undefined;
  const port = portText === undefined ? (isSecure ? TLS_PORT : PLAIN_PORT) : Number(portText);
  if (port === 0 || port > 0xffff) return undefined;
  const transport = isSecure ? 'tls' : asked === 'tcp' ? 'tcp' : 'udp';
  return { kind, host: address ?? name ?? '', port, transport };
}
