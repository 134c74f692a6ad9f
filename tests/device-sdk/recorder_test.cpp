#include "recorder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <new>
#include <thread>

namespace wardlink {
namespace {

using Event = SequencedAlarm::Event;

struct Bench {
  explicit Bench(AlarmSettings alarms = {{{AlarmLimit::Side::high, 1, 131}}, 0, 0}, std::size_t sets = 100,
                 std::size_t owed = 100)
      : recorder({1,
                  std::move(alarms),
                  sets,
                  owed,
                  [this] { return clock; },
                  nullptr,
                  {},
                  64,
                  nullptr,
                  [this] { return ++boots; }}) {
    recorder.open();
  }
  Refusal hr(double value, std::optional<std::uint64_t> tick = {}) { return recorder.report({{{1, value}}, tick}); }
  std::vector<SequencedAlarm> alarms() {
    std::vector<SequencedAlarm> all;
    for (const auto& one : owed()) all.push_back(one.record);
    return all;
  }
  std::vector<OwedAlarm> owed() { return recorder.owed(~0ull, 1000).records; }

  std::uint64_t clock = 100'000, boots = 1;
  Recorder recorder;
};

Alarm coded(std::string code) {
  Alarm alarm;
  alarm.code = std::move(code);
  return alarm;
}

TEST(Recorder, RefusesWhatIsNoMeasurement) {
  Bench bench;
  EXPECT_EQ(bench.recorder.report({}), Refusal::invalid);
  EXPECT_EQ(bench.recorder.report({{{1, 70}, {1, 71}}, {}}), Refusal::invalid);
  EXPECT_EQ(bench.recorder.report({{{0, 70}}, {}}), Refusal::invalid);
  EXPECT_EQ(bench.recorder.report({{{9999, 70}}, {}}), Refusal::invalid);
  EXPECT_EQ(bench.hr(std::nan("")), Refusal::invalid);
  EXPECT_EQ(bench.hr(std::numeric_limits<double>::infinity()), Refusal::invalid);
  EXPECT_EQ(bench.recorder.status().sets_generated, 0u);
  EXPECT_EQ(bench.recorder.status().sets_refused, 6u);
}

TEST(Recorder, RefusesAlarmsWithoutAProperCode) {
  Bench bench;
  EXPECT_FALSE(bench.recorder.raise(coded("")));
  EXPECT_FALSE(bench.recorder.raise(coded("Lead-Off")));
  EXPECT_FALSE(bench.recorder.raise(coded("lead off")));
  EXPECT_FALSE(bench.recorder.raise(coded(std::string(33, 'a'))));
  EXPECT_TRUE(bench.recorder.raise(coded(std::string(32, 'a'))));
  EXPECT_TRUE(bench.recorder.raise(coded("lead-off-2")));
}

TEST(Recorder, RefusesWhatIsMeasuredAheadOfItsClock) {  // TIME-2, TIME-3
  Bench bench;
  bench.clock = 90'000;
  const auto fall_at = [](std::uint64_t tick) {
    auto fall = coded("fall");
    fall.tick_ms = tick;
    return fall;
  };
  for (const std::uint64_t tick : {bench.clock + 1001, bench.clock + 86'400'000, (std::uint64_t{1} << 53) - 1}) {
    EXPECT_EQ(bench.hr(140, tick), Refusal::ahead) << tick;
    auto why = Refusal::none;
    EXPECT_FALSE(bench.recorder.raise(fall_at(tick), &why)) << tick;
    EXPECT_EQ(why, Refusal::ahead) << tick;
    EXPECT_EQ(bench.recorder.end(AlarmId{1}, tick), Refusal::ahead) << tick;
  }
  for (const std::uint64_t tick : {1ull << 53, ~0ull - 1}) {
    EXPECT_EQ(bench.hr(140, tick), Refusal::invalid) << tick;
    EXPECT_FALSE(bench.recorder.raise(fall_at(tick))) << tick;
    EXPECT_EQ(bench.recorder.end(AlarmId{1}, tick), Refusal::invalid) << tick;
  }
  EXPECT_EQ(bench.recorder.status().sets_generated, 0u);
  EXPECT_EQ(bench.recorder.status().alarms_generated, 0u);
  EXPECT_EQ(bench.hr(140, bench.clock + 1000), Refusal::none) << "clocks are read a little apart";
  const auto fall = bench.recorder.raise(fall_at(bench.clock + 1000));
  ASSERT_TRUE(fall);
  EXPECT_EQ(bench.recorder.end(*fall, bench.clock + 1000), Refusal::none);
  EXPECT_EQ(bench.hr(70, 0), Refusal::none) << "however old it is";
  EXPECT_STREQ(to_string(Refusal::ahead), "ahead");
}

TEST(Recorder, RefusesTheTickOfAClockThatDoesNotCountMilliseconds) {
  Bench bench;
  bench.clock = ~0ull - 1;
  EXPECT_EQ(bench.hr(140), Refusal::invalid);
}

TEST(Recorder, RefusesSamplesAheadOfItsClock) {  // TIME-2
  Recorder recorder(
      {1, {{}, 0, 0}, 9, 9, [] { return std::uint64_t{90'000}; }, nullptr, {{"ecg", {125, 1}, 0.001, 0}}});
  recorder.open();
  const std::vector<double> samples(4, 0.1);
  EXPECT_EQ(recorder.waveform("ecg", samples, 91'001), Refusal::ahead);
  EXPECT_EQ(recorder.waveform("ecg", samples, ~0ull - 1), Refusal::invalid);
  EXPECT_EQ(recorder.waveform("ecg", samples, 91'000), Refusal::none);
  EXPECT_EQ(recorder.waveform("ecg", samples, 0), Refusal::none);
  EXPECT_EQ(recorder.status().samples_refused, 2u);
}

TEST(Recorder, CountsWhatItRefusesWhateverTheReason) {  // TIME-3
  Bench bench({{}, 0, 0}, 10, 2);
  bench.recorder.report({});
  bench.hr(std::nan(""));
  bench.hr(70, bench.clock + 5000);
  EXPECT_EQ(bench.recorder.status().sets_refused, 3u);
  bench.recorder.raise(coded(""));
  bench.recorder.end(AlarmId{7}, {});
  const auto fall = bench.recorder.raise(coded("fall"));
  EXPECT_FALSE(bench.recorder.raise(coded("another"))) << "full";
  EXPECT_EQ(bench.recorder.status().alarms_refused, 3u);
  bench.recorder.waveform("ecg", {}, {});
  EXPECT_EQ(bench.recorder.status().samples_refused, 1u);
  bench.hr(70);
  bench.recorder.shut();
  bench.hr(70);
  bench.recorder.raise(coded("fall"));
  bench.recorder.end(*fall, {});
  const auto status = bench.recorder.status();
  EXPECT_EQ(status.sets_refused, 4u);
  EXPECT_EQ(status.alarms_refused, 5u);
  EXPECT_EQ(status.sets_generated, 1u);
  EXPECT_EQ(status.alarms_generated, 1u);
}

TEST(Recorder, TakesNothingBeforeAndAfterItIsOpen) {
  Bench bench;
  bench.recorder.shut();
  EXPECT_EQ(bench.hr(70), Refusal::stopped);
  EXPECT_FALSE(bench.recorder.raise(coded("fall")));
  EXPECT_EQ(bench.recorder.end(AlarmId{1}, {}), Refusal::stopped);
}

TEST(Recorder, NumbersSetsFromOneAndStampsThemWithTheTick) {
  Bench bench;
  bench.clock = 500;
  bench.hr(70);
  bench.hr(71, 42);
  const auto sets = bench.recorder.take_sets(1, 9);
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(sets[0].sequence, 1u);
  EXPECT_EQ(sets[0].tick_ms, 500u);
  EXPECT_EQ(sets[1].sequence, 2u);
  EXPECT_EQ(sets[1].tick_ms, 42u);
}

TEST(Recorder, CountsTheSetsItHadToDrop) {
  Bench bench({{}, 0, 0}, 3);
  for (int i = 0; i < 5; ++i) bench.hr(70);
  const auto status = bench.recorder.status();
  EXPECT_EQ(status.sets_generated, 5u);
  EXPECT_EQ(status.sets_dropped, 2u);
  EXPECT_EQ(status.sets_waiting, 3u);
}

TEST(Recorder, LimitsMakeRecordsWithOnsetValueAndLimit) {
  Bench bench;
  bench.hr(140, 1000);
  bench.hr(150, 2000);
  bench.hr(100, 3000);
  const auto alarms = bench.alarms();
  ASSERT_EQ(alarms.size(), 2u);
  EXPECT_EQ(alarms[0].event, Event::raised);
  EXPECT_EQ(alarms[0].tick_ms, 1000u);
  EXPECT_EQ(alarms[0].alarm.code, "hr-high");
  EXPECT_EQ(alarms[0].alarm.value, 140);
  EXPECT_EQ(alarms[0].alarm.limit, 131);
  EXPECT_EQ(alarms[1].event, Event::ended);
  EXPECT_EQ(alarms[1].onset_sequence, 1u);
  EXPECT_EQ(alarms[1].tick_ms, 2000u);
  EXPECT_EQ(alarms[1].alarm.value, 150);
}

TEST(Recorder, ConcludeEndsWhatStands) {
  Bench bench;
  bench.hr(140, 1000);
  EXPECT_EQ(bench.recorder.conclude(), Refusal::none);
  ASSERT_EQ(bench.alarms().size(), 2u);
  EXPECT_EQ(bench.alarms()[1].tick_ms, 1000u);
  bench.recorder.shut();
  EXPECT_EQ(bench.recorder.conclude(), Refusal::stopped);
}

TEST(Recorder, TheDevicesClockRaisesBetweenSamples) {
  Bench bench({{{AlarmLimit::Side::high, 1, 131}}, 0, 10'000});
  bench.clock = 5000;
  bench.hr(140);
  bench.clock = 14'000;
  EXPECT_EQ(bench.recorder.raise_due(), std::chrono::milliseconds{1000});
  EXPECT_EQ(bench.alarms().size(), 0u);
  bench.clock = 15'000;
  EXPECT_EQ(bench.recorder.raise_due(), std::nullopt);
  ASSERT_EQ(bench.alarms().size(), 1u);
  EXPECT_EQ(bench.alarms()[0].tick_ms, 5000u);
}

TEST(Recorder, AReplayedSampleIsNotHurriedByTheClock) {
  // The samples' ticks lie in the past of the device's clock: what contradicts this one may not have been reported yet.
  Bench bench({{{AlarmLimit::Side::high, 1, 131}}, 0, 10'000});
  bench.clock = 480'000;
  bench.hr(140, 3000);
  bench.recorder.raise_due();
  EXPECT_EQ(bench.alarms().size(), 0u);
  bench.hr(100, 4000);
  EXPECT_EQ(bench.alarms().size(), 0u);
}

/// Each of these hid the alarm.
struct RecorderAnyTick : ::testing::Test {
  Bench bench{{{{AlarmLimit::Side::high, 1, 131}}, 0, 10'000}};

  /// A second of the device's clock, and its sample.
  Refusal second(double value, std::optional<std::uint64_t> tick = {}) {
    bench.clock += 1000;
    const auto refusal = bench.hr(value, tick);
    bench.recorder.raise_due();
    return refusal;
  }
};

TEST_F(RecorderAnyTick, OneThatIsAheadHidesNothingThatFollows) {  // TIME-2, TIME-3
  EXPECT_EQ(second(70, bench.clock + 3'600'000), Refusal::ahead);
  EXPECT_EQ(second(70, bench.clock + 2000), Refusal::none) << "a second ahead";
  for (int i = 0; i < 15; ++i) EXPECT_EQ(second(190), Refusal::none);
  ASSERT_EQ(bench.alarms().size(), 1u);
  EXPECT_EQ(bench.alarms()[0].alarm.value, 190);
  EXPECT_EQ(bench.recorder.status().sets_refused, 1u);
}

TEST_F(RecorderAnyTick, ASensorsCounterThatRestartsHidesNothing) {  // TIME-2, TIME-3
  for (std::uint64_t i = 0; i < 5; ++i) second(70);
  for (std::uint64_t i = 0; i < 30; ++i) EXPECT_EQ(second(180, i * 1000), Refusal::none);
  ASSERT_EQ(bench.alarms().size(), 1u);
  EXPECT_EQ(bench.alarms()[0].tick_ms, 0u);
}

TEST_F(RecorderAnyTick, ASensorsCounterThatWrapsHidesNothing) {  // TIME-2, TIME-3
  bench.clock = 5'000'000'000;
  for (std::uint64_t i = 0; i < 5; ++i) second(70, 4'294'963'000 + i * 1000);
  for (std::uint64_t i = 0; i < 30; ++i) EXPECT_EQ(second(180, 704 + i * 1000), Refusal::none);
  ASSERT_EQ(bench.alarms().size(), 1u);
  EXPECT_EQ(bench.alarms()[0].tick_ms, 704u);
}

TEST_F(RecorderAnyTick, AWildOneOfAnotherSignHurriesNothing) {  // TIME-3
  second(140, 3000);
  bench.recorder.report({{{2, 97}}, bench.clock + 1000});
  bench.recorder.raise_due();
  EXPECT_EQ(bench.alarms().size(), 0u);
  second(70, 4000);
  EXPECT_EQ(bench.alarms().size(), 0u);
}

TEST(Recorder, KeepsAPlaceForTheEndOfEveryAlarm) {
  Bench bench({{}, 0, 0}, 10, 4);
  const auto first = bench.recorder.raise(coded("first"));
  const auto second = bench.recorder.raise(coded("second"));
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(bench.recorder.raise(coded("third")));
  EXPECT_EQ(bench.recorder.end(*first, {}), Refusal::none);
  EXPECT_EQ(bench.recorder.end(*second, {}), Refusal::none);
  EXPECT_EQ(bench.recorder.end(*second, {}), Refusal::unknown_alarm);
  EXPECT_EQ(bench.recorder.status().alarms_owed, 4u);
}

TEST(Recorder, ALimitWithoutRoomIsRaisedWhenThereIsSome) {
  Bench bench({{{AlarmLimit::Side::high, 1, 131}}, 0, 0}, 10, 2);
  const auto fall = bench.recorder.raise(coded("fall"));
  ASSERT_TRUE(fall);
  bench.hr(140, 1000);  // no room: the episode stands unrecorded
  EXPECT_EQ(bench.recorder.status().alarms_owed, 1u);
  bench.recorder.end(*fall, {});
  bench.recorder.carry(coap::DeliveryId{1}, bench.owed());
  EXPECT_EQ(bench.recorder.release(coap::DeliveryId{1}).size(), 2u);
  bench.hr(141, 2000);
  ASSERT_EQ(bench.alarms().size(), 1u);
  EXPECT_EQ(bench.alarms()[0].tick_ms, 1000u);
  bench.hr(100, 3000);
  EXPECT_EQ(bench.alarms().size(), 2u);
  EXPECT_EQ(bench.recorder.status().alarms_dropped, 0u);
}

TEST(Recorder, AnEpisodeThatNeverFoundRoomIsCounted) {
  Bench bench({{{AlarmLimit::Side::high, 1, 131}}, 0, 0}, 10, 2);
  ASSERT_TRUE(bench.recorder.raise(coded("fall")));
  bench.hr(140, 1000);
  bench.hr(100, 2000);
  EXPECT_EQ(bench.recorder.status().alarms_dropped, 1u);
  EXPECT_EQ(bench.recorder.status().alarms_owed, 1u);
}

/// A journal that an earlier start left `count` debts in.
struct Left : Journal {
  explicit Left(std::uint64_t many) : count(many) {}
  bool generated(std::uint64_t, const SequencedSet&) override { return true; }
  bool generated(std::uint64_t, const SequencedAlarm&) override { return true; }
  bool acknowledged(std::uint64_t, std::uint64_t, std::chrono::system_clock::time_point) override { return true; }
  std::vector<OwedAlarm> owed() override {
    std::vector<OwedAlarm> all;
    for (std::uint64_t i = 1; i <= count; ++i) all.push_back({99, {i, 0, Event::raised, 0, coded("fall")}});
    all.back().record.alarm.priority = AlarmPriority::low;
    all.front().record.alarm.priority = AlarmPriority::medium;
    return all;
  }
  std::uint64_t damaged_lines() const override { return 3; }
  std::uint64_t count;
};

TEST(Recorder, DebtsOfEarlierStartsLeaveHalfOfTheRoomAndFollow) {  // I8
  Recorder recorder({1, {{}, 0, 0}, 10, 8, [] { return 0ull; }, std::make_shared<Left>(10)});
  recorder.open();
  EXPECT_EQ(recorder.status().alarms_inherited, 10u);
  EXPECT_EQ(recorder.status().alarms_owed, 10u);
  EXPECT_EQ(recorder.status().alarms_generated, 0u);
  EXPECT_EQ(recorder.status().journal_damaged_lines, 3u);
  ASSERT_TRUE(recorder.raise(coded("first")));
  ASSERT_TRUE(recorder.raise(coded("second")));
  EXPECT_FALSE(recorder.raise(coded("third")));
  std::vector<std::uint64_t> delivered;
  for (std::uint64_t delivery = 1; recorder.alarms_to_send() > 0; ++delivery) {
    const auto owed = recorder.owed(~0ull, 3);
    ASSERT_LE(owed.records.size(), 8u);
    recorder.carry(coap::DeliveryId{delivery}, owed.records);
    for (const auto& [boot, sequence] : recorder.release(coap::DeliveryId{delivery})) {
      if (boot == 99) delivered.push_back(sequence);
    }
  }
  EXPECT_THAT(delivered, ::testing::ElementsAre(2, 3, 4, 5, 6, 7, 8, 9, 1, 10));
  EXPECT_EQ(recorder.status().alarms_owed, 0u);
  EXPECT_EQ(recorder.status().alarms_acknowledged, 12u);
}

// -- into the journal -------------------------------------------------------------------------------------------------

/// A disk of which each write takes as long as the test wants, and which may be full.
class SlowDisk : public Journal {
 public:
  bool generated(std::uint64_t, const SequencedSet&) override { return true; }
  bool generated(std::uint64_t boot, const SequencedAlarm& alarm) override {
    return generated_all(boot, {&alarm, 1}) == 1;
  }
  bool acknowledged(std::uint64_t, std::uint64_t, std::chrono::system_clock::time_point) override { return true; }
  std::size_t generated_all(std::uint64_t, std::span<const SequencedAlarm> alarms) override {
    std::unique_lock lock(mutex_);
    ++syncs;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    const auto written = std::min(alarms.size(), room);
    for (const auto& alarm : alarms.first(written)) durable.push_back(alarm.sequence);
    return written;
  }
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  void wait_for_a_write() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return syncs > 0; });
  }

  std::size_t room = ~std::size_t{0};  // records
  std::size_t syncs = 0;
  std::vector<std::uint64_t> durable;

 protected:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
};

struct Journaled {
  std::shared_ptr<SlowDisk> disk = std::make_shared<SlowDisk>();
  std::uint64_t clock = 100'000;
  Recorder recorder{{1,
                     {{{AlarmLimit::Side::high, 1, 131}, {AlarmLimit::Side::high, 2, 90}}, 0, 0},
                     1000,
                     1000,
                     [this] { return clock; },
                     disk}};
  Journaled() { recorder.open(); }
};

TEST(RecorderJournal, HoldsWhatACallPromisedWhenItReturns) {  // DUR-2
  Journaled bench;
  auto& recorder = bench.recorder;
  const auto& durable = bench.disk->durable;
  Refusal why = Refusal::full;
  const auto id = recorder.raise(coded("fall"), &why);
  ASSERT_TRUE(id);
  EXPECT_EQ(why, Refusal::none);
  EXPECT_THAT(durable, ::testing::ElementsAre(1));
  EXPECT_EQ(recorder.end(*id, {}), Refusal::none);
  EXPECT_THAT(durable, ::testing::ElementsAre(1, 2));
  EXPECT_EQ(recorder.report({{{1, 140}, {2, 99}}, 1000}), Refusal::none);  // two limits, one write
  EXPECT_THAT(durable, ::testing::ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(bench.disk->syncs, 3u);
  EXPECT_EQ(recorder.report({{{1, 140}}, 2000}), Refusal::none);
  EXPECT_EQ(bench.disk->syncs, 3u) << "a set alone waits for no disk";
  EXPECT_EQ(recorder.report({{{2, 80}}, 3000}), Refusal::none);
  EXPECT_THAT(durable, ::testing::ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(recorder.conclude(), Refusal::none);
  EXPECT_THAT(durable, ::testing::ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(recorder.write_pending(), 6u);
}

TEST(RecorderJournal, OffersNothingToBeSentThatIsOnItsWayToTheDisk) {  // DUR-2, I1
  Journaled bench;
  bench.disk->hold(true);
  std::thread caller([&] { EXPECT_TRUE(bench.recorder.raise(coded("fall"))); });
  bench.disk->wait_for_a_write();
  EXPECT_EQ(bench.recorder.write_pending(), 0u) << "and the loop does not wait";
  EXPECT_EQ(bench.recorder.alarms_to_send(), 0u);
  EXPECT_EQ(bench.recorder.status().alarms_owed, 1u);
  EXPECT_EQ(bench.recorder.status().alarms_unwritten, 1u);
  bench.disk->hold(false);
  caller.join();
  EXPECT_EQ(bench.recorder.write_pending(), 1u);
  EXPECT_EQ(bench.recorder.alarms_to_send(), 1u);
  EXPECT_EQ(bench.recorder.status().alarms_unwritten, 0u);
}

TEST(RecorderJournal, CallsThatWaitShareOneWrite) {  // DUR-2
  constexpr std::size_t kThreads = 8;
  Journaled bench;
  bench.disk->hold(true);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      Refusal why = Refusal::full;
      EXPECT_TRUE(bench.recorder.raise(coded("fall"), &why));
      EXPECT_EQ(why, Refusal::none);
    });
  }
  while (bench.recorder.status().alarms_owed < kThreads) std::this_thread::yield();
  bench.disk->hold(false);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(bench.disk->durable.size(), kThreads);
  EXPECT_LE(bench.disk->syncs, 2u) << "one that was under way, and one for all others";
}

TEST(RecorderJournal, SaysOfEachCallThatItsAlarmIsNotOnTheDisk) {  // DUR-2
  Journaled bench;
  bench.disk->room = 0;
  Refusal why = Refusal::none;
  const auto id = bench.recorder.raise(coded("fall"), &why);
  ASSERT_TRUE(id) << "it is raised all the same";
  EXPECT_EQ(why, Refusal::unwritten);
  EXPECT_EQ(bench.recorder.report({{{1, 140}}, 1000}), Refusal::unwritten);
  EXPECT_EQ(bench.recorder.report({{{1, 140}}, 2000}), Refusal::none) << "raised nothing";
  EXPECT_EQ(bench.recorder.end(*id, {}), Refusal::unwritten);
  EXPECT_EQ(bench.recorder.conclude(), Refusal::unwritten);
  EXPECT_EQ(bench.recorder.write_pending(), 4u) << "they are sent";
  EXPECT_EQ(bench.recorder.alarms_to_send(), 4u);
  EXPECT_TRUE(bench.recorder.unwritten());
  EXPECT_EQ(bench.recorder.status().alarms_unwritten, 4u);
  EXPECT_EQ(bench.recorder.status().journal_failures, 4u) << "each record once, however often it is tried";
}

TEST(RecorderJournal, WritesWhatItCouldNotWriteWhenThereIsRoom) {  // DUR-2
  Journaled bench;
  bench.disk->room = 0;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(bench.recorder.raise(coded("fall")));
  bench.disk->room = 2;
  bench.recorder.write_again();
  EXPECT_THAT(bench.disk->durable, ::testing::ElementsAre(1, 2));
  EXPECT_TRUE(bench.recorder.unwritten());
  bench.disk->room = 9;
  ASSERT_TRUE(bench.recorder.raise(coded("fall")));  // the next one takes the rest along
  EXPECT_THAT(bench.disk->durable, ::testing::ElementsAre(1, 2, 3, 4));
  EXPECT_FALSE(bench.recorder.unwritten());
}

TEST(RecorderJournal, DoesNotWriteWhatWasAcknowledgedMeanwhile) {  // DUR-2
  Journaled bench;
  bench.disk->room = 0;
  ASSERT_TRUE(bench.recorder.raise(coded("fall")));
  ASSERT_TRUE(bench.recorder.raise(coded("button")));
  bench.recorder.carry(coap::DeliveryId{1}, bench.recorder.owed(2, 1).records);
  bench.recorder.release(coap::DeliveryId{1});
  bench.disk->room = 9;
  bench.recorder.write_again();
  EXPECT_THAT(bench.disk->durable, ::testing::ElementsAre(2));
}

/// What was acknowledged is owed no more, but an ACK settles only what is there.
class SettlingDisk : public SlowDisk {
 public:
  bool acknowledged(std::uint64_t, std::uint64_t sequence, std::chrono::system_clock::time_point) override {
    const std::lock_guard lock(mutex_);
    acks.push_back(sequence);
    std::erase(durable, sequence);
    return true;
  }
  std::vector<std::uint64_t> acks;
};

struct AckDuringAWrite : ::testing::Test {
  std::shared_ptr<SettlingDisk> disk = std::make_shared<SettlingDisk>();
  Recorder recorder{{1, {{}, 0, 0}, 1000, 1000, [] { return 0ull; }, disk}};

  /// The first of two records is acknowledged while what the disk refused before is being written.
  void acknowledge_during_a_write() {
    recorder.carry(coap::DeliveryId{1}, recorder.owed(2, 1).records);
    disk->syncs = 0;
    disk->hold(true);
    std::thread writer([&] { recorder.write_again(); });
    disk->wait_for_a_write();
    recorder.note_acknowledged(recorder.release(coap::DeliveryId{1}), {});
    acks_before = disk->acks;
    disk->hold(false);
    writer.join();
  }
  std::vector<std::uint64_t> acks_before;
};

TEST_F(AckDuringAWrite, OfARecordThatIsBeingWrittenSettlesIt) {  // DUR-2
  recorder.open();
  disk->room = 0;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(recorder.raise(coded("fall")));
  disk->room = 9;
  acknowledge_during_a_write();
  EXPECT_THAT(disk->durable, ::testing::ElementsAre(2)) << "the first is not delivered once more after a reboot";
  EXPECT_THAT(disk->acks, ::testing::ElementsAre(1));
  EXPECT_FALSE(recorder.unwritten());
}

TEST_F(AckDuringAWrite, OfARecordThatIsRefusedAgainIsNotedOnce) {  // DUR-2
  recorder.open();
  disk->room = 0;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(recorder.raise(coded("fall")));
  acknowledge_during_a_write();
  EXPECT_THAT(disk->durable, ::testing::IsEmpty());
  EXPECT_THAT(disk->acks, ::testing::ElementsAre(1));
  EXPECT_EQ(recorder.status().alarms_unwritten, 1u);
}

TEST_F(AckDuringAWrite, OfARecordThatIsThereWaitsForNobody) {  // DUR-2
  recorder.open();
  ASSERT_TRUE(recorder.raise(coded("fall")));
  disk->room = 0;
  ASSERT_TRUE(recorder.raise(coded("fall")));
  disk->room = 9;
  acknowledge_during_a_write();
  EXPECT_THAT(acks_before, ::testing::ElementsAre(1));
  EXPECT_THAT(disk->durable, ::testing::ElementsAre(2));
  EXPECT_THAT(disk->acks, ::testing::ElementsAre(1));
}

TEST(RecorderJournal, OutlivesAJournalThatThrows) {  // DUR-2
  struct Throws : SlowDisk {
    std::size_t generated_all(std::uint64_t, std::span<const SequencedAlarm>) override { throw std::bad_alloc(); }
  };
  Recorder recorder({1, {{}, 0, 0}, 10, 8, [] { return 0ull; }, std::make_shared<Throws>()});
  recorder.open();
  for (int i = 0; i < 2; ++i) {
    Refusal why = Refusal::none;
    EXPECT_TRUE(recorder.raise(coded("fall"), &why));
    EXPECT_EQ(why, Refusal::unwritten);
  }
}

TEST(RecorderJournal, TellsTheAuditBookOfEachRecordOnce) {
  struct Book : SlowDisk {
    bool generated(std::uint64_t, const SequencedSet& set) override { return sets.push_back(set.sequence), true; }
    bool generated(std::uint64_t, const SequencedAlarm& alarm) override {
      return alarms.push_back(alarm.sequence), false;
    }
    std::vector<std::uint64_t> sets, alarms;
  };
  const auto disk = std::make_shared<SlowDisk>();
  const auto book = std::make_shared<Book>();
  disk->room = 0;
  Recorder recorder({1, {{}, 0, 0}, 10, 8, [] { return 0ull; }, disk, {}, 64, book});
  recorder.open();
  recorder.report({{{1, 70}}, {}});
  ASSERT_TRUE(recorder.raise(coded("fall")));
  recorder.write_again();
  EXPECT_THAT(book->sets, ::testing::ElementsAre(1));
  EXPECT_THAT(book->alarms, ::testing::ElementsAre(1));
  EXPECT_EQ(recorder.status().audit_failures, 1u);
  EXPECT_EQ(recorder.status().journal_failures, 1u);
}

// -- a clock that goes back -------------------------------------------------------------------------------------------

TEST(RecorderClock, ThatGoesBackUpToASecondStandsMeanwhile) {  // TIME-2
  Bench bench;
  bench.hr(70);
  for (const std::uint64_t clock : {99'999u, 99'500u, 99'000u}) {
    bench.clock = clock;
    EXPECT_EQ(bench.hr(70), Refusal::none);
    EXPECT_EQ(bench.recorder.tick(), 100'000u);
  }
  for (const auto& set : bench.recorder.take_sets(1, 9)) EXPECT_EQ(set.tick_ms, 100'000u);
  EXPECT_EQ(bench.recorder.boot(), 1u);
  EXPECT_EQ(bench.recorder.status().clock_restarts, 0u);
}

/// From, to: restarted, wrapped, set back.
struct RecorderClockBack : ::testing::TestWithParam<std::pair<std::uint64_t, std::uint64_t>> {
  Bench bench{{{{AlarmLimit::Side::high, 1, 131}}, 0, 10'000}};

  RecorderClockBack() { bench.clock = GetParam().first; }
  void go_back() { bench.clock = GetParam().second; }
};

TEST_P(RecorderClockBack, BeginsANewBootWithSequencesFromOne) {  // TIME-2
  for (int i = 0; i < 3; ++i) bench.hr(70);
  EXPECT_EQ(bench.recorder.take_sets(1, 1).size(), 1u);
  go_back();
  EXPECT_EQ(bench.hr(71), Refusal::none);
  EXPECT_EQ(bench.recorder.boot(), 2u);
  bench.recorder.give_back(1, {{1, 0, {{1, 70}}}});
  EXPECT_TRUE(bench.recorder.take_sets(1, 9).empty()) << "the session of the old boot";
  EXPECT_FALSE(bench.recorder.latest_set(1));
  const auto sets = bench.recorder.take_sets(2, 9);
  ASSERT_EQ(sets.size(), 1u);
  EXPECT_EQ(sets[0].sequence, 1u);
  EXPECT_EQ(sets[0].tick_ms, bench.clock);
  const auto status = bench.recorder.status();
  EXPECT_EQ(status.clock_restarts, 1u);
  EXPECT_EQ(status.sets_generated, 4u);
  EXPECT_EQ(status.sets_dropped, 3u);
  EXPECT_EQ(status.sets_waiting, 1u);
}

TEST_P(RecorderClockBack, MakesWhatIsOwedADebtOfTheOldBoot) {  // TIME-2, I5
  const auto fall = bench.recorder.raise(coded("fall"));
  go_back();
  EXPECT_EQ(bench.recorder.end(*fall, {}), Refusal::unknown_alarm);
  const auto button = bench.recorder.raise(coded("button"));
  ASSERT_TRUE(button);
  EXPECT_NE(*button, *fall);
  EXPECT_EQ(bench.recorder.end(*fall, {}), Refusal::unknown_alarm);
  EXPECT_EQ(bench.recorder.end(*button, {}), Refusal::none);
  const auto owed = bench.owed();
  ASSERT_EQ(owed.size(), 3u);
  EXPECT_EQ(owed[0].boot, 1u);
  EXPECT_EQ(owed[0].record.alarm.code, "fall");
  EXPECT_EQ(owed[1].boot, 2u);
  EXPECT_EQ(owed[1].record.sequence, 1u);
  EXPECT_EQ(owed[2].record.onset_sequence, 1u);
  bench.recorder.carry(coap::DeliveryId{1}, owed);
  EXPECT_THAT(bench.recorder.release(coap::DeliveryId{1}),
              ::testing::ElementsAre(AlarmKey{1, 1}, AlarmKey{2, 1}, AlarmKey{2, 2}));
  EXPECT_EQ(bench.recorder.status().alarms_owed, 0u);
}

TEST_P(RecorderClockBack, MakesTheLimitsForget) {  // TIME-2
  bench.hr(140);
  go_back();
  bench.recorder.raise_due();
  bench.clock += 9000;
  bench.hr(140);
  EXPECT_EQ(bench.alarms().size(), 0u);
  bench.clock += 10'000;
  bench.recorder.raise_due();
  ASSERT_EQ(bench.owed().size(), 1u);
  EXPECT_EQ(bench.owed()[0].boot, 2u);
  EXPECT_EQ(bench.owed()[0].record.tick_ms, GetParam().second + 9000);
}

INSTANTIATE_TEST_SUITE_P(, RecorderClockBack,
                         ::testing::Values(std::pair{100'000u, 0u}, std::pair{4'294'967'290u, 5u},
                                           std::pair{7'200'000u, 3'600'000u}, std::pair{2000u, 999u}));

TEST(RecorderClock, ThatGoesBackDropsRunsAndCountsThem) {  // TIME-2
  std::uint64_t clock = 100'000;
  Recorder recorder({1,
                     {{}, 0, 0},
                     9,
                     9,
                     [&] { return clock; },
                     nullptr,
                     {{"resp", {10, 1}, 0.001, 0}},
                     64,
                     nullptr,
                     [] { return 2ull; }});
  recorder.open();
  recorder.waveform("resp", std::vector<double>(95), {});  // two whole runs, and one under way
  EXPECT_EQ(recorder.take_runs(1, 0, 1).size(), 1u);
  clock = 0;
  recorder.waveform("resp", std::vector<double>(40), {});
  recorder.give_back(1, 0, {{1, 0, {0}}});
  const auto status = recorder.status();
  EXPECT_EQ(status.runs_generated, 4u);
  EXPECT_EQ(status.runs_dropped, 3u);
  EXPECT_EQ(status.runs_waiting, 1u);
  EXPECT_TRUE(recorder.take_runs(1, 0, 9).empty());
  EXPECT_FALSE(recorder.latest_run(1, 0));
  ASSERT_EQ(recorder.take_runs(2, 0, 9).size(), 1u);
}

/// Notes under which boot each record came.
struct BootsDisk : SlowDisk {
  std::size_t generated_all(std::uint64_t boot, std::span<const SequencedAlarm> alarms) override {
    const auto written = SlowDisk::generated_all(boot, alarms);
    for (const auto& alarm : alarms.first(written)) keys.push_back({boot, alarm.sequence});
    return written;
  }
  std::vector<AlarmKey> keys;
};

struct RecorderClockJournal : ::testing::Test {
  std::shared_ptr<BootsDisk> disk = std::make_shared<BootsDisk>();
  std::uint64_t clock = 100'000;
  Recorder recorder{{1,
                     {{{AlarmLimit::Side::high, 1, 131}}, 0, 10'000},
                     100,
                     100,
                     [this] { return clock; },
                     disk,
                     {},
                     64,
                     nullptr,
                     [] { return std::uint64_t{2}; }}};
};

TEST_F(RecorderClockJournal, HasWhatNoCallWaitsForBeforeAnotherBootBegins) {  // TIME-2, DUR-2
  recorder.open();
  recorder.report({{{1, 140}}, {}});
  clock += 10'000;
  recorder.raise_due();
  EXPECT_TRUE(disk->keys.empty());
  EXPECT_EQ(recorder.alarms_to_send(), 0u);
  clock = 0;
  recorder.report({{{1, 70}}, {}});
  EXPECT_EQ(recorder.boot(), 2u);
  EXPECT_THAT(disk->keys, ::testing::ElementsAre(AlarmKey{1, 1}));
  EXPECT_EQ(recorder.alarms_to_send(), 1u);
}

TEST_F(RecorderClockJournal, KeepsWhatItRefusedUnderItsBoot) {  // TIME-2, DUR-2
  recorder.open();
  disk->room = 0;
  ASSERT_TRUE(recorder.raise(coded("fall")));
  clock = 0;
  Refusal why = Refusal::none;
  ASSERT_TRUE(recorder.raise(coded("button"), &why));
  EXPECT_EQ(why, Refusal::unwritten);
  EXPECT_EQ(recorder.status().alarms_unwritten, 2u);
  EXPECT_EQ(recorder.alarms_to_send(), 2u);
  EXPECT_EQ(recorder.write_pending(), 2u) << "numbers go on";
  disk->room = 9;
  recorder.write_again();
  EXPECT_THAT(disk->keys, ::testing::ElementsAre(AlarmKey{1, 1}, AlarmKey{2, 1}));
  EXPECT_FALSE(recorder.unwritten());
}

TEST_F(RecorderClockJournal, HasAllOfABootBeforeAnotherOneBegins) {  // TIME-2, DUR-2
  recorder.open();
  disk->hold(true);
  std::thread raises([&] { EXPECT_TRUE(recorder.raise(coded("fall"))); });
  disk->wait_for_a_write();
  clock = 0;
  std::thread reports([&] { EXPECT_EQ(recorder.report({{{1, 70}}, {}}), Refusal::none); });
  EXPECT_EQ(recorder.boot(), 1u);
  disk->hold(false);
  raises.join();
  reports.join();
  EXPECT_EQ(recorder.boot(), 2u);
  EXPECT_THAT(disk->keys, ::testing::ElementsAre(AlarmKey{1, 1}));
  EXPECT_EQ(recorder.take_sets(2, 9).size(), 1u);
}

TEST(Recorder, WaitsUntilTheLoopHasSentAll) {
  Bench bench;
  EXPECT_TRUE(bench.recorder.wait_until_drained(std::chrono::milliseconds{0}));
  bench.hr(70);
  EXPECT_FALSE(bench.recorder.wait_until_drained(std::chrono::milliseconds{0}));
  EXPECT_EQ(bench.recorder.take_sets(1, 9).size(), 1u);
  EXPECT_EQ(bench.recorder.sets_waiting(), 0u);
  EXPECT_EQ(bench.recorder.status().sets_waiting, 1u) << "it may yet be given back";
  EXPECT_FALSE(bench.recorder.wait_until_drained(std::chrono::milliseconds{0}));
  std::thread loop([&] {
    bench.recorder.sets_sent(1);
    bench.recorder.publish({});
  });
  EXPECT_TRUE(bench.recorder.wait_until_drained(std::chrono::minutes{5}));
  loop.join();
}

TEST(Recorder, TakesReportsFromManyThreadsInOneOrder) {
  constexpr int kThreads = 4, kEach = 500;
  Bench bench({AlarmSettings::news2_extremes(), 0, 0}, kThreads * kEach, 100'000);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&bench, t] {
      for (int i = 0; i < kEach; ++i) {
        ASSERT_EQ(bench.hr(i % 2 == 0 ? 70 : 140), Refusal::none);
        if (t != 0) continue;
        const auto id = bench.recorder.raise(coded("button"));
        ASSERT_TRUE(id);
        ASSERT_EQ(bench.recorder.end(*id, {}), Refusal::none);
        bench.recorder.status();
      }
    });
  }
  std::uint64_t expected = 0;
  const auto drain = [&] {
    for (const auto& set : bench.recorder.take_sets(1, 100)) EXPECT_EQ(set.sequence, ++expected);
    bench.recorder.raise_due();
  };
  while (bench.recorder.status().sets_generated < kThreads * kEach) drain();
  for (auto& thread : threads) thread.join();
  while (bench.recorder.sets_waiting() > 0) drain();
  EXPECT_EQ(expected, static_cast<std::uint64_t>(kThreads * kEach));
}

}  // namespace
}  // namespace wardlink
