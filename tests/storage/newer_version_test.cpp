// Rows with numbers that only a newer version knows are shown as unknown, and hide no other. LIFE-2.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "watch_talk.hpp"

namespace wardlink::storage {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr const char* device = "urn:dev:os:32473-a";
const std::string prefix = std::string("devices/") + device + "/alarms/7-";

class NewerVersionTest : public testing::Test {
 protected:
  void SetUp() override {
    test::pki().add_client("nurse");
    service.store.ensure_grants(
        {{"urn:wardlink:service:ingest", "ingest", ""}, {"urn:wardlink:client:nurse", "clinician", ""}});
    channel = service.channel("clients/nurse");
    test::IngestTalk talk(service.channel("ingest-client"));
    talk.attach(1, device, 7, start);
    v1::Append batch;
    test::add_set(batch, 1, 1, 1000, 70);
    test::add_alarm(batch, 1, 1, 1000, "hr-high", v1::AlarmFact::RAISED);
    talk.append(batch);
    ASSERT_TRUE(talk.finish().ok());
    for (const char* column : {"priority", "kind"})
      database.ask("ALTER TABLE alarm_event DROP CONSTRAINT alarm_event_" + std::string(column) + "_check");
  }

  /// As a newer version stores them: of a priority, a kind, a stream that this one does not know.
  void add_alarms() {
    const auto add = [&](int stream, int sequence, int kind, int priority) {
      database.ask(
          "INSERT INTO alarm_event (device_id, boot_id, stream, sequence, event, kind, priority, code, tick_ms,"
          " measured_at, received_at, source) SELECT device_id, 7, " +
          std::to_string(stream) + ", " + std::to_string(sequence) + ", 1, " + std::to_string(kind) + ", " +
          std::to_string(priority) + ", 'new', 0, now() - interval '1 minute', now(), 'device' FROM device");
    };
    add(2, 2, 1, 4);
    add(2, 3, 9, 1);
    add(9, 1, 1, 2);
    add(2, 4, 300, -1);
  }

