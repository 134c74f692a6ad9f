// What a store promises to live streams: every row once, in one order, and none forgotten.

#include <gmock/gmock.h>

#include <thread>

#include "contract/tenant.hpp"

namespace wardlink::storage::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

const std::string nurse = "urn:wardlink:client:nurse";

class LiveContract : public ContractTest {
 protected:
  /// The settled events behind `after`, page by page.
  std::vector<LiveEvent> events(const LiveFilter& filter = {}, LivePosition after = {}, std::size_t limit = 1000) {
    std::vector<LiveEvent> all;
    const auto until = settled();
    for (;;) {
      auto page = live.live(filter, after, until, limit);
      std::ranges::move(page.events, std::back_inserter(all));
      if (page.complete) return all;
      after = all.back().at;
    }
  }
  static LiveFilter with_waveforms() {
    LiveFilter filter;
    filter.waveforms = true;
    return filter;
  }
  static std::vector<LiveKind> kinds(const std::vector<LiveEvent>& events) {
    std::vector<LiveKind> all;
    for (const auto& each : events) all.push_back(each.at.kind);
    return all;
  }
};
WARDLINK_FOR_ALL_STORES(LiveContract);

TEST_P(LiveContract, RowsComeInTheOrderOfTheirTransactionsThenKindsThenKeys) {
  append({run(1, 0, 10), set(2, 2000, 73), alarm(1, raised("hr-high")), set(1, 1000, 72)});
  append(set(3, 3000, 74));
  const auto all = events(with_waveforms());
  EXPECT_THAT(kinds(all),
              ElementsAre(LiveKind::set, LiveKind::set, LiveKind::alarm, LiveKind::waveform, LiveKind::set));
  EXPECT_EQ(all[0].at.sequence, 1U);
  EXPECT_EQ(all[1].at.sequence, 2U);
  EXPECT_EQ(all[0].at.transaction, all[3].at.transaction);
  EXPECT_GT(all[4].at.transaction, all[3].at.transaction);
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_LT(all[i - 1].at, all[i].at);
  EXPECT_EQ(std::get<ReadingRow>(all[0].body).set.values, std::vector<double>{72});
  EXPECT_EQ(std::get<AlarmChange>(all[2].body).alarm.code, "hr-high");
  EXPECT_EQ(std::get<RunRow>(all[3].body).sequence, 1U);
}

TEST_P(LiveContract, PagesTellEachRowOnceAndForgetNone) {
  for (std::uint64_t i = 1; i <= 30; ++i)
    append({set(2 * i, 2000 * i, 70), set(2 * i - 1, 2000 * i - 1000, 71), alarm(i, raised("hr-high"))});
  const auto whole = events();
  ASSERT_EQ(whole.size(), 90U);
  const auto in_pages = events({}, {}, 4);
  ASSERT_EQ(in_pages.size(), whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(in_pages[i].at, whole[i].at);
  for (std::size_t i = 0; i < whole.size(); i += 7) EXPECT_EQ(events({}, whole[i].at).size(), whole.size() - i - 1);
}

TEST_P(LiveContract, WhatIsBeyondTheHorizonWaits) {
  append(set(1, 1000, 72));
  const auto horizon = settled();
  append(set(2, 2000, 73));
  EXPECT_EQ(live.live({}, {}, horizon, 100).events.size(), 1U);
  EXPECT_EQ(events().size(), 2U);
  const auto now_settled = live.horizon();
  EXPECT_LE(now_settled.durable, now_settled.settled);
  EXPECT_LE(now_settled.settled, now_settled.next);
}

TEST_P(LiveContract, DuplicatesAndQuarantineTellNothingTwice) {
  append(set(1, 1000, 72));
  append(set(1, 1000, 72));
  append(set(1, 1000, 71));
  const auto all = events();
  EXPECT_THAT(kinds(all), ElementsAre(LiveKind::set, LiveKind::alarm));  // the quarantine's
}

TEST_P(LiveContract, LateRowsSaySo) {
  append({set(2, 2000, 73)});
  append(set(1, 1000, 72));
  const auto all = events();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_FALSE(all[0].late);
  EXPECT_TRUE(all[1].late);
}

TEST_P(LiveContract, AnAlarmIsRaisedEndedAndAcknowledged) {
  append(alarm(1, raised("hr-high")));
  append(alarm(2, ended("hr-high", 1)));
  const auto acknowledged = records.acknowledge({}, {{device_a, 7, Stream::alarms, 1}}, nurse).at(0);
  records.acknowledge({}, {{device_a, 7, Stream::alarms, 1}}, nurse);
  const auto all = events();
  ASSERT_EQ(all.size(), 3U);
  const auto change = [&](std::size_t i) { return std::get<AlarmChange>(all[i].body); };
  EXPECT_EQ(change(0).kind, AlarmChange::Kind::raised);
  EXPECT_EQ(change(1).kind, AlarmChange::Kind::ended);
  EXPECT_EQ(change(2).kind, AlarmChange::Kind::acknowledged);
  EXPECT_EQ(change(1).at, anchor + 2s);
  EXPECT_EQ(change(2).at, acknowledged.acknowledged_at);
  // Each with the condition as it is now.
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(change(i).alarm.sequence, 1U);
    EXPECT_EQ(change(i).alarm.state(), AlarmState::ended_acknowledged);
  }
  EXPECT_EQ(all[1].at.sequence, 2U);
}

