import { expect, it } from 'vitest';

import { loadFailure } from '../../../../src/render/capture/load-failure.js';

it.each([
  ['net::ERR_NAME_NOT_RESOLVED', 'check the host name'],
  ['egress; error=dns_timeout', 'check the host name'],
  ['net::ERR_CERT_DATE_INVALID', 'page.ignoreCertificateErrors'],
  ['egress; error=destination_ip_prohibited', 'targetPolicy'],
  ['egress; error=connection_refused', 'nothing listens'],
  ['egress; error=proxy_configuration_error', 'upstreamProxy'],
  ['net::ERR_TUNNEL_CONNECTION_FAILED', 'upstreamProxy'],
  ['net::ERR_ABORTED', 'download or has no content'],
  ['net::ERR_INVALID_AUTH_CREDENTIALS', 'page.httpCredentials'],
  ['Timed out after 5000 ms', 'it did not load in time'],
])('a page that is not loaded because of %s is refused with what to do: %s', (message, advice) => {
  const { code, message: sentence } = loadFailure(new Error(message));
  expect(code).toBe('capture_failed');
  expect(sentence).toContain(advice);
});
