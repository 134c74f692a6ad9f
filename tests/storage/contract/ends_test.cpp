// How alarms end that their device does not end, and for whom they are raised anew. LIFE-1.

#include <gmock/gmock.h>

#include <thread>

#include "contract/tenant.hpp"

namespace wardlink::storage {

/// For what gmock says where a test fails.
void PrintTo(const AlarmCondition& alarm, std::ostream* out) {
  *out << alarm.code << " of " << alarm.patient_name << " cause "
       << static_cast<int>(alarm.end_cause.value_or(AlarmEndCause{}));
}

}  // namespace wardlink::storage

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Cause = AlarmEndCause;
const std::string nurse = "urn:wardlink:client:nurse", doctor = "urn:wardlink:client:doctor";

auto ends_by(Cause cause) { return Field("end_cause", &AlarmCondition::end_cause, testing::Optional(cause)); }
auto is_open() { return Field("end", &AlarmCondition::end, testing::Eq(std::nullopt)); }

class EndContract : public ContractTest {
 protected:
  /// Oldest onset first.
  std::vector<AlarmCondition> alarms(const Subject& of = {}, bool open_only = false) {
    AlarmsQuery query;
    query.subject = of;
    query.open_only = open_only;
    auto page = records.alarms(query);
    return {page.rbegin(), page.rend()};
  }
  std::vector<AlarmCondition> alarms_of(const std::string& patient) {
    return alarms({Subject::Kind::patient, patient});
  }
  AlarmCondition only_alarm_of(const std::string& patient) {
    const auto all = alarms_of(patient);
    EXPECT_THAT(all, SizeIs(1));
    return all.empty() ? AlarmCondition{} : all.front();
  }
  std::vector<AlarmCondition> coded(const std::string& code) {
    auto all = alarms();
    std::erase_if(all, [&](const AlarmCondition& each) { return each.code != code; });
    return all;
  }
  void append_three(std::shared_ptr<const Session> of = nullptr, std::uint64_t first = 1) {
    for (const char* code : {"hr-high", "spo2-low", "rr-low"}) append(alarm(first++, raised(code), of));
  }
  std::string patient(const std::string& name = "Ann", const std::string& ward = "icu") {
    return registry.create_patient(name, {}, ward).id;
  }
  void assign(const std::string& who, Instant from, const std::string& device = device_a) {
    registry.assign({}, device, who, from, nurse);
  }
  void release(Instant until, const std::string& device = device_a) { registry.release({}, device, until, nurse); }
  static AlarmKey key_of(const AlarmCondition& alarm) {
    return {alarm.device, alarm.boot, alarm.stream, alarm.sequence};
  }
  AlarmKey key(std::uint64_t sequence, std::uint64_t boot = 7) const {
    return {device_a, boot, Stream::alarms, sequence};
  }
  std::string refusal(const std::function<void()>& call) {
    try {
      call();
    } catch (const StoreError& error) {
      EXPECT_EQ(error.kind(), StoreError::Kind::precondition) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "was not refused";
    return {};
  }
};
WARDLINK_FOR_ALL_STORES(EndContract);

// -- the device -------------------------------------------------------------------------------------------------------

TEST_P(EndContract, TheDevicesOwnEndSaysSo) {
  append_three();
  append({alarm(4, ended("hr-high", 1)), alarm(5, ended("spo2-low", 2)), alarm(6, ended("rr-low", 3))});
  EXPECT_THAT(alarms(), AllOf(SizeIs(3), Each(ends_by(Cause::device))));
  append(alarm(7, raised("hr-high")));
  EXPECT_THAT(alarms().back(), AllOf(is_open(), Field(&AlarmCondition::end_cause, std::nullopt)));
}

// -- a newer start ----------------------------------------------------------------------------------------------------

TEST_P(EndContract, ANewerStartEndsWhatEarlierOnesAssert) {
  const auto ann = patient();
  assign(ann, anchor);
  append_three();
  const auto before = now();
  attach(device_a, 8);
  const auto all = alarms_of(ann);
  EXPECT_THAT(all, AllOf(SizeIs(3), Each(ends_by(Cause::restarted))));
  for (const auto& each : all) {
    ASSERT_TRUE(each.end);
    EXPECT_GE(*each.end, before);
    EXPECT_EQ(each.state(), AlarmState::ended) << "it stays in sight until somebody has seen it";
    EXPECT_EQ(each.ended_by, "");
    EXPECT_FALSE(each.end_tick_ms);
  }
  EXPECT_THAT(alarms({}, true), IsEmpty());
  EXPECT_EQ(records.latest({}, {}).front().open_alarms, 0U);
}

TEST_P(EndContract, ASessionThatIsAttachedAgainEndsNothing) {
  append_three();
  attach();
  writer = records.open_writer();
  attach();
  writer->at_boots(std::vector<AttachRequest>{{device_a, 3, anchor}});
  attach(device_b, 9);
  EXPECT_THAT(alarms({}, true), SizeIs(3));
}

/// A session that waited for storage on another ingest, and is told of when its device has restarted long ago.
TEST_P(EndContract, AStartIsNotTheNewestForBeingToldOfLast) {
  const auto then = now() - 10min;
  writer->attach({device_a, 8, anchor, {}, then});  // the first one of the fixture registered later
  append_three();
  EXPECT_THAT(alarms({}, true), SizeIs(3));
  const auto newest = writer->attach({device_a, 9, anchor, {}, now()}).session;
  EXPECT_THAT(alarms({}, true), IsEmpty());
  append_three(newest);
  const auto late = writer->attach({device_a, 10, anchor, {}, then + 1min}).session;
  writer->attach({device_a, 11, anchor, {}, then + 2min});
  EXPECT_THAT(alarms({}, true), SizeIs(3)) << "of the newest";
  append_three(late);
  EXPECT_THAT(alarms({}, true), SizeIs(3)) << "what a late one says is ended on arrival";
  EXPECT_THAT(alarms(), SizeIs(9));
}

TEST_P(EndContract, OfStartsThatAreToldOfAtOnceTheOneThatRegisteredLastIsTheNewest) {
  const auto then = now();
  const auto attached = writer->attach(std::vector<AttachRequest>{
      {device_a, 8, anchor, {}, then}, {device_a, 9, anchor, {}, then - 1ms}, {device_b, 8, anchor, {}, then}});
  append_three(attached[0].session);
  EXPECT_THAT(alarms({}, true), SizeIs(3));
  append_three(attached[1].session);
  EXPECT_THAT(alarms({}, true), SizeIs(3));
}

TEST_P(EndContract, WhatIsPostedByHandIsNoStart) {
  append_three();
  const auto by_hand = writer->attach({device_a, 9, {}, {}, now(), true}).session;
  EXPECT_THAT(alarms({}, true), SizeIs(3)) << "it ends nothing";
  Record record = alarm(5, raised("fall"), by_hand);
  record.stream = Stream::manual;
  append(record);
  EXPECT_THAT(coded("fall"), ElementsAre(is_open())) << "and nothing ends it";
  attach(device_a, 10);
  EXPECT_THAT(coded("fall"), ElementsAre(is_open()));
}

TEST_P(EndContract, ADebtOfAnEarlierStartIsEndedOnArrival) {
  const auto newest = attach(device_a, 8);
  append_three();  // of a start that registered
  const auto never = writer->at_boots(std::vector<AttachRequest>{{device_a, 3, anchor}}).front();
  append_three(never);
  append({alarm(9, raised("temp-high")), alarm(10, ended("temp-high", 9))});
  for (const auto& each : alarms()) {
    EXPECT_EQ(each.end_cause, each.code == "temp-high" ? Cause::device : Cause::restarted) << each.code;
    EXPECT_EQ(each.state(), AlarmState::ended) << "and stays unacknowledged";
  }
  append_three(newest);
  EXPECT_THAT(alarms({}, true), SizeIs(3));
}

TEST_P(EndContract, WhatStorageRaisedItselfEndsWithNoStart) {
  append({alarm(1, raised("hr-high")), alarm(2, AlarmFact{})});
  attach(device_a, 8);
  EXPECT_THAT(coded("quarantine"), ElementsAre(is_open()));
}

TEST_P(EndContract, MoreThanThreeStartsInTenMinutesRaiseOneAlarm) {
  attach(device_a, 8);
  attach(device_a, 9);
  attach(device_a, 9);
  attach(device_b, 1);
  EXPECT_THAT(coded("restarting"), IsEmpty());
  attach(device_a, 10);
  const auto raised_once = coded("restarting");
  ASSERT_THAT(raised_once, SizeIs(1));
  EXPECT_EQ(raised_once[0].kind, AlarmKind::technical);
  EXPECT_EQ(raised_once[0].priority, AlarmPriority::medium);
  EXPECT_EQ(raised_once[0].device, device_a);
  EXPECT_EQ(raised_once[0].boot, 10U);
  EXPECT_THAT(raised_once[0], is_open());
  attach(device_a, 11);
  attach(device_a, 12);
  EXPECT_THAT(coded("restarting"), ElementsAre(is_open())) << "one stands";
  records.close({}, {key_of(raised_once[0])}, nurse, "battery changed");
  attach(device_a, 13);
  EXPECT_THAT(coded("restarting"), ElementsAre(ends_by(Cause::person), is_open()));
  records.acknowledge({}, {key_of(coded("restarting")[1])}, nurse);
  attach(device_a, 14);
  EXPECT_THAT(coded("restarting"), SizeIs(3)) << "one that somebody has seen says nothing of the next storm";
  // Of a crowd, each for itself.
  std::vector<AttachRequest> crowd;
  for (std::uint64_t boot = 20; boot < 24; ++boot)
    for (const char* device : {"urn:dev:os:32473-c", "urn:dev:os:32473-d"}) crowd.push_back({device, boot, anchor});
  writer->attach(crowd);
  EXPECT_THAT(coded("restarting"), SizeIs(5));
}

// -- release ----------------------------------------------------------------------------------------------------------

TEST_P(EndContract, AReleaseEndsTheWearersAlarms) {
  const auto ann = patient();
  assign(ann, anchor);
  append_three();
  auto late = alarm(9, raised("temp-high"));
  late.tick_ms = 3'600'000;
  append(late);
  const auto other = attach(device_b, 1);
  assign(patient("Bob"), anchor, device_b);
  append(alarm(1, raised("hr-high"), other));
  release(anchor + 10min);
  const auto all = alarms_of(ann);
  EXPECT_THAT(all, AllOf(SizeIs(3), Each(ends_by(Cause::released))));
  for (const auto& each : all) {
    EXPECT_EQ(each.end, anchor + 10min);
    EXPECT_EQ(each.ended_by, nurse);
    EXPECT_EQ(each.state(), AlarmState::ended);
  }
  EXPECT_THAT(alarms({}, true), SizeIs(2)) << "another's, and what was measured on nobody";
}

TEST_P(EndContract, AnOnsetOfWhoWasReleasedIsEndedOnArrival) {
  const auto ann = patient();
  assign(ann, anchor);
  release(anchor + 10min);
  append_three();
  EXPECT_THAT(alarms_of(ann),
              AllOf(SizeIs(3), Each(ends_by(Cause::released)), Each(Field(&AlarmCondition::end, anchor + 10min))));
}

TEST_P(EndContract, ReleaseAndTheDevicesEndGiveOneAnswerInBothOrders) {
  const auto ann = patient(), bob = patient("Bob");
  const auto other = attach(device_b, 7);
  assign(ann, anchor);
  assign(bob, anchor, device_b);
  append_three();
  append_three(other);
  const std::vector<Record> ends = {alarm(4, ended("hr-high", 1)), alarm(5, ended("spo2-low", 2)),
                                    alarm(6, ended("rr-low", 3))};
  append(ends);
  release(anchor + 10min);
  release(anchor + 10min, device_b);
  for (auto end : ends) {
    end.session = other;
    append(end);
  }
  const auto a = alarms_of(ann), b = alarms_of(bob);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].end_cause, Cause::device);
    EXPECT_EQ(b[i].end_cause, a[i].end_cause);
    EXPECT_EQ(b[i].end, a[i].end);
    EXPECT_EQ(b[i].end_tick_ms, a[i].end_tick_ms);
    EXPECT_EQ(b[i].ended_by, "");
  }
}

