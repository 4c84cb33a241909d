// How many objects of the native media plane are open, counted at the calls that open and close them.
import { loadNativeAddon } from '../../dist/fanout/load-native-addon.js';

/** What each call closes; what has no such call, such as a consumer of a transport that closes, goes with its owner. */
const KINDS = [
  ['createEndpoint', 'closeEndpoint'],
  ['createProducer', 'closeProducer'],
  ['openMediaSocket', 'closeMediaSocket'],
];

/**
 * Counts from now on, in planes that are created after this call.
 *
 * @returns a function that gives the endpoints, producers and media sockets that are open; always 0 without the addon
 */
export function countNativeObjects() {
  const addon = loadNativeAddon();
  const open = new Set();
  if (addon === undefined) return () => 0;
  const { createPlane } = addon;
  let planes = 0;
  addon.createPlane = (...words) => {
    const plane = createPlane(...words);
    const number = planes++;
    for (const [opener, closer] of KINDS) {
      const [openOne, closeOne] = [plane[opener].bind(plane), plane[closer].bind(plane)];
      plane[opener] = (...parameters) => {
        const result = openOne(...parameters);
        open.add(`${number} ${opener} ${result.id ?? result}`);
        return result;
      };
      plane[closer] = (id) => {
        open.delete(`${number} ${opener} ${id}`);
        closeOne(id);
      };
    }
    return plane;
  };
  return () => open.size;
}
