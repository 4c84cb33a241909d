#include "core/tls_client.h"

#include "dtls_certificate.h"
#include "test.h"
#include "tls_peer.h"

namespace streamkit::test {
namespace {

const Certificate& certificate() {
  static const Certificate made = makeCertificate(false, "DNS:turn.test,DNS:*.wild.test,IP:192.0.2.1");
  return made;
}

std::unique_ptr<TlsClient> clientOf(const std::string& name, const Certificate& trusted = certificate()) {
  return std::make_unique<TlsClient>(TlsContext::create(trusted.certificatePem, false), name);
}

/** A client and a server, and what has passed between them. */
struct TlsBench {
  explicit TlsBench(std::unique_ptr<TlsClient> ours, const Certificate& theirs = certificate(),
                    int version = 0)
      : client(std::move(ours)), server(theirs, version) {}

  /** Lets the records go there and back, so many bytes at once. */
  void exchange(size_t pieceBytes = 100'000) {
    bool isIdle = false;
    while (!isIdle) {
      TlsClient::Records records;
      records.swap(toServer);
      server.receive(records);
      const std::vector<uint8_t> answer = server.takeRecords();
      isIdle = records.empty() && answer.empty();
      for (Bytes rest(answer); !rest.empty();) {
        Bytes piece = rest.first(std::min(pieceBytes, rest.size()));
        rest = rest.subspan(piece.size());
        std::vector<uint8_t> buffer(1000);
        while (const size_t bytes = client->read(piece, buffer, toServer)) {
          data.insert(data.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(bytes));
        }
        EXPECT(piece.empty() || client->isEnded());
      }
    }
  }
  bool send(Bytes bytes) { return client->send(bytes, toServer); }

  std::unique_ptr<TlsClient> client;
  TlsPeer server;
  TlsClient::Records toServer;
  std::vector<uint8_t> data;
};

/** Why the client ends the handshake. */
std::string refusal(std::unique_ptr<TlsClient> client, const Certificate& theirs = certificate()) {
  TlsBench bench(std::move(client), theirs);
  EXPECT(bench.send(fromHex("0102")));
  bench.exchange();
  EXPECT_EQ(bench.server.takeData().size(), bench.client->isEnded() ? 0 : 2);
  EXPECT_EQ(bench.server.hasFailed(), bench.client->isEnded());
  return bench.client->endReason();
}

}  // namespace

TEST("what is sent before the handshake of TLS comes after it, and data in pieces of any size") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const size_t pieceBytes : {1, 7, 100'000}) {
      TlsBench bench(clientOf("turn.test"), certificate(), version);
      EXPECT(bench.send(fromHex("0102")));
      EXPECT(bench.send(fromHex("03")));
      bench.exchange(pieceBytes);
      EXPECT(bench.server.isConnected() && bench.server.version() == version);
      EXPECT(bench.server.takeData() == fromHex("010203"));
      EXPECT(bench.server.name() == "turn.test" && bench.server.protocol() == "stun.turn");
      const std::vector<uint8_t> much(50'000, 7);
      EXPECT(bench.send(much));
      EXPECT(bench.toServer.size() > much.size());
      EXPECT(bench.toServer.size() <= TlsClient::recordBytes(much.size()));
      bench.server.send(much);
      bench.exchange(pieceBytes);
      EXPECT(bench.server.takeData() == much && bench.data == much);
      EXPECT(!bench.client->isEnded());
    }
  }
}

TEST("a TLS server must show a certificate for its name that is trusted and valid") {
  EXPECT(refusal(clientOf("turn.test")) == "");
  EXPECT(refusal(clientOf("192.0.2.1")) == "");
  EXPECT(refusal(clientOf("a.wild.test")) == "");
  const std::string refused = "the certificate of the TLS server is refused: ";
  for (const auto* other : {"other.test", "turn.test.other", "wild.test", "a.b.wild.test"}) {
    EXPECT(refusal(clientOf(other)) == refused + "hostname mismatch");
  }
  EXPECT(refusal(clientOf("192.0.2.2")) == refused + "IP address mismatch");
  const Certificate expired = makeCertificate(false, "DNS:turn.test", -3600);
  EXPECT(refusal(clientOf("turn.test", expired), expired) == refused + "certificate has expired");
  const Certificate unknown = makeCertificate(false, "DNS:turn.test");
  const std::string reason = refusal(clientOf("turn.test"), unknown);
  EXPECT(reason.starts_with(refused + "self"));
}

