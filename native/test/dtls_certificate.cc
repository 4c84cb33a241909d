#include "dtls_certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>

namespace streamkit::test {
namespace {

std::string textOf(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(memory);
  return text;
}

}  // namespace

Certificate makeCertificate(bool isRsa, const std::string& names, long endsInSeconds) {
  EVP_PKEY* const key = isRsa ? EVP_RSA_gen(4096) : EVP_EC_gen("P-256");
  X509* const x509 = X509_new();
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), -86'400);
  X509_gmtime_adj(X509_getm_notAfter(x509), endsInSeconds);
  X509_NAME* const name = X509_get_subject_name(x509);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const uint8_t*>("test"), -1, -1, 0);
  X509_set_issuer_name(x509, name);
  X509_set_pubkey(x509, key);
  if (!names.empty()) {
    X509_EXTENSION* const extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(x509, key, EVP_sha256());
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  X509_digest(x509, EVP_sha256(), digest, &size);
  Certificate made;
  made.fingerprint = "sha-256 ";
  for (unsigned i = 0; i < size; i += 1) {
    char hex[4];
    std::snprintf(hex, sizeof hex, i == 0 ? "%02X" : ":%02X", digest[i]);
    made.fingerprint += hex;
  }
  BIO* const certificatePem = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificatePem, x509);
  made.certificatePem = textOf(certificatePem);
  BIO* const keyPem = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(keyPem, key, nullptr, nullptr, 0, nullptr, nullptr);
  made.keyPem = textOf(keyPem);
  X509_free(x509);
  EVP_PKEY_free(key);
  return made;
}

}  // namespace streamkit::test
