#include "gcm_sealer.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <string_view>

#include "prefetch.h"

namespace streamkit {
namespace {

constexpr std::string_view kName = "AES-128-GCM";
/** Somewhat more than what the provider of OpenSSL 3.0 to 3.5 keeps. */
constexpr size_t kContextBytes = 16 * kCacheLineBytes;

struct Functions {
  /** Never freed: it holds a reference to the provider. */
  const EVP_CIPHER* cipher = nullptr;
  void* provider = nullptr;
  OSSL_FUNC_cipher_newctx_fn* create = nullptr;
  OSSL_FUNC_cipher_freectx_fn* free = nullptr;
  OSSL_FUNC_cipher_encrypt_init_fn* begin = nullptr;
  OSSL_FUNC_cipher_update_fn* update = nullptr;
  OSSL_FUNC_cipher_final_fn* end = nullptr;
  OSSL_FUNC_cipher_get_ctx_params_fn* get = nullptr;

  bool complete() const {
    return create != nullptr && free != nullptr && begin != nullptr && update != nullptr && end != nullptr &&
           get != nullptr;
  }
};

/** Whether the colon-separated names contain kName. */
bool isNamed(std::string_view names) {
  while (!names.empty()) {
    const size_t end = names.find(':');
    if (names.substr(0, end) == kName) {
      return true;
    }
    names = end == std::string_view::npos ? std::string_view{} : names.substr(end + 1);
  }
  return false;
}

Functions functionsOf(const OSSL_ALGORITHM& algorithm) {
  Functions functions;
  for (const OSSL_DISPATCH* each = algorithm.implementation; each->function_id != 0; each += 1) {
    switch (each->function_id) {
      case OSSL_FUNC_CIPHER_NEWCTX:
        functions.create = OSSL_FUNC_cipher_newctx(each);
        break;
      case OSSL_FUNC_CIPHER_FREECTX:
        functions.free = OSSL_FUNC_cipher_freectx(each);
        break;
      case OSSL_FUNC_CIPHER_ENCRYPT_INIT:
        functions.begin = OSSL_FUNC_cipher_encrypt_init(each);
        break;
      case OSSL_FUNC_CIPHER_UPDATE:
        functions.update = OSSL_FUNC_cipher_update(each);
        break;
      case OSSL_FUNC_CIPHER_FINAL:
        functions.end = OSSL_FUNC_cipher_final(each);
        break;
      case OSSL_FUNC_CIPHER_GET_CTX_PARAMS:
        functions.get = OSSL_FUNC_cipher_get_ctx_params(each);
        break;
      default:
        break;
    }
  }
  return functions;
}

Functions findFunctions() {
  const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, kName.data(), nullptr);
  const OSSL_PROVIDER* const provider = cipher == nullptr ? nullptr : EVP_CIPHER_get0_provider(cipher);
  if (provider == nullptr) {
    ERR_clear_error();
    return {};
  }
  int uncached = 0;
  const OSSL_ALGORITHM* const algorithms = OSSL_PROVIDER_query_operation(provider, OSSL_OP_CIPHER, &uncached);
  Functions functions;
  for (const OSSL_ALGORITHM* each = algorithms; each != nullptr && each->algorithm_names != nullptr;
       each += 1) {
    if (isNamed(each->algorithm_names)) {
      functions = functionsOf(*each);
      break;
    }
  }
  OSSL_PROVIDER_unquery_operation(provider, OSSL_OP_CIPHER, algorithms);
  functions.cipher = cipher;
  functions.provider = OSSL_PROVIDER_get0_provider_ctx(provider);
  return functions;
}

const Functions& functions() {
  static const Functions found = findFunctions();
  return found;
}

}  // namespace

void GcmSealer::Free::operator()(void* context) const {
  functions().free(context);
}

std::optional<GcmSealer> GcmSealer::create(std::span<const uint8_t, 16> key) {
  const Functions& gcm = functions();
  void* const context = gcm.complete() ? gcm.create(gcm.provider) : nullptr;
  if (context == nullptr) {
    return std::nullopt;
  }
  GcmSealer sealer(context);
  if (gcm.begin(context, key.data(), key.size(), nullptr, 0, nullptr) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return sealer;
}

bool GcmSealer::seal(std::span<const uint8_t, kIvBytes> iv, std::initializer_list<Bytes> associated,
                     std::initializer_list<Bytes> parts, uint8_t* out) {
  const Functions& gcm = functions();
  void* const context = context_.get();
  size_t written = 0;
  if (gcm.begin(context, nullptr, 0, iv.data(), iv.size(), nullptr) != 1) {
    return false;
  }
  for (const Bytes part : associated) {
    if (!part.empty() && gcm.update(context, nullptr, &written, part.size(), part.data(), part.size()) != 1) {
      return false;
    }
  }
  for (const Bytes part : parts) {
    if (part.empty()) {
      continue;
    }
    if (gcm.update(context, out, &written, part.size(), part.data(), part.size()) != 1 ||
        written != part.size()) {
      return false;
    }
    out += written;
  }
  if (gcm.end(context, out, &written, kTagBytes) != 1) {
    return false;
  }
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, out, kTagBytes),
                             OSSL_PARAM_construct_end()};
  return gcm.get(context, parameters) == 1;
}

void GcmSealer::prefetch() const {
  prefetchLines(context_.get(), kContextBytes);
}

}  // namespace streamkit
