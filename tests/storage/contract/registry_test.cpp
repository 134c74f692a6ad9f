// What a store promises of who wore what when, and of who may what: a reading belongs to the patient who wore the
// device as it was measured.

#include <gmock/gmock.h>

#include "contract/tenant.hpp"
#include "storage/rules/text.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using Kind = StoreError::Kind;

const std::string nurse = "urn:wardlink:client:nurse";
const Scope icu = std::vector<std::string>{"icu"}, maternity = std::vector<std::string>{"maternity"};

class RegistryContract : public ContractTest {
 protected:
  /// A reading a minute, and two patients.
  void SetUp() override {
    std::vector<Record> sets;
    for (std::uint64_t minute = 0; minute < 60; ++minute)
      sets.push_back(set(minute + 1, minute * 60'000, static_cast<double>(minute)));
    append(sets);
    ann = registry.create_patient("Ann", {}, "icu").id;
    bob = registry.create_patient("Bob", {{"urn:hospital", "4711"}}, "").id;
  }

  AssignmentRow assign(const std::string& patient, std::chrono::minutes at) {
    return registry.assign({}, device_a, patient, anchor + at, nurse);
  }
  AssignmentRow release(std::chrono::minutes at) { return registry.release({}, device_a, anchor + at, nurse); }

  static std::string refusal_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const StoreError& error) {
      return error.what();
    }
    return "was not refused";
  }

  /// The minutes whose readings are the patient's, as first-last and how many.
  std::string minutes_of(const std::string& patient, const Scope& scope = {}) {
    ReadingsQuery query;
    query.scope = scope;
    query.subject = {Subject::Kind::patient, patient};
    const auto rows = records.readings(query);
    if (rows.empty()) return "none";
    const auto minute = [](const ReadingRow& row) { return std::to_string(static_cast<int>(row.set.values[0])); };
    return minute(rows.front()) + "-" + minute(rows.back()) + " (" + std::to_string(rows.size()) + ")";
  }

  std::string ann, bob;
};
WARDLINK_FOR_ALL_STORES(RegistryContract);

TEST_P(RegistryContract, ReadingsFollowTheDeviceFromPatientToPatient) {
  const auto first = assign(ann, 10min);
  EXPECT_EQ(first.device, device_a);
  EXPECT_EQ(first.patient, ann);
  EXPECT_EQ(first.held_from, anchor + 10min);
  EXPECT_FALSE(first.held_until);
  EXPECT_EQ(first.recorded_by, nurse);
  release(20min);
  assign(bob, 30min);
  EXPECT_EQ(minutes_of(ann), "10-19 (10)");
  EXPECT_EQ(minutes_of(bob), "30-59 (30)");
}

