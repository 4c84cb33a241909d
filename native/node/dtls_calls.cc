#include "plane_calls.h"

namespace streamkit::calls {

napi_value setCertificate(Plane& plane, Arguments& arguments) {
  const std::string certificate = arguments.text(0);
  const std::string key = arguments.text(1);
  if (arguments.failed()) {
    return nullptr;
  }
  if (!plane.open()) {
    return arguments.fail("ERR_PLANE_CLOSED", "The media plane is closed");
  }
  auto context = DtlsContext::create(certificate, key);
  if (context == nullptr) {
    return arguments.fail("ERR_CRYPTO_OPERATION_FAILED",
                          "OpenSSL could not set up DTLS with this certificate and key");
  }
  plane.thread().post([context](MediaCore& core, int64_t) { core.setDtlsContext(context); });
  return nullptr;
}

napi_value startDtls(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const std::string role = arguments.text(1);
  const std::string text = arguments.text(2);
  if (arguments.failed()) {
    return nullptr;
  }
  if (role != "server" && role != "client") {
    return arguments.fail("ERR_INVALID_ARG_VALUE",
                          "Expected server or client for the DTLS role but received " + role);
  }
  const auto fingerprints = DtlsFingerprints::parse(text);
  if (!fingerprints.has_value()) {
    return arguments.fail("ERR_INVALID_ARG_VALUE",
                          "Expected certificate fingerprints of SHA-256, SHA-384 or SHA-512, one per line");
  }
  if (plane.endpoints.contains(id)) {
    plane.thread().post(
        [id, fingerprints = *fingerprints,
         dtlsRole = role == "server" ? DtlsRole::kServer : DtlsRole::kClient](
            MediaCore& core, int64_t nowUs) { core.startDtls(id, dtlsRole, fingerprints, nowUs); });
  }
  return nullptr;
}

napi_value sendDtls(Plane& plane, Arguments& arguments) {
  const uint32_t id = arguments.id(0);
  const Bytes data = arguments.bytes(1);
  if (arguments.failed()) {
    return nullptr;
  }
  if (data.size() > DtlsEndpoint::kMaxDataBytes) {
    return arguments.fail("EMSGSIZE", "Expected at most " + std::to_string(DtlsEndpoint::kMaxDataBytes) +
                                          " bytes of data but received " + std::to_string(data.size()));
  }
  if (plane.endpoints.contains(id)) {
    plane.thread().postDtls(id, data);
  }
  return nullptr;
}

}  // namespace streamkit::calls