/// Whichever comes first: nothing stays open on who was released.
TEST_P(EndContract, NothingStaysOpenWhateverOvertakesWhat) {
  constexpr std::uint64_t rounds = 20;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const auto from = anchor + std::chrono::seconds{100 * round};
    const auto ann = patient("Ann " + std::to_string(round));
    assign(ann, from);
    auto onset = alarm(2 * round + 1, raised("hr-high"));
    onset.tick_ms = 100'000 * round + 1000;
    std::thread appends([&] { append(onset); });
    release(from + 50s);
    appends.join();
    EXPECT_THAT(only_alarm_of(ann), ends_by(Cause::released)) << round;
    append(alarm(2 * round + 2, ended("hr-high", 2 * round + 1)));
  }
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const auto old = attach("urn:dev:os:32473-old", 2 * round + 1);
    const auto other = records.open_writer();
    std::thread appends([&] { append(alarm(1, raised("spo2-low"), old)); });
    other->attach({"urn:dev:os:32473-old", 2 * round + 2, anchor});
    appends.join();
  }
  EXPECT_THAT(coded("spo2-low"), AllOf(SizeIs(rounds), Each(ends_by(Cause::restarted))));
}

// -- the next wearer --------------------------------------------------------------------------------------------------

TEST_P(EndContract, WhoWearsTheDeviceNextGetsWhatItAsserts) {
  const auto ann = patient(), bob = patient("Bob", "maternity");
  assign(ann, anchor);
  append_three();
  release(anchor + 10min);
  EXPECT_THAT(alarms({}, true), IsEmpty());
  assign(bob, anchor + 20min);
  const auto anew = alarms_of(bob);
  ASSERT_THAT(anew, AllOf(SizeIs(3), Each(is_open())));
  for (std::size_t i = 0; i < anew.size(); ++i) {
    EXPECT_EQ(anew[i].start, anchor + 20min);
    EXPECT_EQ(anew[i].start_tick_ms, 1'200'000U);
    EXPECT_EQ(anew[i].stream, Stream::storage);
    EXPECT_EQ(anew[i].value, 140.0);
    EXPECT_EQ(anew[i].limit, 130.0);
    EXPECT_EQ(anew[i].priority, AlarmPriority::high);
    EXPECT_EQ(anew[i].kind, AlarmKind::physiological);
    EXPECT_EQ(anew[i].origin, (AlarmOrigin{Stream::alarms, i + 1}));
    EXPECT_EQ(anew[i].state(), AlarmState::raised);
  }
  EXPECT_EQ(records.latest({}, {Subject::Kind::patient, bob}).front().open_alarms, 3U);
  EXPECT_THAT(alarms_of(ann), Each(ends_by(Cause::released)));
  // Ended together with the device's own end.
  append(alarm(2000, ended("hr-high", 1)));
  EXPECT_THAT(alarms_of(bob), ElementsAre(AllOf(ends_by(Cause::device), Field(&AlarmCondition::end, anchor + 2000s)),
                                          is_open(), is_open()));
  EXPECT_EQ(alarms_of(ann).front().end, anchor + 2000s);
  // And with a newer start, as all that an earlier one asserts.
  attach(device_a, 8);
  EXPECT_THAT(alarms_of(bob),
              ElementsAre(ends_by(Cause::device), ends_by(Cause::restarted), ends_by(Cause::restarted)));
}