TEST_P(RegistryContract, ALateReadingBelongsToWhoWoreTheDeviceThen) {
  assign(ann, 10min);
  release(20min);
  assign(bob, 30min);
  append(set(100, 15 * 60'000 + 1, 15));
  EXPECT_EQ(minutes_of(ann), "10-19 (11)");
  EXPECT_EQ(minutes_of(bob), "30-59 (30)");
}

TEST_P(RegistryContract, ACorrectionIntoThePastMovesReadings) {
  const auto believed = assign(ann, 10min);
  // It was Bob since minute 25.
  const auto corrected = release(25min);
  EXPECT_EQ(corrected.held_from, anchor + 10min);
  EXPECT_EQ(corrected.held_until, anchor + 25min);
  EXPECT_GT(corrected.recorded_at, believed.recorded_at);
  assign(bob, 25min);
  EXPECT_EQ(minutes_of(ann), "10-24 (15)");
  EXPECT_EQ(minutes_of(bob), "26-59 (34)") << "that of minute 25 may be of either";
}

TEST_P(RegistryContract, AnAssignmentThatNeverWas) {
  assign(ann, 10min);
  const auto none = release(10min);
  EXPECT_EQ(none.held_from, none.held_until);
  assign(bob, 10min);
  EXPECT_EQ(minutes_of(ann), "none");
  EXPECT_EQ(minutes_of(bob), "10-59 (50)");
}

TEST_P(RegistryContract, AnEarlierAssignmentLastsUntilTheNextBegins) {
  assign(bob, 30min);
  EXPECT_EQ(assign(ann, 10min).held_until, anchor + 30min);
  EXPECT_EQ(minutes_of(ann), "10-29 (20)");
  EXPECT_EQ(minutes_of(bob), "31-59 (29)") << "that of minute 30 may be of either";
}

TEST_P(RegistryContract, ADeviceIsWornByOnePatientAtATime) {
  const auto worn = assign(ann, 10min);
  EXPECT_EQ(kind_of([&] { assign(bob, 20min); }), Kind::precondition);
  const auto again = registry.assign({}, device_a, ann, anchor + 20min, "another");  // she wears it already
  EXPECT_EQ(again.held_from, anchor + 10min);
  EXPECT_EQ(again.recorded_at, worn.recorded_at);
  EXPECT_EQ(again.recorded_by, nurse);
}

// LIFE-3
TEST_P(RegistryContract, AnAssignmentThatAReleaseCutIsNoAnswer) {
  assign(ann, 10min);
  release(20min);
  const auto why = refusal_of([&] { assign(ann, 15min); });
  EXPECT_THAT(why, testing::HasSubstr("from " + to_text_of_instant(anchor + 10min) + " until " +
                                      to_text_of_instant(anchor + 20min) + " and no longer"));
  EXPECT_THAT(why, testing::HasSubstr("assign it from " + to_text_of_instant(anchor + 20min) + " on"));
  EXPECT_EQ(kind_of([&] { assign(ann, 10min); }), Kind::precondition) << "from its very start";
  EXPECT_EQ(kind_of([&] { registry.assign({}, device_a, ann, anchor + 20min - 1us, nurse); }), Kind::precondition);
  EXPECT_EQ(minutes_of(ann), "10-19 (10)") << "nothing was assigned";
  // What the sentence says to do.
  EXPECT_FALSE(assign(ann, 20min).held_until);
  EXPECT_EQ(minutes_of(ann), "10-59 (50)");
}

// LIFE-3
TEST_P(RegistryContract, AnAssignmentThatLastsUntilTheNextIsAllThatCanBeAskedFor) {
  assign(bob, 30min);
  assign(ann, 10min);
  EXPECT_EQ(assign(ann, 15min).held_until, anchor + 30min);
  // Released before the next one begins: no longer.
  release(20min);
  EXPECT_EQ(kind_of([&] { assign(ann, 15min); }), Kind::precondition);
  EXPECT_EQ(assign(ann, 20min).held_until, anchor + 30min);
  // The next one never was: what lasted until then has an end that nothing follows.
  release(30min);
  EXPECT_EQ(kind_of([&] { assign(ann, 25min); }), Kind::precondition);
}

TEST_P(RegistryContract, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(kind_of([&] { release(10min); }), Kind::precondition);
  EXPECT_EQ(kind_of([&] { assign(counted_id(), 10min); }), Kind::not_found);
  EXPECT_EQ(kind_of([&] { registry.assign({}, device_b, ann, {}, nurse); }), Kind::not_found);
  EXPECT_EQ(kind_of([&] { registry.device({}, device_b); }), Kind::not_found);
  EXPECT_EQ(kind_of([&] { registry.create_device(device_a); }), Kind::exists);
  EXPECT_EQ(kind_of([&] { registry.create_patient("Eve", {{"urn:hospital", "4711"}}, "z"); }), Kind::exists);
  EXPECT_EQ(registry.patients({}, "", 10).size(), 2U);
}

TEST_P(RegistryContract, LatestShowsOnAPatientOnlyWhatWasMeasuredOnThem) {
  assign(ann, 10min);
  auto rows = records.latest({}, {});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].patient_name, "Ann");
  EXPECT_EQ(rows[0].values.at(0).value, 59);
  // Handed to Bob a moment ago: nothing of his has been measured yet.
  registry.release({}, device_a, {}, nurse);
  registry.assign({}, device_a, bob, {}, nurse);
  rows = records.latest({}, {});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].patient_name, "Bob");
  EXPECT_TRUE(rows[0].values.empty());
  EXPECT_EQ(records.latest({}, {Subject::Kind::patient, bob}).size(), 1U);
  EXPECT_TRUE(records.latest({}, {Subject::Kind::patient, ann}).empty());
}

TEST_P(RegistryContract, AWardsEyesEndAtItsDoor) {
  assign(ann, 10min);
  EXPECT_EQ(minutes_of(ann, icu), "10-59 (50)");
  EXPECT_EQ(minutes_of(ann, maternity), "none");
  EXPECT_EQ(registry.patients(icu, "", 10).size(), 1U);
  EXPECT_EQ(records.latest(icu, {}).size(), 1U);
  EXPECT_EQ(records.latest(maternity, {}).size(), 0U);
  EXPECT_EQ(registry.devices(maternity, "", 10).size(), 0U);
  EXPECT_EQ(kind_of([&] { registry.device(maternity, device_a); }), Kind::not_found);
  EXPECT_EQ(kind_of([&] { registry.release(maternity, device_a, {}, nurse); }), Kind::not_found);
  EXPECT_EQ(kind_of([&] { registry.assign(icu, device_a, bob, anchor, nurse); }), Kind::not_found);
  EXPECT_EQ(kind_of([&] { registry.patient(icu, bob); }), Kind::not_found);
  EXPECT_EQ(minutes_of(ann), "10-59 (50)");
  release(60min);
  EXPECT_EQ(registry.devices(maternity, "", 10).size(), 1U) << "nobody wears it: everybody sees it";
  EXPECT_EQ(registry.device(maternity, device_a).urn, device_a);
}

