#include "client/reconciliation.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace wardlink::command_line {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

bool equal(const Tally& tally, std::vector<std::uint64_t> expected) {
  return std::vector{tally.generated, tally.stored, tally.missing, tally.extra, tally.differing} == expected;
}

/// Two sets (three values), one alarm that was raised and ended, one that still stands.
class Reconciling : public testing::Test {
 protected:
  Reconciling() {
    journal_.sets[{5, 1}] = {1000, {{"hr", 94}, {"temp", 37.6}}};
    journal_.sets[{5, 2}] = {2000, {{"hr", 95}}};
    journal_.alarms[{5, 1}] = {false, 1000, 0, "physiological", 3, "hr-high", "hr", 131.0, 131.0};
    journal_.alarms[{5, 2}] = {true, 1500, 1, "physiological", 3, "hr-high", "hr", 130.0, 131.0};
    journal_.alarms[{5, 3}] = {false, 1600, 0, "technical", 1, "lead-off", "", {}, {}};
  }

  static v1::MeasurementSet set(std::uint64_t sequence, std::uint64_t tick,
                                const std::vector<std::pair<const char*, double>>& signs) {
    v1::MeasurementSet stored;
    stored.set_boot(5);
    stored.set_stream(v1::STREAM_VITALS);
    stored.set_sequence(sequence);
    stored.set_tick_ms(tick);
    for (const auto& [sign, value] : signs) {
      v1::Reading& reading = *stored.add_readings();
      reading.set_sign(sign);
      reading.set_value(value);
    }
    return stored;
  }
  static v1::Alarm hr_high() {
    v1::Alarm alarm;
    alarm.set_name("devices/urn:dev:os:32473-a/alarms/5-alarms-1");
    alarm.set_boot(5);
    alarm.set_kind(v1::ALARM_KIND_PHYSIOLOGICAL);
    alarm.set_priority(v1::ALARM_PRIORITY_HIGH);
    alarm.set_code("hr-high");
    alarm.set_sign("hr");
    alarm.set_value(131);
    alarm.set_limit(131);
    alarm.set_start_tick_ms(1000);
    alarm.set_end_tick_ms(1500);
    return alarm;
  }
  static v1::Alarm lead_off() {
    v1::Alarm alarm;
    alarm.set_name("devices/urn:dev:os:32473-a/alarms/5-2-3");
    alarm.set_boot(5);
    alarm.set_kind(v1::ALARM_KIND_TECHNICAL);
    alarm.set_priority(v1::ALARM_PRIORITY_LOW);
    alarm.set_code("lead-off");
    alarm.set_start_tick_ms(1600);
    return alarm;
  }

  ReconciliationResult reconcile(const std::vector<v1::MeasurementSet>& sets, const std::vector<v1::Alarm>& alarms) {
    Reconciliation reconciliation("urn:a", journal_);
    for (const auto& stored : sets) reconciliation.stored(stored);
    for (const auto& stored : alarms) reconciliation.stored(stored);
    return reconciliation.finish();
  }
  const std::vector<v1::MeasurementSet> all_sets_{set(1, 1000, {{"hr", 94}, {"temp", 37.6}}),
                                                  set(2, 2000, {{"hr", 95}})};

  DeviceJournal journal_;
};

TEST_F(Reconciling, Agrees) {
  const auto result = reconcile(all_sets_, {hr_high(), lead_off()});
  EXPECT_TRUE(result.agrees());
  EXPECT_TRUE(equal(result.sets, {2, 2, 0, 0, 0}));
  EXPECT_TRUE(equal(result.values, {3, 3, 0, 0, 0}));
  EXPECT_TRUE(equal(result.alarms, {2, 2, 0, 0, 0}));
  EXPECT_TRUE(equal(result.alarm_ends, {1, 1, 0, 0, 0}));
  EXPECT_THAT(result.differences, IsEmpty());
}

TEST_F(Reconciling, MissesASet) {
  const auto result = reconcile({all_sets_[1]}, {hr_high(), lead_off()});
  EXPECT_FALSE(result.agrees());
  EXPECT_TRUE(equal(result.sets, {2, 1, 1, 0, 0}));
  EXPECT_TRUE(equal(result.values, {3, 1, 2, 0, 0}));
  EXPECT_THAT(result.differences, ElementsAre("urn:a boot 5 set 1: not stored"));
}

TEST_F(Reconciling, FindsOneSetTooMany) {
  const auto result =
      reconcile({all_sets_[0], all_sets_[1], all_sets_[1], set(9, 9, {{"hr", 1}})}, {hr_high(), lead_off()});
  EXPECT_TRUE(equal(result.sets, {2, 4, 0, 2, 0}));
  EXPECT_TRUE(equal(result.values, {3, 5, 0, 2, 0}));
  EXPECT_THAT(result.differences, ElementsAre(HasSubstr("stored twice"), HasSubstr("never generated")));
}

TEST_F(Reconciling, ComparesValuesBitByBit) {
  const double next = std::nextafter(37.6, 38);
  const auto result = reconcile({set(1, 1000, {{"hr", 94}, {"temp", next}}), all_sets_[1]}, {hr_high(), lead_off()});
  EXPECT_TRUE(equal(result.sets, {2, 2, 0, 0, 1}));
  EXPECT_TRUE(equal(result.values, {3, 3, 0, 0, 1}));
  EXPECT_THAT(result.differences, ElementsAre(HasSubstr("temp 37.6 stored as 37.6000000000")));
}