TEST_P(LiveContract, AttributionChangesAreToldWithWhatIsBelievedNoLonger) {
  const auto ann = registry.create_patient("Ann", {}, "icu").id;
  registry.assign({}, device_a, ann, anchor, nurse);
  registry.assign({}, device_a, ann, anchor + 1s, nurse);  // she wears it: nothing changes
  registry.release({}, device_a, anchor + 10s, "doctor");
  const auto all = events();
  ASSERT_EQ(all.size(), 3U);
  const auto change = [&](std::size_t i) { return std::get<AttributionChange>(all[i].body); };
  EXPECT_TRUE(change(0).believed);
  EXPECT_FALSE(change(0).assignment.held_until);
  EXPECT_FALSE(change(1).believed);
  EXPECT_EQ(change(1).assignment.held_from, anchor);
  EXPECT_EQ(change(1).assignment.recorded_by, nurse);
  EXPECT_TRUE(change(2).believed);
  EXPECT_EQ(change(2).assignment.held_until, anchor + 10s);
  EXPECT_EQ(change(2).assignment.recorded_by, "doctor");
  EXPECT_EQ(change(1).assignment.recorded_at, change(2).assignment.recorded_at);
  EXPECT_EQ(all[0].device, device_a);
  EXPECT_EQ(all[0].patient_name, "Ann");
  EXPECT_EQ(all[0].ward, "icu");
}

TEST_P(LiveContract, FiltersBySubjectWardAndKind) {
  const auto other = attach(device_b);
  const auto ann = registry.create_patient("Ann", {}, "icu").id;
  registry.assign({}, device_a, ann, anchor + 2s, nurse);
  append({set(1, 1000, 72), set(2, 2000, 73), set(9, 9000, 90, other), alarm(3, raised("hr-high")), run(1, 5000, 10)});
  LiveFilter filter;
  const auto sequences = [&] {
    std::vector<std::uint64_t> all;
    for (const auto& each : events(filter))
      if (each.at.kind != LiveKind::attribution) all.push_back(each.at.sequence);
    return all;
  };
  filter.subject = {Subject::Kind::device, device_b};
  EXPECT_THAT(sequences(), ElementsAre(9));
  filter.subject = {Subject::Kind::patient, ann};
  EXPECT_THAT(sequences(), ElementsAre(2, 3));
  filter.subject = {};
  filter.scope = std::vector<std::string>{"icu"};
  EXPECT_THAT(sequences(), ElementsAre(2, 3));
  filter.waveforms = true;
  filter.sets = false;
  EXPECT_THAT(sequences(), ElementsAre(3, 1));
  filter.scope = std::vector<std::string>{"maternity"};
  EXPECT_TRUE(events(filter).empty());
}

TEST_P(LiveContract, TheAttributionIsTheOneBelievedWhenItIsRead) {
  const auto ann = registry.create_patient("Ann", {}, "icu").id;
  append(set(1, 1000, 72));
  EXPECT_EQ(events().at(0).patient_name, "");
  registry.assign({}, device_a, ann, anchor, nurse);
  EXPECT_EQ(events().at(0).patient_name, "Ann");
}

TEST_P(LiveContract, ThePresentStateAndWhatFollowsItMakeTheWhole) {
  append({set(1, 1000, 72), alarm(1, raised("hr-high"))});
  const auto present = live.present({});
  ASSERT_EQ(present.latest.size(), 1U);
  EXPECT_EQ(present.latest[0].values.at(0).value, 72);
  EXPECT_EQ(present.latest[0].alarms.size(), 1U);
  append(set(2, 2000, 73));
  std::vector<std::uint64_t> unseen;
  for (const auto& each : events())
    if (!present.sight.holds(each.at.transaction)) unseen.push_back(each.at.sequence);
  EXPECT_THAT(unseen, ElementsAre(2));
}

TEST_P(LiveContract, ThePresentAlarmsAreTheOpenOnesOldestFirst) {
  append({alarm(3, raised("c")), alarm(1, raised("a")), alarm(2, raised("b")), alarm(4, ended("b", 2))});
  LiveFilter filter;
  filter.sets = false;
  std::vector<std::string> codes;
  for (const auto& each : live.present(filter).alarms) codes.push_back(each.code);
  EXPECT_THAT(codes, ElementsAre("a", "c"));
  EXPECT_TRUE(live.present(filter).latest.empty());
  filter.scope = std::vector<std::string>{"icu"};
  EXPECT_EQ(kind_of([&] { live.present(filter); }), StoreError::Kind::not_found);
  const auto ann = registry.create_patient("Ann", {}, "icu").id;
  EXPECT_TRUE(live.present(filter).alarms.empty());
  registry.assign({}, device_a, ann, anchor + 2s, nurse);
  codes.clear();
  for (const auto& each : live.present(filter).alarms) codes.push_back(each.code);
  EXPECT_THAT(codes, ElementsAre("a", "c")) << "the first was raised anew for her";
  filter.subject = {Subject::Kind::device, device_b};
  EXPECT_EQ(kind_of([&] { live.present(filter); }), StoreError::Kind::not_found);
}

TEST_P(LiveContract, AListenerHearsOfCommitsAndOfWake) {
  const auto listener = live.listen();
  std::atomic<int> heard = 0;
  // So long a limit that only a bell ends it.
  std::thread listening([&] {
    for (; heard < 2; ++heard) listener->wait(10min);
  });
  while (heard < 1) {
    append(set(static_cast<std::uint64_t>(heard) + 1, 1000, 72));
    std::this_thread::yield();
  }
  while (heard < 2) {
    live.wake();
    std::this_thread::yield();
  }
  listening.join();
  live.listen()->wait(0ms);
}

TEST_P(LiveContract, TheEpochStays) {
  const auto epoch = live.epoch();
  EXPECT_FALSE(epoch.empty());
  append(set(1, 1000, 72));
  EXPECT_EQ(live.epoch(), epoch);
  EXPECT_NE(make_tenant(GetParam())->live().epoch(), epoch);
}

}  // namespace
}  // namespace wardlink::storage::test