TEST("a name that no certificate can have makes no TLS connection") {
  EXPECT(clientOf("")->isEnded());
  // OpenSSL would take it for all names below.
  EXPECT(clientOf(".wild.test")->isEnded() && clientOf(".")->isEnded());
  TlsClient::Records records;
  const auto client = clientOf(std::string("turn.test\0other", 15));
  EXPECT(client->isEnded() && !client->send(fromHex("01"), records) && records.empty());
}

TEST("certificates that cannot be read are passed over, and without any nobody is trusted") {
  EXPECT(TlsContext::create("", false) == nullptr);
  EXPECT(TlsContext::create("-----BEGIN CERTIFICATE-----\n", false) == nullptr);
  EXPECT(TlsContext::create("", true) != nullptr);
  const std::string broken = "-----BEGIN CERTIFICATE-----\nMAAw\n-----END CERTIFICATE-----\n";
  const auto context = TlsContext::create(broken + certificate().certificatePem, false);
  EXPECT(context != nullptr);
  if (context != nullptr) {
    EXPECT(refusal(std::make_unique<TlsClient>(context, "turn.test")) == "");
  }
}

TEST("what waits for the handshake of TLS is bounded") {
  TlsBench bench(clientOf("turn.test"));
  const std::vector<uint8_t> half(TlsClient::kMaxEarlyBytes / 2, 1);
  EXPECT(bench.send(half) && bench.send(half));
  EXPECT(!bench.send(fromHex("01")));
  bench.exchange();
  EXPECT_EQ(bench.server.takeData().size(), 2 * half.size());
  EXPECT(bench.send(fromHex("01")));
}

TEST("a TLS server gets no second handshake, and new keys") {
  TlsBench old(clientOf("turn.test"), certificate(), TLS1_2_VERSION);
  EXPECT(old.send(fromHex("01")));
  old.exchange();
  old.server.renegotiate();
  const std::vector<uint8_t> request = old.server.takeRecords();
  Bytes received(request);
  std::vector<uint8_t> buffer(1000);
  EXPECT(!request.empty() && old.client->read(received, buffer, old.toServer) == 0);
  // It is refused by an alert, which is shorter than any greeting.
  EXPECT(!old.toServer.empty() && old.toServer.size() < 64);
  EXPECT(!old.client->isEnded() && old.send(fromHex("02")));

  TlsBench bench(clientOf("turn.test"), certificate(), TLS1_3_VERSION);
  EXPECT(bench.send(fromHex("01")));
  bench.exchange();
  for (int i = 0; i < 3; i += 1) {
    bench.server.updateKey();
    bench.server.send(fromHex("0a"));
    bench.exchange();
    EXPECT(bench.send(fromHex("02")));
    bench.exchange();
  }
  EXPECT(bench.server.takeData() == fromHex("01020202") && bench.data == fromHex("0a0a0a"));
}

TEST("a TLS connection that ends says why, and sends nothing more") {
  TlsBench closed(clientOf("turn.test"));
  EXPECT(closed.send(fromHex("01")));
  closed.exchange();
  closed.server.send(fromHex("0b"));
  closed.server.close();
  closed.exchange();
  EXPECT(closed.data == fromHex("0b"));
  EXPECT(closed.client->endReason() == "the server has closed the TLS connection");
  EXPECT(!closed.send(fromHex("02")) && closed.toServer.empty());

  TlsBench leaving(clientOf("turn.test"));
  TlsClient::Records none;
  leaving.client->close(none);
  EXPECT(none.empty());
  EXPECT(leaving.send(fromHex("01")));
  leaving.exchange();
  leaving.client->close(leaving.toServer);
  EXPECT(!leaving.send(fromHex("02")));
  leaving.exchange();
  EXPECT(leaving.server.isClosed() && leaving.server.takeData() == fromHex("01"));

  // Of another protocol, and records that were changed on the way.
  TlsBench other(clientOf("turn.test"));
  EXPECT(other.send(fromHex("01")));
  const auto text = fromHex("5353482d322e302d4f70656e535348");
  Bytes received(text);
  std::vector<uint8_t> buffer(1000);
  EXPECT_EQ(other.client->read(received, buffer, other.toServer), 0);
  EXPECT(other.client->endReason().starts_with("TLS has failed: "));
  TlsBench changed(clientOf("turn.test"));
  EXPECT(changed.send(fromHex("01")));
  changed.exchange();
  changed.server.send(fromHex("0b"));
  std::vector<uint8_t> record = changed.server.takeRecords();
  record.back() ^= 1;
  received = record;
  EXPECT_EQ(changed.client->read(received, buffer, changed.toServer), 0);
  EXPECT(changed.client->endReason().starts_with("TLS has failed: "));
}

}  // namespace streamkit::test