TEST_P(EndContract, EachWearerAfterAnotherGetsItOnce) {
  const auto ann = patient(), bob = patient("Bob"), eve = patient("Eve");
  assign(ann, anchor);
  append(alarm(1, raised("hr-high")));
  release(anchor + 10min);
  assign(bob, anchor + 10min);
  assign(bob, anchor + 15min);  // stands already
  release(anchor + 20min);
  EXPECT_THAT(only_alarm_of(bob), AllOf(ends_by(Cause::released), Field(&AlarmCondition::end, anchor + 20min)));
  assign(eve, anchor + 30min);
  assign(ann, anchor + 25min);  // until Eve's begins: somebody corrects the past
  EXPECT_THAT(only_alarm_of(eve), is_open());
  append(alarm(2400, ended("hr-high", 1)));
  for (const auto& who : {ann, bob, eve}) EXPECT_THAT(only_alarm_of(who), ends_by(Cause::device));
}

TEST_P(EndContract, AWearerWhoGetsTheDeviceBackHasItAsLongAsItIsAsserted) {
  const auto ann = patient();
  assign(ann, anchor);
  append(alarm(1, raised("hr-high")));
  release(anchor + 10min);
  assign(ann, anchor + 20min);
  const auto open = [&] {
    AlarmsQuery query;
    query.subject = {Subject::Kind::patient, ann};
    query.open_only = true;
    return records.alarms(query).size();
  };
  EXPECT_EQ(open(), 1u);
  for (const auto tick : {30min, 40min, 50min}) {
    const std::chrono::milliseconds told{tick};
    writer->attach({device_a, 7, anchor, 10ms, {}, false, static_cast<std::uint64_t>(told.count())});
    EXPECT_EQ(open(), 1u) << told.count();
  }
}

