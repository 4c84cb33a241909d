import { classes, Message, methods } from 'werift';

/** A check of one who claims our role and has the greater number (RFC 8445 section 7.3.1.1), not signed. */
export function stunCheck(username: string): Message {
  return new Message(methods.BINDING, classes.REQUEST)
    .setAttribute('USERNAME', username)
    .setAttribute('PRIORITY', 1)
    .setAttribute('ICE-CONTROLLING', 2n ** 64n - 1n);
}