TEST_P(RegistryContract, PatientsTellTheirDevicesAndIdentifiers) {
  assign(bob, 10min);
  const auto row = registry.patient({}, bob);
  EXPECT_EQ(row.display_name, "Bob");
  EXPECT_EQ(row.ward, "");
  EXPECT_THAT(row.devices, ElementsAre(device_a));
  ASSERT_EQ(row.identifiers.size(), 1U);
  EXPECT_EQ(row.identifiers[0].system, "urn:hospital");
  EXPECT_EQ(row.identifiers[0].value, "4711");
  const auto device = registry.device({}, device_a);
  EXPECT_EQ(device.patient, bob);
  EXPECT_EQ(device.patient_name, "Bob");
  EXPECT_EQ(device.last_received_at, received);
}

TEST_P(RegistryContract, ANewDeviceIsWornByNobodyAndSilent) {
  const auto made = registry.create_device(device_b);
  EXPECT_EQ(made.urn, device_b);
  EXPECT_EQ(made.patient, "");
  EXPECT_FALSE(made.last_received_at);
  EXPECT_EQ(registry.device({}, device_b).created_at, made.created_at);
  EXPECT_EQ(writer->attach({device_b, 1, anchor}).session->device, device_b);
}

TEST_P(RegistryContract, DevicesAndPatientsComeInPages) {
  for (const char letter : std::string("hgfedcb")) registry.create_device(std::string("urn:dev:os:32473-") + letter);
  std::string urns;
  for (std::optional<std::string> after = ""; after;) {
    const auto page = registry.devices({}, *after, 3);
    for (const auto& row : page) urns += row.urn.back();
    after = page.next;
  }
  EXPECT_EQ(urns, "abcdefgh");
  for (int i = 0; i < 5; ++i) registry.create_patient("P", {}, i % 2 == 0 ? "icu" : "maternity");
  const auto ids = [&](const Scope& scope) {
    std::vector<std::string> all;
    for (std::optional<std::string> after = ""; after;) {
      const auto page = registry.patients(scope, *after, 2);
      for (const auto& row : page) all.push_back(row.id);
      after = page.next;
    }
    EXPECT_TRUE(std::ranges::is_sorted(all));
    return all.size();
  };
  EXPECT_EQ(ids({}), 7U);
  EXPECT_EQ(ids(icu), 4U);
  EXPECT_EQ(ids(std::vector<std::string>{"icu", "maternity"}), 6U);
}

TEST_P(RegistryContract, GrantsAreMadeOnceAndAudited) {
  access.ensure_grants({{nurse, "viewer", ""}, {nurse, "clinician", "icu"}});
  access.ensure_grants({{nurse, "viewer", ""}, {nurse, "clinician", "icu"}});
  EXPECT_THAT(access.grants_of(nurse),
              testing::UnorderedElementsAre(Grant{nurse, "viewer", ""}, Grant{nurse, "clinician", "icu"}));
  EXPECT_TRUE(access.grants_of("urn:wardlink:client:nobody").empty());
  const auto audited = tenant->audited();
  ASSERT_EQ(audited.size(), 2U);
  EXPECT_EQ(audited[1].method, "grant");
  EXPECT_EQ(audited[1].reason, "at start: clinician in wards/icu");
  EXPECT_TRUE(audited[1].granted);
}

TEST_P(RegistryContract, AWardIsThePatientsOrThePresentWearers) {
  EXPECT_EQ(access.ward_of({Subject::Kind::patient, ann}), "icu");
  EXPECT_EQ(access.ward_of({Subject::Kind::patient, bob}), "");
  EXPECT_EQ(access.ward_of({Subject::Kind::patient, counted_id()}), "");
  EXPECT_EQ(access.ward_of({Subject::Kind::device, device_a}), "");
  EXPECT_EQ(access.ward_of({Subject::Kind::device, device_b}), "");
  EXPECT_EQ(access.ward_of({}), "");
  assign(ann, 10min);
  EXPECT_EQ(access.ward_of({Subject::Kind::device, device_a}), "icu");
}

TEST_P(RegistryContract, AnAuditedFactIsThereWhenTheCallReturns) {
  access.audit({.subject = nurse, .method = "GetLatest", .granted = true, .resources = {"devices/-"}});
  const auto audited = tenant->audited();
  ASSERT_EQ(audited.size(), 1U);
  EXPECT_EQ(audited[0].subject, nurse);
  EXPECT_THAT(audited[0].resources, ElementsAre("devices/-"));
}

}  // namespace
}  // namespace wardlink::storage::test
