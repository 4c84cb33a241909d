#pragma once

#include <memory>
#include <string>

#include "core/dtls_context.h"

namespace streamkit::test {

/** A self-signed certificate with its key, as PEM, and its fingerprint as in SDP. */
struct Certificate {
  std::string certificatePem;
  std::string keyPem;
  std::string fingerprint;
};

/**
 * @param isRsa an RSA key, whose certificate is some times larger, in place of P-256
 * @param names of a server, as OpenSSL writes them: DNS:example.org,IP:192.0.2.1
 * @param endsInSeconds negative: it has expired
 */
Certificate makeCertificate(bool isRsa = false, const std::string& names = {}, long endsInSeconds = 86'400);

inline std::shared_ptr<DtlsContext> contextOf(const Certificate& certificate) {
  return DtlsContext::create(certificate.certificatePem, certificate.keyPem);
}

}  // namespace streamkit::test
