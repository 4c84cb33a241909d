#include "srtp_receiver.h"

#include <cstring>

#include "byte_order.h"

namespace bench {

namespace {

constexpr size_t kTagBytes = 16;
constexpr size_t kRtcpHeaderBytes = 8;
constexpr size_t kRtcpIndexBytes = 4;
constexpr uint32_t kRtcpEncrypted = 0x80000000U;

// RFC 3711 section 4.3.2.
enum Label : uint8_t { rtpKey = 0, rtpSalt = 2, rtcpKey = 3, rtcpSalt = 5 };

/** RFC 3711 section 4.3.1 and 4.3.3; RFC 7714 section 11: a salt of 12 bytes stands at the front of the 14.
 */
void derive(const std::array<uint8_t, 16>& masterKey, const std::array<uint8_t, 12>& masterSalt, Label label,
            uint8_t* out, int bytes) {
  uint8_t counter[16] = {};
  std::memcpy(counter, masterSalt.data(), masterSalt.size());
  counter[7] ^= label;
  const uint8_t zeros[16] = {};
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int written = 0;
  EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), nullptr, masterKey.data(), counter);
  EVP_EncryptUpdate(context, out, &written, zeros, bytes);
  EVP_CIPHER_CTX_free(context);
}

EVP_CIPHER_CTX* cipherOf(const std::array<uint8_t, 16>& key, const std::array<uint8_t, 12>& salt, Label label,
                         bool seal) {
  uint8_t session[16];
  derive(key, salt, label, session, sizeof session);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_CipherInit_ex(context, EVP_aes_128_gcm(), nullptr, session, nullptr, seal ? 1 : 0);
  return context;
}

/** RFC 7714 section 8.1. */
void rtpIv(const std::array<uint8_t, 12>& salt, uint32_t ssrc, uint32_t rollOver, uint16_t sequence,
           uint8_t* iv) {
  iv[0] = iv[1] = 0;
  writeU32(iv + 2, ssrc);
  writeU32(iv + 6, rollOver);
  writeU16(iv + 10, sequence);
  for (size_t i = 0; i < salt.size(); i++)
    iv[i] ^= salt[i];
}

/** RFC 7714 section 9.1. */
void rtcpIv(const std::array<uint8_t, 12>& salt, uint32_t ssrc, uint32_t index, uint8_t* iv) {
  iv[0] = iv[1] = iv[6] = iv[7] = 0;
  writeU32(iv + 2, ssrc);
  writeU32(iv + 8, index);
  for (size_t i = 0; i < salt.size(); i++)
    iv[i] ^= salt[i];
}

}  // namespace

SrtpReceiver::SrtpReceiver(const SrtpKeys& keys)
    : rtp_(cipherOf(keys.remoteKey, keys.remoteSalt, rtpKey, false)),
      rtcpIn_(cipherOf(keys.remoteKey, keys.remoteSalt, rtcpKey, false)),
      rtcpOut_(cipherOf(keys.localKey, keys.localSalt, rtcpKey, true)) {
  derive(keys.remoteKey, keys.remoteSalt, rtpSalt, rtpSalt_.data(), 12);
  derive(keys.remoteKey, keys.remoteSalt, rtcpSalt, rtcpInSalt_.data(), 12);
  derive(keys.localKey, keys.localSalt, rtcpSalt, rtcpOutSalt_.data(), 12);
}

SrtpReceiver::~SrtpReceiver() {
  EVP_CIPHER_CTX_free(rtp_);
  EVP_CIPHER_CTX_free(rtcpIn_);
  EVP_CIPHER_CTX_free(rtcpOut_);
}