  template <typename Method, typename Request, typename Response>
  Response call(Method method, const Request& request, Response response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    const auto stub = v1::AlarmService::NewStub(channel);
    const auto status = (stub.get()->*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  std::vector<v1::Alarm> alarms(bool open_only, int page_size) {
    v1::ListAlarmsRequest request;
    request.set_open_only(open_only);
    request.set_page_size(page_size);
    std::vector<v1::Alarm> all;
    for (int pages = 0; pages < 20; ++pages) {
      const auto page = call(&v1::AlarmService::Stub::ListAlarms, request, v1::ListAlarmsResponse());
      all.insert(all.end(), page.alarms().begin(), page.alarms().end());
      if (page.next_page_token().empty()) return all;
      request.set_page_token(page.next_page_token());
    }
    ADD_FAILURE() << "pages without an end";
    return all;
  }

  static std::string told(const v1::Alarm& alarm) {
    return alarm.name().substr(prefix.size()) + " " + std::to_string(alarm.kind()) + " " +
           std::to_string(alarm.priority());
  }
  static std::vector<std::string> told(const std::vector<v1::Alarm>& alarms) {
    std::vector<std::string> all;
    for (const auto& each : alarms) all.push_back(told(each));
    return all;
  }

  /// Key, kind, priority: unknown kinds are 0, unknown priorities 3, which is high.
  static auto all_alarms() { return UnorderedElementsAre("2-1 1 3", "2-2 1 3", "2-3 0 1", "9-1 1 2", "2-4 0 3"); }

  test::ScratchDatabase database;
  test::Service service{database.connection()};
  std::shared_ptr<grpc::Channel> channel;
  const std::int64_t start =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() -
      3600;
};

TEST_F(NewerVersionTest, ItsAlarmsAreListedAndAcknowledged) {
  add_alarms();
  const auto before = PostgresStore::unknown_numbers();
  for (const bool open_only : {false, true})
    for (const int page_size : {0, 1, 2}) EXPECT_THAT(told(alarms(open_only, page_size)), all_alarms());
  EXPECT_GT(PostgresStore::unknown_numbers(), before);
  v1::AcknowledgeRequest request;
  for (const auto* key : {"2-2", "9-1", "2-4"}) request.add_names(prefix + key);
  const auto seen = call(&v1::AlarmService::Stub::Acknowledge, request, v1::AcknowledgeResponse());
  ASSERT_EQ(seen.alarms_size(), 3);
  for (const auto& alarm : seen.alarms()) EXPECT_EQ(alarm.state(), v1::ALARM_STATE_ACKNOWLEDGED);
  grpc::ClientContext context;
  v1::GetLatestResponse latest;
  ASSERT_TRUE(v1::VitalsService::NewStub(channel)->GetLatest(&context, {}, &latest).ok());
  EXPECT_THAT(told(std::vector<v1::Alarm>(latest.vitals(0).alarms().begin(), latest.vitals(0).alarms().end())),
              all_alarms());
}

TEST_F(NewerVersionTest, ItsAlarmsAreOnLiveStreams) {
  test::WatchTalk present(channel, test::watch_request(), true);
  EXPECT_EQ(present.present_state().size(), 1U);
  add_alarms();
  std::vector<v1::Alarm> raised;
  for (const auto& each : present.events(4)) {
    EXPECT_EQ(each.alarm_event().change(), v1::AlarmEvent::RAISED);
    raised.push_back(each.alarm_event().alarm());
  }
  EXPECT_THAT(told(raised), UnorderedElementsAre("2-2 1 3", "2-3 0 1", "9-1 1 2", "2-4 0 3"));
  const auto cursor = present.cursor();
  present.cancel();
  test::WatchTalk again(channel, test::watch_request("", cursor), true);
  service.store.acknowledge({}, {{device, 7, Stream{9}, 1}}, "test");
  const auto acknowledged = again.event();
  ASSERT_TRUE(acknowledged);
  EXPECT_EQ(acknowledged->alarm_event().change(), v1::AlarmEvent::ACKNOWLEDGED);
  EXPECT_EQ(told(acknowledged->alarm_event().alarm()), "9-1 1 2");
  again.cancel();
  test::WatchTalk later(channel, test::watch_request(), true);
  std::vector<v1::Alarm> open;
  for (const auto& each : later.present_state())
    if (each.has_open_alarm()) open.push_back(each.open_alarm());
  EXPECT_THAT(told(open), all_alarms());
  later.cancel();
}

TEST_F(NewerVersionTest, ItsRecordsAreListedAndOnLiveStreams) {
  test::WatchTalk watch(channel, test::watch_request());
  watch.present_state();
  database.ask(
      "INSERT INTO measurement_set (device_id, boot_id, stream, sequence, tick_ms, measured_at, received_at, sign_ids,"
      " sign_values, qualities) SELECT device_id, 7, 9, 1, 0, now() - interval '59 minutes', now(), '{1,999}',"
      " '{71,1}', '{0,0}' FROM device");
  const auto event = watch.event();
  ASSERT_TRUE(event && event->has_measurement_set());
  EXPECT_EQ(event->measurement_set().stream(), v1::STREAM_UNSPECIFIED);
  EXPECT_EQ(event->measurement_set().readings_size(), 2);
  watch.cancel();
  v1::ListReadingsRequest request;
  request.set_parent(std::string("devices/") + device);
  std::vector<int> streams;
  for (const int page_size : {1, 1, 1}) {
    request.set_page_size(page_size);
    grpc::ClientContext context;
    v1::ListReadingsResponse page;
    ASSERT_TRUE(v1::VitalsService::NewStub(channel)->ListReadings(&context, request, &page).ok());
    for (const auto& set : page.measurement_sets()) streams.push_back(set.stream());
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  EXPECT_THAT(streams, ElementsAre(v1::STREAM_VITALS, v1::STREAM_UNSPECIFIED));
}

TEST_F(NewerVersionTest, ItsQuarantineIsListed) {
  for (const int stream : {2, 9, 300})
    database.ask(
        "INSERT INTO quarantine (device_id, boot_id, stream, sequence, digest, reason, resource, payload, received_at)"
        " SELECT device_id, 7, " +
        std::to_string(stream) + ", 1, '\\x00', 'new', '', '\\x00', now() FROM device");
  const auto page =
      call(&v1::AlarmService::Stub::ListQuarantine, v1::ListQuarantineRequest(), v1::ListQuarantineResponse());
  std::vector<int> streams;
  for (const auto& record : page.quarantined_records()) streams.push_back(record.stream());
  EXPECT_THAT(streams, ElementsAre(v1::STREAM_UNSPECIFIED, v1::STREAM_UNSPECIFIED, v1::STREAM_ALARMS));
}

}  // namespace
}  // namespace wardlink::storage
