// What peers without manners can take from the gRPC port, and what its clients notice of it: nothing. GRPC-01.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "http2_peer.hpp"
#include "service.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using grpc::StatusCode;
using test::eventually;
using test::Http2Peer;
using test::IngestTalk;
using test::TcpPeer;
using testing::ElementsAre;

constexpr const char* attacker = "127.0.0.2";
constexpr const char* device = "urn:dev:os:32473-a";
constexpr const char* ingest_method = "/wardlink.v1.IngestService/Ingest";
constexpr const char* watch_method = "/wardlink.v1.VitalsService/Watch";
constexpr const char* latest_method = "/wardlink.v1.VitalsService/GetLatest";

/// Bytes of this process in memory.
std::int64_t resident() {
  std::ifstream file("/proc/self/statm");
  std::int64_t whole = 0, pages = 0;
  file >> whole >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

/// Bytes that this process has asked for and not given back; 0 under a sanitizer, which finds what is left by itself.
std::int64_t allocated() {
  const auto info = mallinfo2();
  return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
}

#ifdef __SANITIZE_ADDRESS__
constexpr std::int64_t may_grow = 1024 * 1024 * 1024;  // what is freed stays in quarantine
#else
constexpr std::int64_t may_grow = 256 * 1024 * 1024;  // what the server allows gRPC
#endif

class FloodTest : public testing::Test {
 protected:
  void SetUp() override {
    service.store.ensure_grants({{"urn:wardlink:service:ingest", "ingest", ""}});
    for (const auto* name : {"viewer", "rude"}) {
      test::pki().add_client(name);
      service.store.ensure_grants({{std::string("urn:wardlink:client:") + name, "viewer", ""}});
    }
    talk.emplace(service.channel("ingest-client"));
    talk->attach(1, device, 7, 1'760'000'000);
    EXPECT_TRUE(goes_on());
    before = resident();
  }

  /// Ingest's stream, open since before, commits an alarm; a reader with a connection of its own is answered.
  testing::AssertionResult goes_on() {
    if (!commits()) return testing::AssertionFailure() << "ingest's stream does not commit";
    const auto status = reads();
    if (status.ok()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "a reader is told " << status.error_code() << ' ' << status.error_message();
  }
  /// The same, but a reader may be told to try again for a moment: until the flooder has lost its connection.
  testing::AssertionResult goes_on_soon() {
    if (!commits()) return testing::AssertionFailure() << "ingest's stream does not commit";
    if (eventually([&] { return reads().ok(); })) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "a reader is not answered";
  }
  bool commits() {
    v1::Append batch;
    ++sequence;
    test::add_alarm(batch, 1, sequence, sequence, "hr-high", v1::AlarmFact::RAISED);
    const auto result = talk->append(batch);
    return result.results_size() == 1 && result.results(0) == v1::RECORD_RESULT_COMMITTED;
  }
  grpc::Status reads() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 60s);
    v1::GetLatestResponse response;
    return v1::VitalsService::NewStub(service.channel("clients/viewer"))
        ->GetLatest(&context, v1::GetLatestRequest(), &response);
  }
  Http2Peer peer(const std::string& name, const std::string& from = attacker) {
    return {name == "ingest-client" ? service.ingest.port() : service.server.port(), test::pki().pem(name + ".pem"),
            test::pki().pem(name + ".key"), from};
  }
  bool stayed_small() { return resident() - before < may_grow; }

  test::ScratchDatabase database;
  test::Service service{database.connection(), [](Server::Config& config) {
                          config.limits = {100, 40};
                          config.ingest_streams = 8;
                          config.calls_per_second = 50;
                          config.calls_at_once = 16;
                        }};
  std::optional<IngestTalk> talk;
  std::uint64_t sequence = 0;
  std::int64_t before = 0;
};

TEST_F(FloodTest, ConnectionsThatNeverFinishTls) {
  std::vector<TcpPeer> silent;
  for (int i = 0; i < 400; ++i) silent.emplace_back(service.server.port(), attacker);
  ASSERT_TRUE(eventually([&] {
    const auto counts = service.server.connections();
    return counts.taken + counts.refused >= 401;
  }));
  EXPECT_GT(service.server.connections().refused, 0u);
  EXPECT_LE(service.server.connections().open, 40u + 3u);
  EXPECT_TRUE(goes_on());
  for (const auto& each : silent) ASSERT_TRUE(each.is_closed());  // those taken by the handshake's time
  EXPECT_TRUE(eventually([&] { return service.server.connections().open <= 3; }));
  EXPECT_TRUE(goes_on());
  EXPECT_TRUE(stayed_small());
}

TEST_F(FloodTest, ConnectionsThatFinishTlsAndStay) {
  std::vector<Http2Peer> peers;
  for (int i = 0; i < 100; ++i) peers.push_back(peer("clients/rude"));
  EXPECT_EQ(std::ranges::count_if(peers, &Http2Peer::open), 40);
  EXPECT_TRUE(goes_on());
  // From one more address they are as many as there may be in all, and what stands still goes on.
  for (int i = 0; i < 100; ++i) peers.push_back(peer("clients/rude", "127.0.0.3"));
  EXPECT_LE(service.server.connections().open, 100u);
  EXPECT_TRUE(commits());
  peers.clear();
  EXPECT_TRUE(eventually([&] { return service.server.connections().open <= 3; }));
  EXPECT_TRUE(goes_on());
  EXPECT_TRUE(stayed_small());
}

/// While it lasts, what waits to be read may grow as far as the server allows gRPC; afterwards nothing of it is left.
TEST_F(FloodTest, StreamsOpenedAndResetAtOnce) {
  const auto request = Http2Peer::request(latest_method);
  const std::string five_empty_bytes(5, '\0');
  const auto flood = [&](std::uint32_t streams) {
    auto rude = peer("clients/rude");
    ASSERT_TRUE(rude.open());
    for (std::uint32_t i = 0; i < streams; ++i) {
      const auto stream = 2 * i + 1;
      if (!rude.send({Http2Peer::headers, Http2Peer::end_headers, stream, request})) break;
      if (!rude.send({Http2Peer::data, Http2Peer::end_stream, stream, five_empty_bytes})) break;
      if (!rude.send({Http2Peer::rst_stream, 0, stream, std::string("\0\0\0\x08", 4)})) break;
      if (i % 5'000 == 0) {
        ASSERT_TRUE(goes_on_soon()) << i;
      }
    }
    EXPECT_TRUE(goes_on_soon());
    EXPECT_LT(resident() - before, 2 * may_grow);
  };
  flood(5'000);  // threads and arenas that stay are there
  const auto digested = [&] { return service.server.connections().open <= 3; };
  ASSERT_TRUE(eventually(digested));
  const auto taken = allocated();
  flood(30'000);
  ASSERT_TRUE(eventually(digested));
  EXPECT_TRUE(eventually([&] { return allocated() < taken + 8 * 1024 * 1024; })) << allocated() - taken;
}

TEST_F(FloodTest, CallsThatStandLeaveRoomForOthers) {
  // A client that opens streams and reads none of them, over as many connections as it may have.
  std::vector<Http2Peer> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(peer("clients/rude"));
  const auto request = Http2Peer::request(watch_method);
  std::uint64_t asked = 0;
  ASSERT_TRUE(eventually([&] {  // the rate lets them in a few at a time
    for (auto& rude : peers) {
      const auto stream = static_cast<std::uint32_t>(2 * (asked++ / peers.size()) + 1);
      rude.send({Http2Peer::headers, Http2Peer::end_headers, stream, request});
      rude.send({Http2Peer::data, Http2Peer::end_stream, stream, std::string(5, '\0')});
    }
    return service.server.stats().calls_crowded_out > 0;
  }));
  EXPECT_TRUE(eventually([&] { return service.server.stats().counts.watchers_now == 16; }));
  // All of them ask for the present state with the connections that a reader needs too.
  EXPECT_TRUE(eventually([&] { return commits() && reads().ok(); }));
  peers.clear();
  EXPECT_TRUE(eventually([&] { return service.server.stats().counts.watchers_now == 0; }));
}

// ISO-1: the streams of reflection hold threads too.
TEST_F(FloodTest, ReflectionThatStandsLeavesRoomForOthers) {
  std::vector<Http2Peer> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(peer("clients/rude"));
  const auto request = Http2Peer::request("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  std::uint64_t asked = 0;
  ASSERT_TRUE(eventually([&] {  // the rate lets them in a few at a time
    for (auto& rude : peers) {
      const auto stream = static_cast<std::uint32_t>(2 * (asked++ / peers.size()) + 1);
      rude.send({Http2Peer::headers, Http2Peer::end_headers, stream, request});
    }
    return service.server.stats().calls_crowded_out > 0;
  }));
  EXPECT_TRUE(commits() && reads().ok());
  peers.clear();
  EXPECT_TRUE(eventually([&] { return service.server.connections().open <= 3; }));
  EXPECT_TRUE(goes_on());
}

// ISO-1: nor can it be asked as often as somebody likes.
TEST_F(FloodTest, ReflectionPassesTheGate) {
  auto rude = peer("clients/rude");
  const auto request = Http2Peer::request("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  for (std::uint32_t stream = 1; stream < 2'001; stream += 2) {
    if (!rude.send({Http2Peer::headers, Http2Peer::end_headers, stream, request})) break;
    if (!rude.send({Http2Peer::rst_stream, 0, stream, std::string("\0\0\0\x08", 4)})) break;
  }
  EXPECT_TRUE(eventually([&] { return service.server.stats().calls_rationed > 0; }));
  EXPECT_TRUE(goes_on_soon());
}

TEST_F(FloodTest, MoreStreamsOnAConnectionThanThereMayBe) {
  auto rude = peer("ingest-client");
  ASSERT_TRUE(rude.open());
  const auto request = Http2Peer::request(ingest_method);
  for (std::uint32_t i = 0; i < 300; ++i) {
    if (!rude.send({Http2Peer::headers, Http2Peer::end_headers, 2 * i + 1, request})) break;
  }
  // Of streams from ingest there are eight at once, whoever opens them.
  EXPECT_TRUE(rude.hear_until(Http2Peer::headers));
  test::Sql sql(database.connection());
  EXPECT_TRUE(goes_on());
  EXPECT_LE(std::stoi(sql.ask("SELECT count(*) FROM audit WHERE method = 'IngestService.Ingest'")), 8);
  EXPECT_TRUE(stayed_small());
}

TEST_F(FloodTest, TooManyStreamsFromIngestAreToldSo) {
  std::vector<std::unique_ptr<IngestTalk>> talks;
  for (int i = 0; i < 7; ++i) {
    talks.push_back(std::make_unique<IngestTalk>(service.channel("ingest-client")));
    talks.back()->attach(1, device, 7, 1'760'000'000);
  }
  EXPECT_EQ(IngestTalk(service.channel("ingest-client")).finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(goes_on());
  EXPECT_TRUE(talks.back()->finish().ok());
  EXPECT_TRUE(IngestTalk(service.channel("ingest-client")).finish().ok());
}

TEST_F(FloodTest, MetadataBeyondTheLimit) {
  auto rude = peer("clients/rude");
  ASSERT_TRUE(rude.open());
  const auto block = Http2Peer::request(latest_method, {{"x-much", std::string(12'000, 'x')}});
  ASSERT_TRUE(rude.send({Http2Peer::headers, Http2Peer::end_headers, 1, block}));
  rude.send({Http2Peer::data, Http2Peer::end_stream, 1, std::string(5, '\0')});
  EXPECT_TRUE(rude.hear_until(Http2Peer::headers) || rude.hear_the_end());
  EXPECT_EQ(database.ask("SELECT count(*) FROM audit WHERE method = 'VitalsService.GetLatest'"), "1") << "never served";
  EXPECT_TRUE(goes_on());
}

/// gRPC 1.51 keeps what comes (CVE-2023-33953): who has a certificate of ours can make the process grow. It goes on.
TEST_F(FloodTest, MetadataWithoutEnd) {
  {
    auto rude = peer("clients/rude");
    ASSERT_TRUE(rude.open());
    rude.send({Http2Peer::headers, 0, 1, Http2Peer::request(latest_method)});
    std::string fields;
    while (fields.size() < 16'000) fields += Http2Peer::field("x-more", std::string(100, 'x'));
    bool taken = true;
    for (int i = 0; taken && i < 1'000; ++i) taken = rude.send({Http2Peer::continuation, 0, 1, fields});
    EXPECT_TRUE(goes_on());
  }
  EXPECT_TRUE(eventually([&] { return service.server.connections().open <= 3; }));
  EXPECT_TRUE(goes_on());
  EXPECT_EQ(database.ask("SELECT count(*) FROM audit WHERE method = 'VitalsService.GetLatest'"), "3") << "never served";
}

// What is known of Debian's gRPC 1.51.1, against both ports. ISO-1, GRPC-01: none of it ends the process, nor holds up
// an alarm or another reader. The attacker has a certificate of the port's authority, and no grant.

class KnownFaultTest : public FloodTest, public testing::WithParamInterface<const char*> {
 protected:
  KnownFaultTest() {
    test::pki().add_client("attacker");
    test::pki().add_service("attacker");
  }
  Http2Peer attack() {
    const bool api = std::string_view(GetParam()) == "api";
    const std::string name = api ? "clients/attacker" : "services/attacker";
    return {api ? service.server.port() : service.ingest.port(), test::pki().pem(name + ".pem"),
            test::pki().pem(name + ".key"), attacker};
  }
  /// What the attacked port then says to whoever comes next.
  bool answers() {
    auto next = attack();
    next.send({Http2Peer::headers, Http2Peer::end_headers, 1, Http2Peer::request("/grpc.health.v1.Health/Check")});
    next.send({Http2Peer::data, Http2Peer::end_stream, 1, std::string(5, '\0')});
    return next.hear_until(Http2Peer::data);
  }
  static std::string many_fields(std::size_t size) {
    std::string fields;
    while (fields.size() < size) fields += Http2Peer::field("x-more", std::string(100, 'x'));
    return fields;
  }
};

INSTANTIATE_TEST_SUITE_P(Ports, KnownFaultTest, testing::Values("api", "ingest"),
                         [](const auto& port) { return std::string(port.param); });

TEST_P(KnownFaultTest, CVE_2023_1428_HeadersThatHaveNoText) {
  for (const auto& [name, value] : {std::pair{"grpclb_client_stats", "x"}, {"te", "x"}, {":scheme", "x"}}) {
    for (const auto* path : {latest_method, ingest_method, "/grpc.health.v1.Health/Check", "/no/such"}) {
      for (const std::size_t more : {0, 9'000, 15'000}) {
        auto rude = attack();
        ASSERT_TRUE(rude.open()) << name << ' ' << path << ' ' << more;
        rude.send({Http2Peer::headers, Http2Peer::end_headers, 1,
                   Http2Peer::request(path, {{name, value}}) + many_fields(more)});
        rude.send({Http2Peer::data, Http2Peer::end_stream, 1, std::string(5, '\0')});
        rude.send({Http2Peer::ping, 0, 0, std::string(8, 'p')});
        rude.hear_until(Http2Peer::ping);  // it was read
      }
    }
    EXPECT_TRUE(answers()) << name;
  }
  EXPECT_TRUE(goes_on());
}

TEST_P(KnownFaultTest, CVE_2023_32731_and_32732_HeadersThatDoNotDecode) {
  for (const auto* value : {"!!!!", "a", "AAAA=AAA", "\xff\xfe"}) {
    auto rude = attack();
    rude.send(
        {Http2Peer::headers, Http2Peer::end_headers, 1,
         Http2Peer::request(latest_method, {{"x-bytes-bin", value}, {"grpc-timeout", value}}) + many_fields(15'000)});
    rude.send({Http2Peer::headers, Http2Peer::end_headers, 3,
               Http2Peer::request(latest_method) + std::string("\xff\xff\xff\xff\x0f", 5)});  // no such entry
    EXPECT_TRUE(answers()) << value;
  }
  EXPECT_TRUE(goes_on());
}

TEST_P(KnownFaultTest, CVE_2023_33953_HeadersWithoutEnd) {
  {
    auto rude = attack(), slow = attack();
    rude.send({Http2Peer::headers, 0, 1, Http2Peer::request(latest_method)});
    const auto fields = many_fields(16'000);
    for (int i = 0; i < 200; ++i) {
      if (!rude.send({Http2Peer::continuation, 0, 1, fields})) break;
    }
    // A length of RFC 7541 §5.1 that goes on and on.
    slow.send({Http2Peer::headers, 0, 1, std::string("\x00\x7f", 2)});
    for (int i = 0; i < 200; ++i) {
      if (!slow.send({Http2Peer::continuation, 0, 1, std::string(1'000, '\x80')})) break;
    }
    EXPECT_TRUE(answers());
    EXPECT_TRUE(goes_on());
  }
  EXPECT_TRUE(answers());
}

TEST_P(KnownFaultTest, CVE_2023_4785_ConnectionsWithoutEnd) {
  const int port = std::string_view(GetParam()) == "api" ? service.server.port() : service.ingest.port();
  for (int round = 0; round < 5; ++round) {
    std::vector<TcpPeer> silent;
    for (int i = 0; i < 200; ++i) silent.emplace_back(port, attacker);
    EXPECT_TRUE(goes_on());
  }
  EXPECT_TRUE(eventually([&] { return answers(); }));
}

TEST_P(KnownFaultTest, CVE_2023_44487_StreamsThatAreReset) {
  auto rude = attack();
  ASSERT_TRUE(rude.open());
  for (const auto* path : {latest_method, ingest_method, watch_method}) {
    const auto request = Http2Peer::request(path);
    const auto first = path == latest_method ? 1U : path == ingest_method ? 10'001U : 20'001U;
    for (std::uint32_t stream = first; stream < first + 3'000; stream += 2) {
      if (!rude.send({Http2Peer::headers, Http2Peer::end_headers, stream, request})) break;
      if (!rude.send({Http2Peer::rst_stream, 0, stream, std::string("\0\0\0\x08", 4)})) break;
    }
    EXPECT_TRUE(goes_on_soon()) << path;
  }
  // Of ingest's streams there are few at once, and further ones are told so before anybody counts them.
  if (std::string_view(GetParam()) == "api") {
    EXPECT_TRUE(rude.hear_the_end()) << "it keeps its connection";
  }
  EXPECT_TRUE(answers());
}

TEST_F(FloodTest, AMessageBeyondTheLimit) {
  grpc::ClientContext context;
  v1::GetLatestRequest request;
  request.set_parent(std::string(5 * 1024 * 1024, 'x'));
  v1::GetLatestResponse response;
  const auto status =
      v1::VitalsService::NewStub(service.channel("clients/viewer"))->GetLatest(&context, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  // The length says four gigabytes, and no byte follows: nothing is kept ready for it.
  auto rude = peer("clients/rude");
  rude.send({Http2Peer::headers, Http2Peer::end_headers, 1, Http2Peer::request(latest_method)});
  rude.send({Http2Peer::data, 0, 1, std::string("\0\xff\xff\xff\xff", 5)});
  EXPECT_TRUE(goes_on());
  EXPECT_TRUE(stayed_small());
}

TEST_F(FloodTest, PingsWithoutEnd) {
  auto rude = peer("clients/rude");
  ASSERT_TRUE(rude.open());
  for (int i = 0; i < 10'000; ++i) {
    if (!rude.send({Http2Peer::ping, 0, 0, std::string(8, 'p')})) break;
  }
  EXPECT_TRUE(rude.hear_until(Http2Peer::goaway) || rude.hear_the_end());
  EXPECT_TRUE(goes_on());
}

TEST_F(FloodTest, CertificatesThatAreNoneOfOurs) {
  const test::Pki foreign;
  foreign.add_client("viewer");
  test::pki().add_client("nameless", {"--no-uri"});
  const int port = service.server.port();
  for (int i = 0; i < 50; ++i) {
    Http2Peer none(port, "", "", attacker);
    Http2Peer other(port, foreign.pem("clients/viewer.pem"), foreign.pem("clients/viewer.key"), attacker);
    // TLS 1.3 tells a client of its refusal only when it reads.
    EXPECT_FALSE(none.open() && none.hear());
    EXPECT_FALSE(other.open() && other.hear());
  }
  grpc::ClientContext context;
  v1::GetLatestResponse response;
  const auto status = v1::VitalsService::NewStub(service.channel("clients/nameless"))
                          ->GetLatest(&context, v1::GetLatestRequest(), &response);
  EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(database.ask("SELECT reason FROM audit WHERE subject = 'unknown'"),
            "the certificate names no subject urn:wardlink:…");
  EXPECT_TRUE(goes_on());
}

}  // namespace
}  // namespace wardlink::storage
