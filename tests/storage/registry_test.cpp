// Who wore what when, on a real PostgreSQL: a reading belongs to the patient who wore the device as it was measured.

#include <gtest/gtest.h>

#include "cluster.hpp"
#include "storage/port/store_error.hpp"
#include "storage/postgres/postgres_store.hpp"

namespace wardlink::storage {
namespace {

using namespace std::chrono_literals;

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

class RegistryStoreTest : public testing::Test {
 protected:
  static constexpr const char* device = "urn:dev:os:32473-a";
  static constexpr const char* nurse = "urn:wardlink:client:nurse";

  void SetUp() override {
    session = writer->attach({device, 1, start}).session;
    std::vector<Record> records;
    for (std::uint64_t minute = 0; minute < 60; ++minute) {
      records.push_back({session, Stream::vitals, minute + 1, minute * 60'000, now(),
                         MeasurementSet{{1}, {static_cast<double>(minute)}, {0}}});
    }
    writer->append(records);
    ann = store.create_patient("Ann", {}, "icu").id;
    bob = store.create_patient("Bob", {{"urn:hospital", "4711"}}, "").id;
  }

  AssignmentRow assign(const std::string& patient, std::chrono::minutes at) {
    return store.assign({}, device, patient, start + at, nurse);
  }
  AssignmentRow release(std::chrono::minutes at) { return store.release({}, device, start + at, nurse); }

  /// The minutes whose readings are the patient's, as first-last and how many.
  std::string minutes_of(const std::string& patient, const Scope& scope = {}) {
    ReadingsQuery query;
    query.scope = scope;
    query.subject = {Subject::Kind::patient, patient};
    const auto rows = store.readings(query);
    if (rows.empty()) return "none";
    const auto minute = [](const ReadingRow& row) { return std::to_string(static_cast<int>(row.set.values[0])); };
    return minute(rows.front()) + "-" + minute(rows.back()) + " (" + std::to_string(rows.size()) + ")";
  }

  static StoreError::Kind kind_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const StoreError& error) {
      return error.kind();
    }
    ADD_FAILURE() << "was not refused";
    return StoreError::Kind::away;
  }

  test::ScratchDatabase database;
  PostgresStore store{{.connection = database.connection()}};
  std::unique_ptr<RecordWriter> writer = store.open_writer();
  Instant start = std::chrono::floor<std::chrono::minutes>(now()) - 60min;
  std::shared_ptr<const Session> session;
  std::string ann, bob;
};

TEST_F(RegistryStoreTest, ReadingsFollowTheDeviceFromPatientToPatient) {
  assign(ann, 10min);
  release(20min);
  assign(bob, 30min);
  EXPECT_EQ(minutes_of(ann), "10-19 (10)");
  EXPECT_EQ(minutes_of(bob), "30-59 (30)");
}

TEST_F(RegistryStoreTest, ALateReadingBelongsToWhoWoreTheDeviceThen) {
  assign(ann, 10min);
  release(20min);
  assign(bob, 30min);
  const std::vector<Record> late = {
      {session, Stream::vitals, 100, 15 * 60'000 + 1, now(), MeasurementSet{{1}, {15}, {0}}}};
  writer->append(late);
  EXPECT_EQ(minutes_of(ann), "10-19 (11)");
  EXPECT_EQ(minutes_of(bob), "30-59 (30)");
}

TEST_F(RegistryStoreTest, ACorrectionIntoThePastMovesReadingsAndKeepsWhatWasBelieved) {
  assign(ann, 10min);
  // It was Bob since minute 25.
  const auto corrected = release(25min);
  EXPECT_EQ(corrected.held_until, start + 25min);
  assign(bob, 25min);
  EXPECT_EQ(minutes_of(ann), "10-24 (15)");
  EXPECT_EQ(minutes_of(bob), "25-59 (35)");
  EXPECT_EQ(database.ask("SELECT count(*) FROM assignment WHERE NOT upper_inf(recorded) AND upper_inf(held)"), "1");
  EXPECT_EQ(database.ask("SELECT count(*) FROM assignment"), "3");
}

TEST_F(RegistryStoreTest, AnAssignmentThatNeverWas) {
  assign(ann, 10min);
  release(10min);
  assign(bob, 10min);
  EXPECT_EQ(minutes_of(ann), "none");
  EXPECT_EQ(minutes_of(bob), "10-59 (50)");
}

TEST_F(RegistryStoreTest, AnEarlierAssignmentLastsUntilTheNextBegins) {
  assign(bob, 30min);
  EXPECT_EQ(assign(ann, 10min).held_until, start + 30min);
  EXPECT_EQ(minutes_of(ann), "10-29 (20)");
}

TEST_F(RegistryStoreTest, ADeviceIsWornByOnePatientAtATime) {
  assign(ann, 10min);
  EXPECT_EQ(kind_of([&] { assign(bob, 20min); }), StoreError::Kind::precondition);
  EXPECT_EQ(assign(ann, 20min).held_from, start + 10min);  // she wears it already
  // Behind the program's back the constraint refuses too.
  EXPECT_THROW(database.ask("INSERT INTO assignment SELECT device_id, patient_id, tstzrange(now(), NULL),"
                            " tstzrange(now(), NULL), 'x' FROM assignment"),
               std::runtime_error);
}

TEST_F(RegistryStoreTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(kind_of([&] { release(10min); }), StoreError::Kind::precondition);
  EXPECT_EQ(kind_of([&] { assign("00000000-0000-0000-0000-000000000000", 10min); }), StoreError::Kind::not_found);
  EXPECT_EQ(kind_of([&] { store.device({}, "urn:dev:os:32473-none"); }), StoreError::Kind::not_found);
  EXPECT_EQ(kind_of([&] { store.create_device(device); }), StoreError::Kind::exists);
  EXPECT_EQ(kind_of([&] { store.create_patient("Eve", {{"urn:hospital", "4711"}}, ""); }), StoreError::Kind::exists);
  EXPECT_EQ(database.ask("SELECT count(*) FROM patient"), "2");
}

TEST_F(RegistryStoreTest, LatestShowsOnAPatientOnlyWhatWasMeasuredOnThem) {
  assign(ann, 10min);
  auto rows = store.latest({}, {});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].patient_name, "Ann");
  EXPECT_EQ(rows[0].values.at(0).value, 59);
  // Handed to Bob a moment ago: nothing of his has been measured yet.
  store.release({}, device, {}, nurse);
  store.assign({}, device, bob, {}, nurse);
  rows = store.latest({}, {});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].patient_name, "Bob");
  EXPECT_TRUE(rows[0].values.empty());
}