TEST_P(EndContract, WhatTheDeviceAssertsNoMoreIsNotRaisedAnew) {
  const auto ann = patient(), bob = patient("Bob");
  assign(ann, anchor);
  append({alarm(1, raised("hr-high")), alarm(2, ended("hr-high", 1))});
  append(alarm(3, raised("spo2-low")));
  attach(device_a, 8);
  append(alarm(4, raised("rr-low")));  // a debt
  release(anchor + 10min);
  assign(bob, anchor + 20min);
  EXPECT_THAT(alarms_of(bob), IsEmpty());
}

TEST_P(EndContract, WhatWasRaisedOnNobodyIsTheWearersToo) {
  append_three();
  const auto ann = patient();
  assign(ann, anchor + 10min);
  EXPECT_THAT(alarms_of(ann), AllOf(SizeIs(3), Each(is_open()), Each(Field(&AlarmCondition::start, anchor + 10min))));
  const auto bob = patient("Bob");
  const auto other = attach(device_b, 1);
  assign(bob, anchor, device_b);
  append(alarm(1, raised("hr-high"), other));
  EXPECT_THAT(only_alarm_of(bob), Field(&AlarmCondition::origin, std::nullopt)) << "it is Bob's own";
}

TEST_P(EndContract, ALateOnsetIsTheNextWearersTooWhereTheDeviceAssertsIt) {
  const auto ann = patient(), bob = patient("Bob");
  assign(ann, anchor);
  release(anchor + 10min);
  assign(bob, anchor + 20min);
  append_three();
  EXPECT_THAT(alarms_of(ann), AllOf(SizeIs(3), Each(ends_by(Cause::released))));
  EXPECT_THAT(alarms_of(bob), AllOf(SizeIs(3), Each(is_open())));
}

