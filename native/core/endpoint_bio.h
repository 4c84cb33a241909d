#pragma once

#include <openssl/bio.h>

#include "bytes.h"

namespace streamkit {

/**
 * The transport of an SSL object that has no socket: it reads from its owner and writes to it.
 *
 * @tparam Owner has `take(MutableBytes to)`, which moves there what has come and returns how many bytes, 0
 *     for none; and `written(Bytes bytes)`, which is given what is to be sent
 */
template <typename Owner>
class EndpointBio {
 public:
  /** @param owner outlives it @returns null if there is no memory */
  static BIO* create(Owner& owner) {
    BIO* const bio = method() == nullptr ? nullptr : BIO_new(method());
    if (bio != nullptr) {
      BIO_set_data(bio, &owner);
    }
    return bio;
  }

 private:
  static Owner& of(BIO* bio) { return *static_cast<Owner*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* to, int size) {
    BIO_clear_retry_flags(bio);
    const size_t bytes =
        size <= 0 ? 0 : of(bio).take(MutableBytes(reinterpret_cast<uint8_t*>(to), static_cast<size_t>(size)));
    if (bytes == 0) {
      BIO_set_retry_read(bio);
      return -1;
    }
    return static_cast<int>(bytes);
  }

  static int write(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    if (size > 0) {
      of(bio).written(Bytes(reinterpret_cast<const uint8_t*>(from), static_cast<size_t>(size)));
    }
    return size;
  }

  static long control(BIO*, int command, long, void*) {
    // The sizes of DTLS are set by SSL_set_mtu(), as bytes of UDP payload.
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static int initialize(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }

  /** Made once for the process, and never freed. Null if there is no memory. */
  static const BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* const fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "endpoint");
      if (fresh != nullptr) {
        BIO_meth_set_read(fresh, read);
        BIO_meth_set_write(fresh, write);
        BIO_meth_set_ctrl(fresh, control);
        BIO_meth_set_create(fresh, initialize);
      }
      return fresh;
    }();
    return made;
  }
};

}  // namespace streamkit
