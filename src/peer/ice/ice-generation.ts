import { asKnownConnection } from '../werift/werift-ice-connection.js';

/**
 * Keeps checks that a viewer sends on its pairs of before an ICE restart out of the new one. They are answered, for media
 * may go that way until there is another; but werift (0.24.4) would make pairs of them, and take the user name that they
 * were for as its own in every check that it then sends, which the viewer refuses.
 *
 * @param connection - of a werift `RTCIceTransport`
 * @throws StreamKitError `internal` where werift is not as it is known here
 */
export function keepGenerationsApart(connection: unknown): void {
  const ice = asKnownConnection(connection);
  const checkIncoming = ice.checkIncoming.bind(ice);
  ice.checkIncoming = (message, from, protocol) => {
    // RFC 8445 section 7.2.2: our user name, a colon, and the viewer's.
    const username: unknown = message.getAttributeValue('USERNAME');
    if (typeof username === 'string' && username.split(':')[0] === ice.localUsername) {
      checkIncoming(message, from, protocol);
    }
  };
}
