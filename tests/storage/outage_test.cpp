// PostgreSQL stops and comes back, or is unfit. Each on a cluster of its own. I1, I2, I8; MSG-07's half of storage.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "service.hpp"
#include "storage/port/store_error.hpp"

namespace wardlink::storage {
namespace {

using testing::ElementsAre;
using testing::MatchesRegex;

constexpr const char* device = "urn:dev:os:32473-a";

grpc::Status read_latest(const test::Service& service) {
  grpc::ClientContext context;
  v1::GetLatestResponse response;
  return v1::VitalsService::NewStub(service.channel("clients/admin"))->GetLatest(&context, {}, &response);
}

TEST(Outage, AnAlarmWaitsInItsStreamUntilItIsDurable) {
  test::Cluster cluster;
  test::Service service(cluster.connection());
  service.store.ensure_grants(
      {{"urn:wardlink:service:ingest", "ingest", ""}, {"urn:wardlink:client:admin", "admin", ""}});
  test::IngestTalk talk(service.channel("ingest-client"));
  talk.attach(1, device, 7, 1'700'000'000);
  cluster.stop();
  EXPECT_EQ(read_latest(service).error_code(), grpc::StatusCode::UNAVAILABLE);
  v1::IngestRequest request;
  request.mutable_append()->set_batch(1);
  request.mutable_append()->set_stamp(test::IngestTalk::stamp);
  test::add_alarm(*request.mutable_append(), 1, 1, 1000, "hr-high", v1::AlarmFact::RAISED);
  ASSERT_TRUE(talk.send(request));
  cluster.start();
  EXPECT_THAT(talk.hear().append_result().results(), ElementsAre(v1::RECORD_RESULT_COMMITTED));
  EXPECT_EQ(test::Sql(cluster.connection()).ask("SELECT count(*) FROM alarm_event"), "1");
  EXPECT_TRUE(read_latest(service).ok());
}

TEST(Outage, AStreamThatWaitsCanBeCancelledAndTheServiceStopped) {
  test::Cluster cluster;
  auto service = std::make_unique<test::Service>(cluster.connection());
  service->store.ensure_grants({{"urn:wardlink:service:ingest", "ingest", ""}});
  test::IngestTalk talk(service->channel("ingest-client")), other(service->channel("ingest-client"));
  talk.attach(1, device, 7, 1'700'000'000);
  other.attach(1, device, 7, 1'700'000'000);
  cluster.stop();
  v1::IngestRequest request;
  test::add_alarm(*request.mutable_append(), 1, 1, 1000, "hr-high", v1::AlarmFact::RAISED);
  talk.send(request);
  other.send(request);
  talk.cancel();
  EXPECT_EQ(talk.finish().error_code(), grpc::StatusCode::CANCELLED);
  service.reset();  // ends the other
  EXPECT_FALSE(other.finish().ok());
}

TEST(Outage, AWriterThatLosesItsConnectionAsksAgainWhetherCommitsLast) {
  test::Cluster cluster;
  PostgresStore store({.connection = cluster.connection()});
  test::Sql sql(cluster.connection());
  const std::string clients = " FROM pg_stat_activity WHERE backend_type = 'client backend'";
  const auto others = sql.ask("SELECT string_agg(pid::text, ',')" + clients);
  const auto writer = store.open_writer();
  writer->attach({device, 7, Instant{}});
  const auto own = sql.ask("SELECT string_agg(pid::text, ',')" + clients + " AND pid NOT IN (" + others + ")");
  ASSERT_THAT(own, MatchesRegex("[0-9]+"));
  sql.ask("ALTER SYSTEM SET fsync = off");
  sql.ask("SELECT pg_reload_conf()");
  // The writer's own backend, so that it can't write once more before the others have gone. Killed, it says no
  // farewell, and the cluster comes back by itself.
  ASSERT_EQ(kill(std::stoi(own), SIGKILL), 0);
  std::string why;
  const auto says_unfit = [&] {
    try {
      writer->audit(std::vector<AuditFact>{{.subject = device, .method = "handshake"}});
    } catch (const StoreError& error) {
      why = error.what();
    }
    return why.find("fsync=off") != std::string::npos;
  };
  EXPECT_TRUE(test::eventually(says_unfit)) << why;
  EXPECT_EQ(test::Sql(cluster.connection()).ask("SELECT count(*) FROM audit"), "0");
}

TEST(Outage, RefusesAClusterThatMayLoseCommits) {
  test::Cluster cluster({"fsync=off"});
  EXPECT_THROW(PostgresStore({.connection = cluster.connection()}), StoreUnfit);
  cluster.stop();
  cluster.start({"full_page_writes=off"});
  EXPECT_THROW(PostgresStore({.connection = cluster.connection()}), StoreUnfit);
  cluster.stop();
  EXPECT_THROW(PostgresStore({.connection = cluster.connection()}), StoreError);
  cluster.start();
  EXPECT_NO_THROW(PostgresStore({.connection = cluster.connection()}));
}

}  // namespace
}  // namespace wardlink::storage
