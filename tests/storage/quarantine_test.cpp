// AlarmService.ListQuarantine: who may see what, and that it is audited. LIFE-2, I9.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "service.hpp"

namespace wardlink::storage {
namespace {

using grpc::StatusCode;
using test::IngestTalk;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* device_a = "urn:dev:os:32473-a";
constexpr const char* device_b = "urn:dev:os:32473-b";
constexpr const char* device_c = "urn:dev:os:32473-c";

class QuarantineTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"viewer", "nurse", "admin", "icu", "nobody"}) test::pki().add_client(name);
    service.store.ensure_grants({{"urn:wardlink:service:ingest", "ingest", ""},
                                 {"urn:wardlink:client:viewer", "viewer", ""},
                                 {"urn:wardlink:client:nurse", "clinician", ""},
                                 {"urn:wardlink:client:admin", "admin", ""},
                                 {"urn:wardlink:client:icu", "admin", "icu"}});
    IngestTalk talk(service.channel("ingest-client"));
    std::uint64_t session = 0;
    v1::Append batch;
    for (const auto* device : {device_a, device_b, device_c}) {
      talk.attach(++session, device, 7, start);
      test::add_alarm(batch, session, 1, 1000, "hr-high", v1::AlarmFact::RAISED);
      test::add_alarm(batch, session, 1, 1000, "spo2-low", v1::AlarmFact::RAISED);
      const auto last = batch.mutable_records(batch.records_size() - 1);
      last->set_received_after_us((static_cast<std::int64_t>(session) - 3600) * 1'000'000);
    }
    talk.append(batch);
    ASSERT_TRUE(talk.finish().ok());
  }

  /// All pages, of one each.
  grpc::Status list(const std::string& name, v1::ListQuarantineRequest request, v1::ListQuarantineResponse& all) {
    const auto stub = v1::AlarmService::NewStub(service.channel("clients/" + name));
    request.set_page_size(1);
    all.Clear();
    for (;;) {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
      v1::ListQuarantineResponse page;
      const auto status = stub->ListQuarantine(&context, request, &page);
      if (!status.ok()) return status;
      EXPECT_LE(page.quarantined_records_size(), 1);
      all.MergeFrom(page);
      if (page.next_page_token().empty()) return status;
      request.set_page_token(page.next_page_token());
    }
  }

  std::vector<std::string> devices_that(const std::string& name, const std::string& parent = "") {
    v1::ListQuarantineRequest request;
    request.set_parent(parent);
    v1::ListQuarantineResponse all;
    EXPECT_TRUE(list(name, request, all).ok());
    std::vector<std::string> devices;
    for (const auto& each : all.quarantined_records()) devices.push_back(each.device());
    return devices;
  }

  static std::string name_of(const char* urn) { return std::string("devices/") + urn; }

  test::ScratchDatabase database;
  test::Service service{database.connection()};
  std::int64_t start =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() -
      3600;
};

TEST_F(QuarantineTest, ReadersSeeWhatItIsAndAdministratorsTheBytes) {
  v1::ListQuarantineRequest request;
  v1::ListQuarantineResponse all;
  for (const auto* name : {"viewer", "nurse", "admin"}) {
    ASSERT_TRUE(list(name, request, all).ok()) << name;
    ASSERT_EQ(all.quarantined_records_size(), 3) << name;
    EXPECT_EQ(all.quarantined_records(0).device(), name_of(device_c)) << "newest first";
    const auto& record = all.quarantined_records(2);
    EXPECT_THAT(record.name(), testing::StartsWith("quarantinedRecords/"));
    EXPECT_EQ(record.boot(), 7U);
    EXPECT_EQ(record.stream(), v1::STREAM_ALARMS);
    EXPECT_EQ(record.sequence(), 1U);
    EXPECT_EQ(record.reason(), "conflict");
    EXPECT_NEAR(static_cast<double>(record.received_at().seconds() - start), 1, 60);
    EXPECT_EQ(record.seen(), 1U);
    EXPECT_GT(record.size(), 10U);
    EXPECT_EQ(record.payload(), "");
  }
  request.set_payload(true);
  for (const auto* name : {"viewer", "nurse", "nobody"})
    EXPECT_EQ(list(name, request, all).error_code(), StatusCode::PERMISSION_DENIED) << name;
  ASSERT_TRUE(list("admin", request, all).ok());
  EXPECT_THAT(all.quarantined_records(0).payload(), testing::HasSubstr("spo2-low"));
  EXPECT_EQ(all.quarantined_records(0).payload().size(), all.quarantined_records(0).size());
  EXPECT_EQ(list("nobody", {}, all).error_code(), StatusCode::PERMISSION_DENIED);
}