int SrtpReceiver::openRtp(const uint8_t* packet, size_t size, size_t headerBytes, uint32_t rollOver,
                          uint8_t* payload) {
  if (size < headerBytes + kTagBytes)
    return -1;
  uint8_t iv[12];
  rtpIv(rtpSalt_, readU32(packet + 8), rollOver, readU16(packet + 2), iv);
  uint8_t tag[kTagBytes];
  std::memcpy(tag, packet + size - kTagBytes, kTagBytes);
  const int sealed = static_cast<int>(size - headerBytes - kTagBytes);
  int written = 0;
  EVP_DecryptInit_ex(rtp_, nullptr, nullptr, nullptr, iv);
  EVP_CIPHER_CTX_ctrl(rtp_, EVP_CTRL_GCM_SET_TAG, kTagBytes, tag);
  EVP_DecryptUpdate(rtp_, nullptr, &written, packet, static_cast<int>(headerBytes));
  EVP_DecryptUpdate(rtp_, payload, &written, packet + headerBytes, sealed);
  int rest = 0;
  if (EVP_DecryptFinal_ex(rtp_, payload + written, &rest) != 1)
    return -1;
  // RFC 3550 section 5.1: the last byte counts the padding.
  const int padding = (packet[0] & 0x20) != 0 && sealed > 0 ? payload[sealed - 1] : 0;
  return padding <= sealed ? sealed - padding : -1;
}

bool SrtpReceiver::openRtcp(uint8_t* packet, size_t& size) {
  if (size < kRtcpHeaderBytes + kTagBytes + kRtcpIndexBytes)
    return false;
  const uint8_t* indexField = packet + size - kRtcpIndexBytes;
  const uint32_t indexWord = readU32(indexField);
  if ((indexWord & kRtcpEncrypted) == 0)
    return false;
  uint8_t iv[12];
  rtcpIv(rtcpInSalt_, readU32(packet + 4), indexWord & ~kRtcpEncrypted, iv);
  const size_t sealed = size - kRtcpHeaderBytes - kTagBytes - kRtcpIndexBytes;
  int written = 0;
  EVP_DecryptInit_ex(rtcpIn_, nullptr, nullptr, nullptr, iv);
  EVP_CIPHER_CTX_ctrl(rtcpIn_, EVP_CTRL_GCM_SET_TAG, kTagBytes, packet + kRtcpHeaderBytes + sealed);
  EVP_DecryptUpdate(rtcpIn_, nullptr, &written, packet, kRtcpHeaderBytes);
  EVP_DecryptUpdate(rtcpIn_, nullptr, &written, indexField, kRtcpIndexBytes);
  EVP_DecryptUpdate(rtcpIn_, packet + kRtcpHeaderBytes, &written, packet + kRtcpHeaderBytes,
                    static_cast<int>(sealed));
  int rest = 0;
  if (EVP_DecryptFinal_ex(rtcpIn_, packet + kRtcpHeaderBytes + written, &rest) != 1)
    return false;
  size = kRtcpHeaderBytes + sealed;
  return true;
}

void SrtpReceiver::sealRtcp(std::vector<uint8_t>& compound) {
  const uint32_t index = rtcpIndex_++;
  uint8_t indexField[kRtcpIndexBytes];
  writeU32(indexField, index | kRtcpEncrypted);
  uint8_t iv[12];
  rtcpIv(rtcpOutSalt_, readU32(compound.data() + 4), index, iv);
  const int plain = static_cast<int>(compound.size() - kRtcpHeaderBytes);
  uint8_t* body = compound.data() + kRtcpHeaderBytes;
  int written = 0;
  EVP_EncryptInit_ex(rtcpOut_, nullptr, nullptr, nullptr, iv);
  EVP_EncryptUpdate(rtcpOut_, nullptr, &written, compound.data(), kRtcpHeaderBytes);
  EVP_EncryptUpdate(rtcpOut_, nullptr, &written, indexField, kRtcpIndexBytes);
  EVP_EncryptUpdate(rtcpOut_, body, &written, body, plain);
  int rest = 0;
  EVP_EncryptFinal_ex(rtcpOut_, body + written, &rest);
  uint8_t tag[kTagBytes];
  EVP_CIPHER_CTX_ctrl(rtcpOut_, EVP_CTRL_GCM_GET_TAG, kTagBytes, tag);
  compound.insert(compound.end(), tag, tag + kTagBytes);
  compound.insert(compound.end(), indexField, indexField + kRtcpIndexBytes);
}

}  // namespace bench