TEST_F(RegistryStoreTest, AlarmsBelongToWhoWoreTheDeviceAtTheirOnset) {
  assign(ann, 10min);
  release(20min);
  assign(bob, 30min);
  const auto alarm = [&](std::uint64_t sequence, std::uint64_t minute) {
    return Record{
        session,
        Stream::alarms,
        sequence,
        minute * 60'000,
        now(),
        AlarmFact{AlarmEvent::raised, AlarmKind::physiological, AlarmPriority::high, "hr-high", 1, 140.0, 130.0, 0}};
  };
  const std::vector<Record> records = {alarm(1, 15), alarm(2, 25), alarm(3, 35)};
  writer->append(records);
  const auto alarms = store.alarms({});
  ASSERT_EQ(alarms.size(), 3U);
  EXPECT_EQ(alarms[0].patient_name, "Bob");
  EXPECT_EQ(alarms[1].patient_name, "");
  EXPECT_EQ(alarms[2].patient_name, "Ann");
  AlarmsQuery of_ann;
  of_ann.subject = {Subject::Kind::patient, ann};
  EXPECT_EQ(store.alarms(of_ann).size(), 1U);
  EXPECT_EQ(store.latest({}, {}).at(0).alarms.size(), 1U);
}

TEST_F(RegistryStoreTest, AWardsEyesEndAtItsDoor) {
  const Scope icu = std::vector<std::string>{"icu"}, other = std::vector<std::string>{"maternity"};
  assign(ann, 10min);
  EXPECT_EQ(minutes_of(ann, icu), "10-59 (50)");
  EXPECT_EQ(minutes_of(ann, other), "none");
  EXPECT_EQ(store.patients(icu, "", 10).size(), 1U);
  EXPECT_EQ(store.latest(icu, {}).size(), 1U);
  EXPECT_EQ(store.latest(other, {}).size(), 0U);
  EXPECT_EQ(store.devices(other, "", 10).size(), 0U);
  EXPECT_EQ(kind_of([&] { store.release(other, device, {}, nurse); }), StoreError::Kind::not_found);
  EXPECT_EQ(kind_of([&] { store.patient(icu, bob); }), StoreError::Kind::not_found);
  EXPECT_EQ(minutes_of(ann), "10-59 (50)");
}

TEST_F(RegistryStoreTest, PatientsTellTheirDevicesAndIdentifiers) {
  assign(bob, 10min);
  const auto row = store.patient({}, bob);
  EXPECT_EQ(row.devices, std::vector<std::string>{device});
  ASSERT_EQ(row.identifiers.size(), 1U);
  EXPECT_EQ(row.identifiers[0].value, "4711");
  EXPECT_EQ(store.device({}, device).patient_name, "Bob");
}

TEST_F(RegistryStoreTest, GrantsAreMadeOnceAndAudited) {
  store.ensure_grants({{nurse, "viewer", ""}, {nurse, "clinician", "icu"}});
  store.ensure_grants({{nurse, "viewer", ""}, {nurse, "clinician", "icu"}});
  EXPECT_EQ(store.grants_of(nurse).size(), 2U);
  EXPECT_EQ(database.ask("SELECT count(*) FROM audit WHERE method = 'grant'"), "2");
}

}  // namespace
}  // namespace wardlink::storage