TEST_F(Reconciling, MissesAndFindsSinglesValues) {
  const auto result = reconcile({set(1, 1000, {{"hr", 94}, {"spo2", 97}}), all_sets_[1]}, {hr_high(), lead_off()});
  EXPECT_TRUE(equal(result.sets, {2, 2, 0, 0, 1}));
  EXPECT_TRUE(equal(result.values, {3, 3, 1, 1, 0}));
}

TEST_F(Reconciling, ComparesTicks) {
  const auto result = reconcile({set(1, 1001, {{"hr", 94}, {"temp", 37.6}}), all_sets_[1]}, {hr_high(), lead_off()});
  EXPECT_TRUE(equal(result.sets, {2, 2, 0, 0, 1}));
  EXPECT_TRUE(result.values.agrees());
}

TEST_F(Reconciling, MissesAnAlarmThatWasAcknowledged) {
  journal_.acknowledged.insert({5, 1});
  const auto result = reconcile(all_sets_, {lead_off()});
  EXPECT_TRUE(equal(result.alarms, {2, 1, 1, 0, 0}));
  EXPECT_TRUE(equal(result.alarm_ends, {1, 0, 1, 0, 0}));
  EXPECT_EQ(result.acknowledged_missing, 1U);
  EXPECT_THAT(result.differences, ElementsAre(HasSubstr("hr-high raised, ACKNOWLEDGED and not stored"),
                                              HasSubstr("hr-high ended and not stored")));
}

TEST_F(Reconciling, MissesAnEnd) {
  v1::Alarm open = hr_high();
  open.clear_end_tick_ms();
  const auto result = reconcile(all_sets_, {open, lead_off()});
  EXPECT_TRUE(result.alarms.agrees());
  EXPECT_TRUE(equal(result.alarm_ends, {1, 0, 1, 0, 0}));
}

TEST_F(Reconciling, FindsAnEndTooMany) {
  v1::Alarm ended = lead_off();
  ended.set_end_tick_ms(1700);
  const auto result = reconcile(all_sets_, {hr_high(), ended});
  EXPECT_TRUE(result.alarms.agrees());
  EXPECT_TRUE(equal(result.alarm_ends, {1, 2, 0, 1, 0}));
}

TEST_F(Reconciling, FindsAnAlarmTwiceOrNeverRaised) {
  v1::Alarm invented = lead_off();
  invented.set_name("devices/urn:dev:os:32473-a/alarms/5-alarms-77");
  const auto result = reconcile(all_sets_, {hr_high(), lead_off(), lead_off(), invented});
  EXPECT_TRUE(equal(result.alarms, {2, 4, 0, 2, 0}));
}

TEST_F(Reconciling, ComparesWhatAnAlarmSays) {
  const auto differing = [&](auto change) {
    v1::Alarm alarm = hr_high();
    change(alarm);
    const auto result = reconcile(all_sets_, {alarm, lead_off()});
    return result.alarms.differing * 10 + result.alarm_ends.differing;
  };
  EXPECT_EQ(differing([](v1::Alarm& a) { a.set_value(132); }), 10U);
  EXPECT_EQ(differing([](v1::Alarm& a) { a.clear_limit(); }), 10U);
  EXPECT_EQ(differing([](v1::Alarm& a) { a.set_sign("rr"); }), 11U);
  EXPECT_EQ(differing([](v1::Alarm& a) { a.set_priority(v1::ALARM_PRIORITY_LOW); }), 11U);
  EXPECT_EQ(differing([](v1::Alarm& a) { a.set_kind(v1::ALARM_KIND_TECHNICAL); }), 11U);
  EXPECT_EQ(differing([](v1::Alarm& a) { a.set_start_tick_ms(1001); }), 10U);
  EXPECT_EQ(differing([](v1::Alarm& a) { a.set_end_tick_ms(1501); }), 1U);
  EXPECT_EQ(differing([](v1::Alarm& a) { a.set_code("hr-low"); }), 11U);
}

TEST_F(Reconciling, KnowsAnEndWithoutItsOnset) {
  v1::Alarm end = hr_high();
  end.set_name("devices/urn:dev:os:32473-a/alarms/5-alarms-2");
  end.clear_start_tick_ms();
  const auto result = reconcile(all_sets_, {end, lead_off()});
  EXPECT_TRUE(equal(result.alarms, {2, 1, 1, 0, 0}));
  EXPECT_TRUE(equal(result.alarm_ends, {1, 1, 0, 0, 0}));
}

TEST_F(Reconciling, PassesOverWhatTheDeviceDidNotSend) {
  v1::MeasurementSet manual = set(1, 1, {{"hr", 1}});
  manual.set_stream(v1::STREAM_MANUAL);
  v1::Alarm silence = lead_off();
  silence.set_name("devices/urn:dev:os:32473-a/alarms/5-storage-1");
  EXPECT_TRUE(reconcile({all_sets_[0], all_sets_[1], manual}, {hr_high(), lead_off(), silence}).agrees());
}

TEST_F(Reconciling, KeepsTheListOfDifferencesShort) {
  for (std::uint64_t i = 10; i < 100; ++i) journal_.sets[{5, i}] = {i, {{"hr", 1}}};
  const auto result = reconcile(all_sets_, {hr_high(), lead_off()});
  EXPECT_EQ(result.sets.missing, 90U);
  EXPECT_EQ(result.differences.size(), ReconciliationResult::most_differences);
}

}  // namespace
}  // namespace wardlink::command_line
