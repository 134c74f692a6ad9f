// Grants that are taken away, and certificates that expire, while a stream stands. GRPC-01, ISO-2, I9.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "service.hpp"
#include "storage/access/guard.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;
using grpc::StatusCode;
using test::IngestTalk;
using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;

constexpr const char* device = "urn:dev:os:32473-a";
constexpr std::int64_t start = 1'760'000'000;

class StandingTest : public testing::Test {
 protected:
  void SetUp() override { grant(); }
  void grant() { service.store.ensure_grants({{"urn:wardlink:service:ingest", "ingest", ""}}); }
  void take_away() { database.ask("DELETE FROM grants WHERE subject = 'urn:wardlink:service:ingest'"); }
  v1::Append alarm(std::uint64_t sequence) {
    v1::Append batch;
    test::add_alarm(batch, 1, sequence, 1000 * sequence, "hr-high", v1::AlarmFact::RAISED);
    return batch;
  }
  std::string alarms() { return database.ask("SELECT count(*) FROM alarm_event"); }
  std::string refusals() {
    return database.ask(
        "SELECT string_agg(subject || ' ' || method || ': ' || reason, '; ' ORDER BY audit_id) FROM"
        " audit WHERE outcome = 'refused'");
  }

  test::ScratchDatabase database;
  test::Service service{database.connection(), [](Server::Config& config) { config.grant_recheck = 20ms; }};
};

TEST_F(StandingTest, AnIdleStreamWhoseGrantIsTakenAwayEnds) {
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, start);
  take_away();
  EXPECT_FALSE(talk.hear().has_append_result());  // returns when the stream has ended
  const auto status = talk.finish();
  EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("no grant"));
  EXPECT_EQ(refusals(), "urn:wardlink:service:ingest IngestService.Ingest: the subject has no grant for this call");
}

TEST_F(StandingTest, NothingIsStoredOnceTheStreamIsRefused) {
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, start);
  EXPECT_THAT(talk.append(alarm(1)).results(), ElementsAre(v1::RECORD_RESULT_COMMITTED));
  take_away();
  int sent = 1, answered = 1;
  while (talk.append(alarm(static_cast<std::uint64_t>(++sent))).results_size() == 1) ++answered;
  EXPECT_EQ(talk.finish().error_code(), StatusCode::PERMISSION_DENIED);
  // Nor is a new stream let in, until the grant is back; then what was not stored is.
  EXPECT_EQ(IngestTalk(service.channel("ingest-client")).finish().error_code(), StatusCode::PERMISSION_DENIED);
  grant();
  IngestTalk again(service.channel("ingest-client"));
  again.attach(1, device, 7, start);
  // The refusal may have come between a record's COMMIT and its answer, or while it was under way.
  EXPECT_THAT(std::stoi(alarms()), AllOf(Ge(answered), Le(sent)));
  const auto next = static_cast<std::uint64_t>(sent + 1);
  EXPECT_THAT(again.append(alarm(next)).results(), ElementsAre(v1::RECORD_RESULT_COMMITTED));
}

TEST_F(StandingTest, AStreamOutlivesADatabaseThatCannotBeAsked) {
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, start);
  database.ask("ALTER TABLE grants RENAME TO grants_away");
  for (std::uint64_t i = 1; i <= 20; ++i) {
    EXPECT_THAT(talk.append(alarm(i)).results(), ElementsAre(v1::RECORD_RESULT_COMMITTED));
  }
  database.ask("ALTER TABLE grants_away RENAME TO grants");
  EXPECT_THAT(talk.append(alarm(21)).results(), ElementsAre(v1::RECORD_RESULT_COMMITTED));
}

/// ISO-2: a certificate's end is the end of what it opened, on both ports, and of what was open before.
class ExpiryTest : public testing::Test {
 protected:
  void SetUp() override {
    service.store.ensure_grants(
        {{"urn:wardlink:service:ingest", "ingest", ""}, {"urn:wardlink:client:admin", "admin", ""}});
  }
  /// From here on every certificate of the tests has expired; the connections stand.
  void let_certificates_expire() { ahead = std::chrono::hours(24 * 400); }

  test::ScratchDatabase database;
  std::atomic<std::chrono::hours> ahead = std::chrono::hours(0);
  test::Service service{database.connection(), [this](Server::Config& config) {
                          config.grant_recheck = 20ms;
                          config.calendar = [this] { return std::chrono::system_clock::now() + ahead.load(); };
                        }};
};

