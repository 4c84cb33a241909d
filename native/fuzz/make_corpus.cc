#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <string>

#include "core/rtcp_builder.h"
#include "core/rtp_header.h"
#include "core/srtp_sender.h"
#include "test/media_frame_builder.h"
#include "test/stun_message_builder.h"
#include "test/turn_message.h"

// Writes what the code's own builders make, one file each, as a start for the fuzz targets. The files of the
// corpus that are named chromium-* are what a Chromium sent as a viewer: STUN and DTLS as they came, RTCP
// after SRTCP was taken off (for the target that puts it on again), while 3 % of its packets were withheld.

namespace {

using namespace streamkit;

std::string folder;

void write(const std::string& target, const std::string& name, Bytes bytes) {
  mkdir((folder + "/" + target).c_str(), 0777);
  std::FILE* const file = std::fopen((folder + "/" + target + "/built-" + name).c_str(), "wb");
  if (file != nullptr) {
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fclose(file);
  }
}

std::vector<uint8_t> asDatagram(Bytes bytes) {
  std::vector<uint8_t> record(2 + bytes.size());
  writeU16(record.data(), static_cast<uint16_t>(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), record.begin() + 2);
  return record;
}

void everywhere(const std::string& target, const std::string& name, Bytes bytes) {
  write(target, name, bytes);
  write("demux", name, asDatagram(bytes));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: make_corpus FOLDER\n");
    return 1;
  }
  folder = arguments[1];
  mkdir(folder.c_str(), 0777);

  test::StunMessageBuilder request(StunClass::kRequest, {1, 2, 3});
  request.username("ours:theirs").useCandidate().integrity("our-password").fingerprint();
  everywhere("stun", "request", request.bytes());
  test::StunMessageBuilder response(StunClass::kSuccess, {1});
  response.integrity("their-password").fingerprint();
  everywhere("stun", "response", response.bytes());

  const RtpHeaderTemplate header("0", {1, 2, 3, 4}, 100);
  std::vector<uint8_t> rtp(header.size() + 40);
  header.write({}, rtp.data());
  everywhere("rtp", "extensions", rtp);

  std::array<uint8_t, kMaxBuiltRtcpBytes> buffer;
  const Bytes built(buffer);
  const std::array<uint32_t, 2> ssrcs{0x1000, 0x1001};
  const std::vector<std::pair<std::string, std::vector<uint8_t>>> compounds = {
      {"sr",
       [&] {
         const Bytes sr = built.first(buildSenderReport({}, "cname", buffer));
         return std::vector<uint8_t>(sr.begin(), sr.end());
       }()},
      {"bye",
       [&] {
         const Bytes bye = built.first(buildBye(ssrcs, "cname", buffer));
         return std::vector<uint8_t>(bye.begin(), bye.end());
       }()},
      {"nack", {0x81, 0xcd, 0, 3, 0, 0, 0, 1, 0, 0, 0x10, 0, 0x10, 0, 0xff, 0xff}},
      {"pli", {0x81, 0xce, 0, 2, 0, 0, 0, 1, 0, 0, 0x10, 0}},
      {"fir", {0x84, 0xce, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x10, 0, 7, 0, 0, 0}},
      {"remb",
       {0x8f, 0xce, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1, 10, 0x45, 0x67, 0, 0, 0x10, 0}},
      {"feedback",
       {0xaf, 0xcd, 0, 6, 0, 0, 0, 1, 0, 0, 0x10, 0, 0, 0, 0, 4, 0, 0, 1, 0, 0xac, 0, 4, 8, 0x0c, 0, 0, 3}},
      {"report", {0x81, 0xc9, 0, 7, 0, 0, 0, 1,    0,    0,    0x10, 0,    0x40, 0xff, 0xff, 0xfe,
                  0,    1,    0, 2, 0, 0, 3, 0xe8, 0x11, 0x11, 0x22, 0x22, 0,    0,    0x80, 0}},
  };
  auto sender = SrtpSender::create(SrtpProfile::kAes128CmSha1_80, {});
  for (const auto& [name, compound] : compounds) {
    write("rtcp", name, compound);
    write("srtcp", name, compound);
    std::vector<uint8_t> packet(compound.size() + sender->rtcpOverheadBytes());
    if (sender->protectRtcp(compound, packet.data())) {
      write("demux", name, asDatagram(packet));
    }
  }

  // Before each stream: in which pieces it arrives.
  std::vector<uint8_t> stream{99};
  for (const auto& frame : {test::mediaFrame(0, true, {3, 1, 700}), test::mediaFrame(15, false, {1380})}) {
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  write("media_frame", "two", stream);
  write("stream", "packets", std::vector<uint8_t>{3, 0, 2, 1, 1, 0, 0, 0, 5, 1, 2, 3, 4, 5});
  write("stream", "too_long", std::vector<uint8_t>{0, 0, 1, 7, 0xff, 0xff, 1});

  const auto channel = test::channelData(0x4001, compounds[0].second);
  const auto indication = test::dataIndication(*SocketAddress::fromText("192.0.2.1", 5000), request.bytes());
  const auto inPieces = [](std::initializer_list<Bytes> messages) {
    std::vector<uint8_t> bytes{30};
    for (const Bytes message : messages) {
      bytes.insert(bytes.end(), message.begin(), message.end());
    }
    return bytes;
  };
  write("relayed", "channel", inPieces({channel}));
  write("relayed", "indication", inPieces({indication}));
  write("relayed", "stream", inPieces({channel, indication, channel}));

  // Each byte says what becomes of a datagram of a handshake; what is left is one more.
  write("dtls", "undisturbed", std::vector<uint8_t>(16));
  write("dtls", "cut", std::vector<uint8_t>{2, 0, 2, 0});
  write("dtls", "lost", std::vector<uint8_t>{7, 0, 7, 7, 0});
  write("dtls", "changed", std::vector<uint8_t>{1, 10, 255, 0, 1, 30, 1, 1, 3, 128});
  return 0;
}