TEST_P(EndContract, WhatWasRaisedForAnAssignmentThatNeverWasEnds) {
  append_three();
  const auto ann = patient();
  assign(ann, anchor + 10min);
  release(anchor + 10min);
  AlarmsQuery query;
  const auto all = alarms();
  EXPECT_THAT(all, SizeIs(6));
  for (const auto& each : all) EXPECT_EQ(each.end.has_value(), each.origin.has_value());
}

// -- discharge --------------------------------------------------------------------------------------------------------

TEST_P(EndContract, ADischargeReleasesAndEnds) {
  const auto ann = patient();
  const auto other = attach(device_b, 1);
  assign(ann, anchor);
  assign(ann, anchor, device_b);
  append_three();
  append(alarm(1, raised("lead-off"), other));
  const auto gone = registry.discharge({}, ann, anchor + 10min, doctor);
  EXPECT_EQ(gone.at, anchor + 10min);
  EXPECT_EQ(gone.by, doctor);
  ASSERT_THAT(gone.assignments, SizeIs(2));
  EXPECT_EQ(gone.assignments[0].held_until, anchor + 10min);
  EXPECT_THAT(registry.patient({}, ann).devices, IsEmpty());
  const auto all = alarms_of(ann);
  EXPECT_THAT(all,
              AllOf(SizeIs(4), Each(ends_by(Cause::discharged)), Each(Field(&AlarmCondition::end, anchor + 10min))));
  EXPECT_EQ(all[0].ended_by, doctor);
  auto late = alarm(9, raised("temp-high"));
  append(late);
  EXPECT_THAT(alarms_of(ann), AllOf(SizeIs(5), Each(ends_by(Cause::discharged)))) << "on arrival";
  append(alarm(10, ended("hr-high", 1)));
  EXPECT_THAT(alarms_of(ann).front(), ends_by(Cause::device)) << "the device's word wins";
  // Who wears them next hears of it.
  const auto bob = patient("Bob");
  assign(bob, anchor + 20min, device_b);
  EXPECT_THAT(only_alarm_of(bob), AllOf(is_open(), Field(&AlarmCondition::code, "lead-off")));
}

