#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dtls_client.h"
#include "ice_client.h"
#include "reception_log.h"
#include "rtcp_reporter.h"
#include "srtp_receiver.h"
#include "viewer_socket.h"

namespace bench {

/** What the server's description says of itself and of the viewer's streams. */
struct ViewerParameters {
  IceCredentials remote;
  std::string remoteFingerprint;
  uint32_t videoSsrc = 0;
  /** 0: none. */
  uint32_t rtxSsrc = 0;
  /** 0: none. */
  uint32_t audioSsrc = 0;
  /** Id of the transport-wide sequence number's header extension; 0: no feedback. */
  uint8_t transportWideCcId = 0;
};

struct GeneratorOptions {
  /** An address of this machine: nothing leaves it. */
  in_addr address{};
  bool gro = false;
  int receiveBufferBytes = 1 << 20;
  /** One video packet in so many is decrypted and looked at. */
  uint32_t sampleEvery = 16;
  int64_t feedbackIntervalUs = 50'000;
  int64_t reportIntervalUs = 1'000'000;
};

/** The counts of one viewer, or the sums over many. */
struct ViewerCounts {
  ReceptionCounts video;
  ReceptionCounts audio;
  uint64_t rtxPackets = 0;
  uint64_t sampled = 0;
  uint64_t sampleFailures = 0;
  uint64_t strangePackets = 0;
  uint64_t senderReports = 0;
  uint64_t rtcpFailures = 0;
  uint64_t rtcpSent = 0;
  uint64_t checksAnswered = 0;
  uint32_t overflowed = 0;
};

/** One viewer as the server sees it: ICE, DTLS, and a receiver of SRTP that counts instead of decoding. */
class Viewer {
 public:
  enum class State : uint8_t { connecting, connected, failed, closed };

  Viewer(const GeneratorOptions& options, const DtlsContext& context);

  const IceCredentials& credentials() const { return ice_.local(); }
  const ViewerSocket& socket() const { return socket_; }
  /** Once, before any candidate. */
  void setRemote(ViewerParameters parameters);
  void addRemoteCandidate(const sockaddr_in& address) { ice_.addRemoteCandidate(address); }
  void receive(const Arrival& arrival);
  void onTimer(int64_t nowUs);
  void requestKeyframe();
  void leave();

  State state() const;
  ViewerCounts counts() const;
  void restartCounts();
  /** CLOCK_MONOTONIC µs; 0: not yet. */
  int64_t connectedUs() const { return connectedUs_; }
  int64_t firstPacketUs() const { return firstPacketUs_; }
  /** When the first keyframe was there in full, parameter sets included. */
  int64_t firstKeyframeUs() const { return firstKeyframeUs_; }

 private:
  void receiveDatagram(uint8_t* data, size_t size, const sockaddr_in& from, int64_t nowUs);
  void receiveRtp(const uint8_t* data, size_t size, int64_t nowUs);
  void receiveVideo(const uint8_t* data, size_t size, size_t headerBytes, int64_t nowUs);
  void receiveRtx(const uint8_t* data, size_t size, size_t headerBytes);
  void receiveRtcp(uint8_t* data, size_t size, int64_t nowUs);
  void look(const uint8_t* payload, size_t size);
  void followKeyframe(const uint8_t* payload, size_t size, uint16_t sequence, bool marker, int64_t nowUs);
  void sendRtcp(std::vector<uint8_t> compound);

  const GeneratorOptions& options_;
  ViewerParameters parameters_;
  ViewerSocket socket_;
  IceClient ice_;
  DtlsClient dtls_;
  std::unique_ptr<SrtpReceiver> srtp_;
  bool handshakeStarted_ = false;
  uint32_t ownSsrc_;
  ReceptionLog video_;
  ReceptionLog audio_;
  ReceptionLog rtx_;
  LastSenderReport videoReport_;
  LastSenderReport audioReport_;
  TransportFeedback feedback_;
  ViewerCounts counts_;
  uint32_t overflowedBefore_ = 0;
  int64_t nextTimerUs_ = 0;
  int64_t nextFeedbackUs_ = 0;
  int64_t nextReportUs_ = 0;
  int64_t connectedUs_ = 0;
  int64_t firstPacketUs_ = 0;
  int64_t firstKeyframeUs_ = 0;
  bool inKeyframe_ = false;
  uint16_t nextOfKeyframe_ = 0;
};

}  // namespace bench
