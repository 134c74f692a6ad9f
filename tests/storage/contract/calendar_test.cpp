// That the calendar was set is found, and told once, whoever looks. TIME-1

#include <gmock/gmock.h>

#include "contract/tenant.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr const char* nurse = "urn:wardlink:client:nurse";

class CalendarContract : public ContractTest {
 protected:
  CalendarContract() { tenant->stop_calendar(calendar); }
  /// Both clocks go on, the calendar is set besides.
  void pass(microseconds time, microseconds set = {}) {
    clock += time;
    calendar += time + set;
    tenant->stop_calendar(calendar);
  }
  /// Every host's clock began when it liked.
  CalendarSight look(const std::string& host = "a") {
    return records.look_at_calendar(host, [&] { return host == "a" ? clock : clock + 400h; });
  }
  std::vector<SystemAlarm> told(bool open_only = false) { return records.system_alarms({.open_only = open_only}); }

  Instant calendar = now();
  Moment clock{3h};
};

TEST_P(CalendarContract, ThatGoesOnHasNotBeenSet) {
  for (int i = 0; i < 3; ++i, pass(10s)) {
    const auto sight = look();
    EXPECT_EQ(sight.steps, 0u);
    EXPECT_FALSE(sight.first);
    EXPECT_EQ(sight.kept.calendar, calendar);
    EXPECT_EQ(sight.kept.at, clock);
  }
  EXPECT_THAT(told(), SizeIs(0));
}

TEST_P(CalendarContract, ThatWasSetIsToldOnce) {
  look();
  std::uint64_t steps = 0;
  for (const microseconds set : {microseconds{1h}, microseconds{-1h}, microseconds{-2s}, microseconds{2s}}) {
    pass(10s, set);
    auto sight = look();
    EXPECT_EQ(sight.steps, ++steps);
    EXPECT_TRUE(sight.first);
    EXPECT_EQ(sight.kept.calendar, calendar);
    pass(10s);
    sight = look();
    EXPECT_EQ(sight.steps, steps);
    EXPECT_FALSE(sight.first);
    EXPECT_THAT(told(), SizeIs(steps));
  }
  EXPECT_EQ(told(true).size(), steps) << "each stands";
  for (const auto& alarm : told()) {
    EXPECT_EQ(alarm.code, "calendar_stepped");
    EXPECT_EQ(alarm.priority, AlarmPriority::high);
    EXPECT_THAT(alarm.detail, HasSubstr("was set"));
  }
}

/// The hosts compare it with clocks of their own: who comes later finds that it was told.
TEST_P(CalendarContract, ThatWasSetIsToldByOneHostOnly) {
  look("a");
  look("b");
  for (const microseconds set : {microseconds{1h}, microseconds{-30min}, microseconds{5s}}) {
    const auto before = told().size();
    pass(7s, set);
    EXPECT_TRUE(look("a").first);
    pass(7s);
    const auto sight = look("b");
    EXPECT_FALSE(sight.first);
    EXPECT_EQ(sight.steps, before + 1);
    EXPECT_EQ(sight.kept.calendar, calendar);
    EXPECT_THAT(told(), SizeIs(before + 1));
  }
}

TEST_P(CalendarContract, ThatWasSetTwiceWhileAHostSleptIsNoNewsToIt) {
  look("a");
  look("b");
  for (const microseconds set : {microseconds{1h}, microseconds{-10min}}) {
    pass(7s, set);
    EXPECT_TRUE(look("a").first);
  }
  EXPECT_FALSE(look("b").first);
  pass(7s, 3s);
  EXPECT_TRUE(look("b").first);
  EXPECT_FALSE(look("a").first);
  EXPECT_THAT(told(), SizeIs(3));
}

/// A host that is seen for the first time cannot know of what was before.
TEST_P(CalendarContract, IsTakenAsItIsByANewHost) {
  look("a");
  pass(10s, 1h);
  look("a");
  const auto sight = look("b");
  EXPECT_FALSE(sight.first);
  EXPECT_EQ(sight.steps, 1u);
  EXPECT_EQ(sight.kept.calendar, calendar);
}

TEST_P(CalendarContract, ThatIsSetByALittleAgainAndAgainWasSet) {
  look();
  for (const microseconds each : {microseconds{400ms}, microseconds{-400ms}, microseconds{90ms}}) {
    const auto before = told().size();
    int looks = 0;
    do {
      pass(10s, each);
    } while (!look().first && ++looks < 30);
    EXPECT_THAT(told(), SizeIs(before + 1));
    EXPECT_GE(looks, 2);
  }
}

TEST_P(CalendarContract, ThatWasSetMovesNothingThatIsStored) {
  look();
  append({set(1, 1'000, 72), alarm(1, raised("hr-high"))});
  const auto before = tenant->rows();
  pass(10s, -1h);
  look();
  EXPECT_EQ(tenant->rows(), before);
}

TEST_P(CalendarContract, ThatWasSetNamesWhoWoreWhatThen) {
  registry.create_device("urn:dev:os:32473-b");
  const auto ann = registry.create_patient("Ann", {}, "").id, bob = registry.create_patient("Bob", {}, "").id;
  registry.assign({}, device_a, ann, calendar - 3h, nurse);
  registry.release({}, device_a, calendar - 2h, nurse);
  registry.assign({}, device_b, bob, calendar - 30min, nurse);
  look();
  const std::string of_ann = "devices/" + device_a + " on patients/" + ann,
                    of_bob = "devices/" + device_b + " on patients/" + bob;
  pass(10s, -1h);
  look();
  EXPECT_THAT(told().front().detail, AllOf(HasSubstr(of_bob), Not(HasSubstr(of_ann)), Not(HasSubstr("Bob"))));
  pass(10s, -5min);
  look();
  const auto of_newest = [&] {
    auto alarms = told();
    return std::ranges::max(alarms, {}, &SystemAlarm::id).detail;
  };
  EXPECT_THAT(of_newest(), AllOf(HasSubstr("no assignment began or ended"), Not(HasSubstr("devices/"))));
  pass(10s, -65min);  // ends before the release
  look();
  EXPECT_THAT(of_newest(), AllOf(HasSubstr(of_ann), Not(HasSubstr(of_bob))));
  pass(10s, 10h);
  look();
  EXPECT_THAT(of_newest(), AllOf(HasSubstr(of_ann), HasSubstr(of_bob)));
}

TEST_P(CalendarContract, ThatWasSetNamesTwentyAtMost) {
  const auto ann = registry.create_patient("Ann", {}, "").id;
  for (int i = 0; i < 23; ++i) {
    const auto device = "urn:dev:os:32473-n" + std::to_string(i);
    registry.create_device(device);
    registry.assign({}, device, ann, {}, nurse);
  }
  look();
  pass(10s, -1h);
  look();
  EXPECT_THAT(told().front().detail, HasSubstr(", and 3 more."));
}

TEST_P(CalendarContract, ThatWasSetIsInSightForADay) {
  look();
  pass(10s, 1h);
  look();
  pass(23h);
  look();
  EXPECT_THAT(told(true), SizeIs(1));
  pass(2h);
  look();
  EXPECT_THAT(told(true), SizeIs(0));
  EXPECT_THAT(told(), SizeIs(1));
}

WARDLINK_FOR_ALL_STORES(CalendarContract);

}  // namespace
}  // namespace wardlink::storage::test