// LIFE-3
TEST_P(EndContract, ADischargeThatDidNotHappenIsRefused) {
  const auto ann = patient();
  assign(ann, anchor);
  EXPECT_THAT(refusal([&] { registry.discharge({}, ann, anchor - 1min, doctor); }), HasSubstr("after that"));
  EXPECT_THAT(registry.patient({}, ann).devices, SizeIs(1));
  registry.discharge({}, ann, anchor + 10min, doctor);
  EXPECT_THAT(refusal([&] { registry.discharge({}, ann, {}, doctor); }),
              AllOf(HasSubstr(doctor), HasSubstr("already")));
  EXPECT_THAT(refusal([&] { registry.discharge({}, ann, anchor + 10min, nurse); }), HasSubstr(doctor));
  const auto again = registry.discharge({}, ann, anchor + 10min, doctor);
  EXPECT_THAT(again.assignments, SizeIs(1)) << "the same again stands";
  EXPECT_EQ(kind_of([&] { registry.discharge({}, counted_id(), {}, doctor); }), StoreError::Kind::not_found);
  EXPECT_EQ(kind_of([&] { registry.discharge(Scope({"maternity"}), ann, {}, doctor); }), StoreError::Kind::not_found);
  // A patient again.
  assign(ann, anchor + 20min);
  EXPECT_EQ(registry.discharge({}, ann, anchor + 30min, nurse).by, nurse);
}

// -- a person ---------------------------------------------------------------------------------------------------------

