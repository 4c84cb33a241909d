#include "core/gcm_sealer.h"

#include <openssl/evp.h>

#include <random>

#include "test.h"

namespace streamkit::test {
namespace {

/** The same by EVP, as one piece. */
std::vector<uint8_t> sealedByEvp(std::span<const uint8_t, 16> key, std::span<const uint8_t, 12> iv,
                                 Bytes associated, Bytes payload) {
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  std::vector<uint8_t> sealed(payload.size() + 16);
  int written = 0;
  EXPECT_EQ(EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nullptr, key.data(), iv.data()), 1);
  EXPECT_EQ(
      EVP_EncryptUpdate(context, nullptr, &written, associated.data(), static_cast<int>(associated.size())),
      1);
  EXPECT_EQ(
      EVP_EncryptUpdate(context, sealed.data(), &written, payload.data(), static_cast<int>(payload.size())),
      1);
  EXPECT_EQ(EVP_EncryptFinal_ex(context, sealed.data() + payload.size(), &written), 1);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, sealed.data() + payload.size()), 1);
  EVP_CIPHER_CTX_free(context);
  return sealed;
}

}  // namespace

TEST("the provider's functions seal as EVP does, whatever the lengths and however often") {
  std::mt19937 random(3);
  const auto fill = [&random](std::span<uint8_t> bytes) {
    for (uint8_t& each : bytes) {
      each = static_cast<uint8_t>(random());
    }
  };
  for (int keys = 0; keys < 4; keys += 1) {
    std::array<uint8_t, 16> key;
    fill(key);
    auto sealer = GcmSealer::create(key);
    // Where OpenSSL has no such functions, SRTP goes by EVP alone; here it has.
    EXPECT(sealer.has_value());
    for (size_t i = 0; i < 400; i += 1) {
      std::array<uint8_t, 12> iv;
      fill(iv);
      std::vector<uint8_t> associated(1 + random() % 90);
      std::vector<uint8_t> payload(1 + random() % 1400);
      fill(associated);
      fill(payload);
      const Bytes all(payload);
      const size_t first = random() % (payload.size() + 1);
      const size_t second = random() % (payload.size() - first + 1);
      std::vector<uint8_t> sealed(payload.size() + GcmSealer::kTagBytes + 1, 0xa5);
      EXPECT(sealer->seal(iv, {associated},
                          {all.first(first), all.subspan(first, second), all.subspan(first + second)},
                          sealed.data()));
      EXPECT_EQ(sealed.back(), 0xa5);
      sealed.pop_back();
      EXPECT(sealed == sealedByEvp(key, iv, associated, payload));
    }
  }
}

}  // namespace streamkit::test
