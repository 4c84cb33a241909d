import { classes, Message, methods, RTCPeerConnection, type RTCIceTransport } from 'werift';

/** Of the viewer, in each {@link answerOf}. */
export const VIEWER_PASSWORD = 'a-password-of-the-viewer';

/** A peer that is about to send a video, and its one transport, which opens sockets at these addresses alone. */
export function openIce(...addresses: string[]): {
  connection: RTCPeerConnection;
  transport: RTCIceTransport;
} {
  const connection = new RTCPeerConnection({
    bundlePolicy: 'max-bundle',
    iceServers: [],
    iceUseIpv4: false,
    iceUseIpv6: false,
    iceAdditionalHostAddresses: addresses,
  });
  const { iceTransport } = connection.addTransceiver('video', { direction: 'sendonly' }).dtlsTransport;
  delete iceTransport.connection.stunServer;
  return { connection, transport: iceTransport };
}

/** Offers, and gives the offer with what has been found meanwhile. */
export async function offerOf(connection: RTCPeerConnection, iceRestart = false): Promise<string> {
  const { sdp } = await connection.createOffer({ iceRestart });
  await connection.setLocalDescription({ type: 'offer', sdp });
  return connection.localDescription?.sdp ?? '';
}

/** What a viewer without candidates answers to an offer. */
export function answerOf(offer: string, usernameFragment: string): { type: 'answer'; sdp: string } {
  const sdp = offer
    .replaceAll('a=setup:actpass', 'a=setup:active')
    .replaceAll('a=sendonly', 'a=recvonly')
    .replaceAll(/a=(candidate:|end-of-candidates).*\r\n/g, '')
    .replaceAll(/a=ice-ufrag:.*\r/g, `a=ice-ufrag:${usernameFragment}\r`)
    .replaceAll(/a=ice-pwd:.*\r/g, `a=ice-pwd:${VIEWER_PASSWORD}\r`);
  return { type: 'answer', sdp };
}

/** The viewer's response to a check. @param port - from which it came, as the viewer saw it. */
export function responseTo({ transactionId }: Pick<Message, 'transactionId'>, port: number): Buffer {
  return new Message(methods.BINDING, classes.RESPONSE, transactionId)
    .setAttribute('XOR-MAPPED-ADDRESS', ['127.0.0.1', port])
    .addMessageIntegrity(Buffer.from(VIEWER_PASSWORD))
    .addFingerprint().bytes;
}