TEST_P(EndContract, APersonClosesWhatNoLiveStartAsserts) {
  append_three();  // on nobody
  append(alarm(4, AlarmFact{}));
  const auto quarantine = coded("quarantine").front();
  const auto closed = records.close({}, {key(1), key(2), key_of(quarantine), key(1)}, nurse, "device lost");
  ASSERT_THAT(closed, SizeIs(4));
  for (const auto& each : closed) {
    EXPECT_EQ(each.end_cause, Cause::person);
    EXPECT_EQ(each.ended_by, nurse);
    EXPECT_EQ(each.end_reason, "device lost");
    EXPECT_GE(*each.end, received);
    EXPECT_EQ(each.state(), AlarmState::ended) << "closed is not seen";
  }
  EXPECT_THAT(alarms({}, true), SizeIs(1));
  // The device still asserts it, so its wearer hears of it.
  const auto ann = patient();
  assign(ann, anchor + 10min);
  EXPECT_THAT(alarms({Subject::Kind::patient, ann}, true),
              AllOf(SizeIs(3), Each(Field(&AlarmCondition::origin, testing::Ne(std::nullopt)))));
}

TEST_P(EndContract, WhatALiveStartAssertsIsNotClosed) {
  const auto ann = patient(), bob = patient("Bob");
  assign(ann, anchor);
  append_three();
  for (std::uint64_t i = 1; i <= 3; ++i)
    EXPECT_THAT(refusal([&] { records.close({}, {key(i)}, nurse, "noise"); }), HasSubstr("asserted by its device"));
  release(anchor + 10min);
  assign(bob, anchor + 20min);
  EXPECT_THAT(refusal([&] { records.close({}, {key_of(alarms_of(bob).front())}, nurse, "noise"); }),
              HasSubstr("asserted by its device"));
  // All or none.
  append(alarm(4, AlarmFact{}));
  const auto quarantine = key_of(coded("quarantine").front());
  EXPECT_THAT(refusal([&] {
                records.close({}, {quarantine, key_of(alarms_of(bob).front())}, nurse, "noise");
              }),
              HasSubstr("nothing was closed"));
  EXPECT_THAT(coded("quarantine"), ElementsAre(is_open()));
}

// LIFE-3
TEST_P(EndContract, WhoClosesSecondIsToldWhoDid) {
  const auto ann = patient();
  append_three();
  append({alarm(4, ended("rr-low", 3)), alarm(5, raised("temp-high"))});
  records.close({}, {key(1)}, nurse, "device lost");
  EXPECT_THAT(refusal([&] { records.close({}, {key(1)}, doctor, "device lost"); }),
              AllOf(HasSubstr(nurse), HasSubstr("device lost")));
  EXPECT_THAT(refusal([&] { records.close({}, {key(1)}, nurse, "something else"); }), HasSubstr("device lost"));
  const auto again = records.close({}, {key(1)}, nurse, "device lost");
  EXPECT_EQ(again.front().ended_by, nurse) << "the same again stands";
  EXPECT_THAT(refusal([&] { records.close({}, {key(3)}, nurse, "noise"); }), HasSubstr("by its device"));
  attach(device_a, 8);
  EXPECT_THAT(refusal([&] { records.close({}, {key(2)}, nurse, "noise"); }), HasSubstr("restarted"));
  EXPECT_EQ(kind_of([&] { records.close({}, {key(99)}, nurse, "noise"); }), StoreError::Kind::not_found);
  EXPECT_EQ(kind_of([&] { records.close(Scope({"icu"}), {key(2)}, nurse, "noise"); }), StoreError::Kind::not_found);
}

TEST_P(EndContract, OfTwoWhoCloseAtOnceOneIsToldOfTheOther) {
  for (std::uint64_t i = 1; i <= 10; ++i) {
    append(alarm(i, raised("hr-high")));
    std::atomic<int> refused = 0;
    const auto close = [&](const std::string& who) {
      try {
        records.close({}, {key(i)}, who, "device lost");
      } catch (const StoreError& error) {
        EXPECT_EQ(error.kind(), StoreError::Kind::precondition);
        ++refused;
      }
    };
    std::thread other([&] { close(doctor); });
    close(nurse);
    other.join();
    EXPECT_EQ(refused, 1);
  }
}

