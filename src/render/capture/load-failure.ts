import { StreamKitError } from '../../base/errors.js';

/** What to do, by Chromium's name of a network error or the error type of RFC 9209 that the egress proxy names. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/ERR_NAME_NOT_RESOLVED|^dns_/, 'check the host name of the targetUrl'],
  [
    /ERR_CERT_|ERR_SSL_/,
    'its certificate is not valid; hosts in page.ignoreCertificateErrors are not checked',
  ],
  [
    /^destination_ip_prohibited$|^http_request_denied$/,
    'the option targetPolicy does not permit its address',
  ],
  [/CONNECTION_REFUSED$|connection_refused/i, 'nothing listens at its address and port'],
  [/^proxy_configuration_error$/, 'the upstreamProxy does not connect to it'],
  [
    /ERR_TUNNEL_CONNECTION_FAILED/,
    'nothing that the option targetPolicy permits answers there, or the upstreamProxy does not connect to it',
  ],
  [/ERR_TOO_MANY_REDIRECTS/, 'it redirects in a circle'],
  [/ERR_ABORTED/, 'it has nothing to show, since it is a download or has no content (status 204)'],
  [
    /ERR_INVALID_AUTH_CREDENTIALS/,
    'it asks for a user name and a password, which page.httpCredentials gives',
  ],
];

/** Why a target could not be loaded, and what to do. @param error - what loading it has thrown. */
export function loadFailure(error: Error): StreamKitError {
  const [reason] = /net::ERR_[A-Z_]+|(?<=; error=)[a-z_]+/.exec(error.message) ?? ['it did not load in time'];
  const advice = ADVICE.find(([pattern]) => pattern.test(reason))?.[1];
  const message = `The page could not be loaded: ${reason}${advice === undefined ? '' : `, ${advice}`}`;
  return new StreamKitError('capture_failed', message, { cause: error });
}
