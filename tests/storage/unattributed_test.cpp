// AlarmService.ListUnattributed and Settle: who may see and say what, and that it is audited. TIME-2, LIFE-3, I9.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "service.hpp"

namespace wardlink::storage {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* device = "urn:dev:os:32473-a";

/// Ann hands a device over to Bob; an alarm about then is nobody's, as its clock is known to a minute.
class UnattributedTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"viewer", "nurse", "east", "north"}) test::pki().add_client(name);
    service.store.ensure_grants({{"urn:wardlink:service:ingest", "ingest", ""},
                                 {"urn:wardlink:client:viewer", "viewer", ""},
                                 {"urn:wardlink:client:nurse", "clinician", ""},
                                 {"urn:wardlink:client:east", "clinician", "east"},
                                 {"urn:wardlink:client:north", "clinician", "north"}});
    const Instant from{std::chrono::seconds{start}};
    ann = service.store.create_patient("Ann", {}, "icu").id;
    bob = service.store.create_patient("Bob", {}, "east").id;
    carl = service.store.create_patient("Carl", {}, "east").id;
    const auto writer = service.store.open_writer();
    const auto session = writer->attach({device, 7, from, std::chrono::seconds{60}, {}, false, 1000}).session;
    service.store.assign({}, device, ann, from, "a test");
    service.store.release({}, device, from + std::chrono::seconds{100}, "a test");
    service.store.assign({}, device, bob, from + std::chrono::seconds{100}, "a test");
    AlarmFact fact;
    fact.code = "hr-high";
    const std::vector<Record> batch = {{session, Stream::alarms, 1, 100'000, from + std::chrono::seconds{120}, fact}};
    ASSERT_THAT(writer->append(batch), ElementsAre(RecordResult::committed));
  }

  std::vector<v1::UnattributedPeriod> list(const std::string& name) {
    grpc::ClientContext context;
    v1::ListUnattributedResponse page;
    const auto status =
        v1::AlarmService::NewStub(service.channel("clients/" + name))->ListUnattributed(&context, {}, &page);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(page.next_page_token(), "");
    return {page.periods().begin(), page.periods().end()};
  }

  grpc::Status settle(const std::string& name, const std::string& period, const std::string& patient,
                      bool nobody = false, v1::SettleResponse* response = nullptr) {
    grpc::ClientContext context;
    v1::SettleRequest request;
    if (!period.empty()) request.add_names(period);
    request.set_patient(patient);
    request.set_nobody(nobody);
    v1::SettleResponse own;
    return v1::AlarmService::NewStub(service.channel("clients/" + name))
        ->Settle(&context, request, response ? response : &own);
  }

  test::ScratchDatabase database;
  test::Service service{database.connection()};
  std::int64_t start =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() -
      3600;
  std::string ann, bob, carl;
};

TEST_F(UnattributedTest, EachSeesItWithThePatientsWhomTheyKnow) {
  const auto all = list("viewer");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].name(), std::string("devices/") + device + "/unattributed/7-100000-100000");
  EXPECT_EQ(all[0].device(), std::string("devices/") + device);
  EXPECT_EQ(all[0].boot(), 7u);
  EXPECT_EQ(all[0].first_tick_ms(), 100'000u);
  EXPECT_EQ(all[0].alarms(), 1u);
  EXPECT_EQ(all[0].start_time().seconds(), all[0].end_time().seconds());
  EXPECT_EQ(all[0].candidates_size(), 2);
  const auto theirs = list("east");
  ASSERT_EQ(theirs.size(), 1u);
  ASSERT_EQ(theirs[0].candidates_size(), 1);
  EXPECT_EQ(theirs[0].candidates(0).patient_display_name(), "Bob");
  EXPECT_THAT(list("north"), IsEmpty());
}

TEST_F(UnattributedTest, ACarerSettlesIt) {
  const auto period = list("nurse").at(0).name();
  v1::SettleResponse response;
  const auto status = settle("east", period, "patients/" + bob, false, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.periods_size(), 1);
  EXPECT_EQ(response.periods(0).alarms(), 1u);
  EXPECT_EQ(response.periods(0).name(), period);
  EXPECT_THAT(list("nurse"), IsEmpty());
  EXPECT_TRUE(settle("nurse", period, "", true).ok()) << "the last word counts";
}

TEST_F(UnattributedTest, WhatCannotBeIsRefusedWithAReason) {
  const auto period = list("nurse").at(0).name(), patient = "patients/" + ann;
  EXPECT_EQ(settle("viewer", period, patient).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(settle("east", period, patient).error_code(), StatusCode::PERMISSION_DENIED) << "another ward's patient";
  EXPECT_EQ(settle("north", period, "", true).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(settle("nurse", period, "").error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(settle("nurse", period, patient, true).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(settle("nurse", "", patient).error_code(), StatusCode::INVALID_ARGUMENT);
  for (const auto* wrong : {"7-100000", "7-100001-100000", "7-1-2-3", "-7-1-2", "7-1-99999999999999999999", "a-1-2"}) {
    const auto status = settle("nurse", std::string("devices/") + device + "/unattributed/" + wrong, patient);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << wrong;
    EXPECT_THAT(status.error_message(), testing::HasSubstr("names")) << wrong;
  }
  const auto carls = settle("nurse", period, "patients/" + carl);
  EXPECT_EQ(carls.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(carls.error_message(), testing::HasSubstr("did not wear devices/" + std::string(device)));
  EXPECT_EQ(settle("nurse", std::string("devices/") + device + "/unattributed/7-1-2", patient).error_code(),
            StatusCode::NOT_FOUND);
  EXPECT_EQ(list("nurse").size(), 1u);
}

TEST_F(UnattributedTest, EachCallIsAudited) {
  const auto period = list("nurse").at(0).name();
  settle("nurse", period, "patients/" + ann);
  EXPECT_EQ(database.ask("SELECT string_agg(method || ' ' || resources::text, ' ' ORDER BY audit_id) FROM audit"
                         " WHERE subject = 'urn:wardlink:client:nurse' AND method LIKE 'Alarm%'"),
            "AlarmService.ListUnattributed {patients/-} AlarmService.Settle {" + period + ",patients/" + ann + "}");
}

}  // namespace
}  // namespace wardlink::storage