// -- a later end by the device ----------------------------------------------------------------------------------------

TEST_P(EndContract, ALaterEndByTheDeviceWins) {
  const auto ann = patient();
  assign(ann, anchor);
  append_three();
  release(anchor + 10min);               // 1 to 3: released
  append(alarm(4, raised("lead-off")));  // released on arrival
  auto unworn = alarm(5, raised("temp-high"));
  unworn.tick_ms = 3'600'000;
  append(unworn);
  records.close({}, {key(5)}, nurse, "noise");  // closed by a person
  auto other = alarm(6, raised("temp-low"));
  other.tick_ms = 3'600'000;
  append(other);
  attach(device_a, 8);  // 6: restarted
  EXPECT_THAT(alarms(), AllOf(SizeIs(6), Each(testing::Not(ends_by(Cause::device)))));
  std::vector<Record> ends;
  for (std::uint64_t onset = 1; onset <= 6; ++onset) ends.push_back(alarm(100 + onset, ended("x", onset)));
  append(ends);
  const auto all = alarms();
  EXPECT_THAT(all, AllOf(SizeIs(6), Each(ends_by(Cause::device)), Each(Field(&AlarmCondition::ended_by, "")),
                         Each(Field(&AlarmCondition::end_reason, ""))));
  for (const auto& each : all) EXPECT_EQ(each.end, anchor + std::chrono::seconds(100 + each.sequence));
}

TEST_P(EndContract, SeenAndEndedIsOutOfSightInAnyOrder) {
  append_three();
  records.acknowledge({}, {key(1), key(2)}, nurse);
  records.close({}, {key(1), key(3)}, nurse, "device lost");
  const auto all = alarms();
  EXPECT_EQ(all[0].state(), AlarmState::ended_acknowledged);
  EXPECT_EQ(all[1].state(), AlarmState::acknowledged);
  EXPECT_EQ(all[2].state(), AlarmState::ended);
  AlarmsQuery in_sight;
  for (const auto state : {AlarmState::raised, AlarmState::ended, AlarmState::acknowledged})
    in_sight.states.push_back(static_cast<std::uint16_t>(state));
  EXPECT_THAT(records.alarms(in_sight), SizeIs(2));
  records.acknowledge({}, {key(3)}, doctor);
  EXPECT_THAT(records.alarms(in_sight), SizeIs(1));
}

// -- live -------------------------------------------------------------------------------------------------------------

TEST_P(EndContract, LiveStreamsTellEachEndOnce) {
  const auto ann = patient(), bob = patient("Bob");
  assign(ann, anchor);
  append_three();
  const LivePosition before{settled(), LiveKind::none, 0, 0, 0, 0};
  release(anchor + 10min);
  assign(bob, anchor + 20min);
  append(alarm(2000, ended("hr-high", 1)));
  attach(device_a, 8);
  std::vector<std::string> told;
  for (const auto& event : live.live({}, before, settled(), 1000).events) {
    const auto* change = std::get_if<AlarmChange>(&event.body);
    if (!change) continue;
    const char* kind = change->kind == AlarmChange::Kind::raised ? "raised " : "ended ";
    told.push_back((event.patient == ann ? "Ann " : "Bob ") + std::string(kind) + change->alarm.code);
    if (event.at.kind == LiveKind::end && event.patient == ann) {
      EXPECT_EQ(change->at, anchor + 10min);
      EXPECT_EQ(event.at.sequence, change->alarm.sequence);
    }
  }
  EXPECT_THAT(told, ElementsAre("Ann ended hr-high", "Ann ended spo2-low", "Ann ended rr-low",  // released
                                "Bob raised hr-high", "Bob raised spo2-low", "Bob raised rr-low", "Ann ended hr-high",
                                "Bob ended hr-high",  // by the device
                                "Bob ended spo2-low", "Bob ended rr-low"));
}

}  // namespace
}  // namespace wardlink::storage::test