TEST_F(QuarantineTest, AWardSeesItsPatientsAndWhatNobodyWore) {
  const auto since = Instant{std::chrono::seconds(start - 60)};
  const auto ann = service.store.create_patient("Ann", {}, "icu").id;
  const auto bob = service.store.create_patient("Bob", {}, "maternity").id;
  service.store.assign({}, device_a, ann, since, "test");
  service.store.assign({}, device_b, bob, since, "test");
  EXPECT_THAT(devices_that("icu"), ElementsAre(name_of(device_c), name_of(device_a)));
  EXPECT_THAT(devices_that("icu", "patients/" + ann), ElementsAre(name_of(device_a)));
  EXPECT_THAT(devices_that("icu", name_of(device_c)), ElementsAre(name_of(device_c)));
  EXPECT_THAT(devices_that("viewer", "patients/" + bob), ElementsAre(name_of(device_b)));
  v1::ListQuarantineRequest request;
  v1::ListQuarantineResponse all;
  request.set_parent("patients/" + bob);
  EXPECT_EQ(list("icu", request, all).error_code(), StatusCode::PERMISSION_DENIED);
  request.set_parent("patients/00000000-0000-0000-0000-000000000000");
  EXPECT_EQ(list("viewer", request, all).error_code(), StatusCode::NOT_FOUND);
  request.clear_parent();
  ASSERT_TRUE(list("viewer", request, all).ok());
  ASSERT_EQ(all.quarantined_records_size(), 3);
  *request.mutable_start_time() = all.quarantined_records(1).received_at();
  *request.mutable_end_time() = all.quarantined_records(0).received_at();  // newest first
  ASSERT_TRUE(list("viewer", request, all).ok());
  ASSERT_EQ(all.quarantined_records_size(), 1);
  EXPECT_EQ(all.quarantined_records(0).patient(), "patients/" + bob);
  EXPECT_EQ(all.quarantined_records(0).patient_display_name(), "Bob");
}

TEST_F(QuarantineTest, EachCallIsAudited) {
  v1::ListQuarantineRequest request;
  v1::ListQuarantineResponse all;
  request.set_parent(name_of(device_a));
  ASSERT_TRUE(list("viewer", request, all).ok());
  request.set_payload(true);
  list("viewer", request, all);
  ASSERT_TRUE(list("admin", request, all).ok());
  EXPECT_EQ(database.ask("SELECT string_agg(subject || ' ' || method || ' ' || outcome || ' ' || resources[1], ', '"
                         " ORDER BY audit_id) FROM audit WHERE method LIKE 'AlarmService.ListQuarantine%'"),
            "urn:wardlink:client:viewer AlarmService.ListQuarantine granted devices/urn:dev:os:32473-a, "
            "urn:wardlink:client:viewer AlarmService.ListQuarantine with payload refused devices/urn:dev:os:32473-a, "
            "urn:wardlink:client:admin AlarmService.ListQuarantine with payload granted devices/urn:dev:os:32473-a");
}

TEST_F(QuarantineTest, APageTokenIsOfItsRequest) {
  v1::ListQuarantineRequest request;
  request.set_page_size(1);
  grpc::ClientContext first, second;
  v1::ListQuarantineResponse page;
  const auto stub = v1::AlarmService::NewStub(service.channel("clients/viewer"));
  ASSERT_TRUE(stub->ListQuarantine(&first, request, &page).ok());
  request.set_page_token(page.next_page_token());
  request.set_parent(name_of(device_a));
  EXPECT_EQ(stub->ListQuarantine(&second, request, &page).error_code(), StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace wardlink::storage