TEST_F(ExpiryTest, AStreamFromIngestEndsWithItsCertificate) {
  IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, start);
  let_certificates_expire();
  EXPECT_FALSE(talk.hear().has_append_result());  // returns when the stream has ended
  const auto status = talk.finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("expired"));
  EXPECT_THAT(database.ask("SELECT reason FROM audit WHERE outcome = 'refused'"), HasSubstr("expired"));
}

TEST_F(ExpiryTest, AWatchEndsWithItsCertificate) {
  grpc::ClientContext context;
  const auto stub = v1::VitalsService::NewStub(service.channel("clients/admin"));
  const auto watch = stub->Watch(&context, v1::WatchRequest());
  v1::WatchResponse response;
  ASSERT_TRUE(watch->Read(&response));
  let_certificates_expire();
  while (watch->Read(&response)) {
  }
  EXPECT_EQ(watch->Finish().error_code(), StatusCode::UNAUTHENTICATED);
}

TEST_F(ExpiryTest, ACallOnAConnectionThatStandsIsRefused) {
  const auto stub = v1::VitalsService::NewStub(service.channel("clients/admin"));
  const auto ask = [&] {
    grpc::ClientContext context;
    v1::GetLatestResponse response;
    return stub->GetLatest(&context, v1::GetLatestRequest(), &response).error_code();
  };
  EXPECT_EQ(ask(), StatusCode::OK);
  let_certificates_expire();
  EXPECT_EQ(ask(), StatusCode::UNAUTHENTICATED);
}

/// A call that streams, as one that watches would be: it is let in, says so, and writes until it is told to stop.
class Watch final : public v1::IngestService::Service {
 public:
  explicit Watch(Guard& guard) : guard_(guard) {}
  grpc::Status Ingest(grpc::ServerContext* context,
                      grpc::ServerReaderWriter<v1::IngestResponse, v1::IngestRequest>* stream) override {
    try {
      const auto standing = guard_.admit_lasting(*context, "VitalsService.Watch", roles::readers, {"wards/icu"});
      v1::IngestResponse response;
      response.mutable_attach_result()->set_refusal(standing->scope() ? standing->scope()->front() : "everything");
      while (stream->Write(response)) standing->confirm();
      return grpc::Status::OK;
    } catch (const std::exception& error) {
      return {grpc::StatusCode::PERMISSION_DENIED, error.what()};
    }
  }

 private:
  Guard& guard_;
};

class StandingWatchTest : public StandingTest {
 protected:
  StandingWatchTest() {
    service.store.ensure_grants({{subject, "viewer", "icu"}});
    grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = test::pki().pem("service-ca.pem");
    tls.pem_key_cert_pairs.push_back({test::pki().pem("storage.key"), test::pki().pem("storage.pem")});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls), &port);
    builder.RegisterService(&watch);
    server = builder.BuildAndStart();
  }
  ~StandingWatchTest() override { server->Shutdown(std::chrono::system_clock::now()); }

  std::shared_ptr<grpc::Channel> channel() const {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = test::pki().pem("service-ca.pem");
    tls.pem_cert_chain = test::pki().pem("ingest-client.pem");
    tls.pem_private_key = test::pki().pem("ingest-client.key");
    return grpc::CreateChannel("localhost:" + std::to_string(port), grpc::SslCredentials(tls));
  }
  /// Reads to the end.
  grpc::Status end_of(IngestTalk& talk) {
    while (talk.hear().has_attach_result()) {
    }
    return talk.finish();
  }

  static constexpr const char* subject = "urn:wardlink:service:ingest";
  Guard guard{service.store, 20ms};
  Watch watch{guard};
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

TEST_F(StandingWatchTest, EndsWithItsGrant) {
  IngestTalk talk(channel());
  EXPECT_EQ(talk.hear().attach_result().refusal(), "icu");
  take_away();
  EXPECT_EQ(end_of(talk).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(refusals(), HasSubstr("VitalsService.Watch: the subject has no grant for this call"));
}

TEST_F(StandingWatchTest, EndsWhenItsGrantReachesLessOrMore) {
  IngestTalk talk(channel());
  EXPECT_EQ(talk.hear().attach_result().refusal(), "icu");
  service.store.ensure_grants({{subject, "viewer", "er"}});
  const auto status = end_of(talk);
  EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("changed"));
}

}  // namespace
}  // namespace wardlink::storage
