#pragma once

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstring>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace bench {

/** The socket receives several datagrams of one sender at once, where the kernel can do that. */
inline void mergeDatagrams(int descriptor) {
  const int on = 1;
  setsockopt(descriptor, SOL_UDP, UDP_GRO, &on, sizeof on);
}

/** Bytes of each datagram but the last, which may be shorter. @param size of all that was received */
inline size_t segmentBytesOf(msghdr& message, size_t size) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level == SOL_UDP && each->cmsg_type == UDP_GRO) {
      int merged = 0;
      std::memcpy(&merged, CMSG_DATA(each), sizeof merged);
      return merged > 0 ? static_cast<size_t>(merged) : size;
    }
  }
  return size;
}

}  // namespace bench
