// Options of the stand-alone server for compose.yaml, kubernetes/ and stream-kit.service: everything else is at its default.
// Replace validateRequest by what knows your users: docs/access.md.
import { timingSafeEqual } from 'node:crypto';

const {
  ADVERTISE_URL,
  ANNOUNCED_ADDRESS = '',
  CLUSTER_SECRET = '',
  NODE_ID = '',
  REDIS_URL = '',
  TOKEN = '',
} = process.env;
if (TOKEN.length < 16) throw new Error('Expected a TOKEN of at least 16 characters in the environment');
const expected = Buffer.from(`Bearer ${TOKEN}`);

/** @param {string | undefined} given */
function isToken(given = '') {
  const bytes = Buffer.from(given);
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
}

export default {
  validateRequest: ({ headers }) => ({
    authorized: isToken(headers.authorization),
    callerId: 'operator',
    role: 'operator',
  }),
  // The address at which viewers reach this machine; a container does not know it.
  announcedAddresses: ANNOUNCED_ADDRESS === '' ? [] : [ANNOUNCED_ADDRESS],
  // GET /stream/healthz and /stream/healthz/ready, without the token.
  health: true,
  // GET /stream/metrics, with the token.
  metrics: true,
  ...(REDIS_URL === ''
    ? {}
    : {
        cluster: { redis: REDIS_URL, nodeId: NODE_ID, advertiseUrl: ADVERTISE_URL, secret: CLUSTER_SECRET },
      }),
};
