// The ward in virtual time (docs/testing.md, "The simulation"): a few seeds here, under sanitizers; a hundred in
// simulation.seeds.
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>

#include "device_time.hpp"
#include "places.hpp"
#include "shrink.hpp"
#include "world.hpp"

namespace wardlink::simulation {
namespace {

const std::vector<std::string> none;

TEST(Simulation, HoldsItsInvariantsWithoutFaults) {  // I1, I2, I3, I4, I5, I6, LIFE-2
  const auto outcome = play({.seed = 7, .schedule = Schedule{}});
  EXPECT_EQ(outcome.violations, none);
  EXPECT_GT(outcome.alarms, 50u);
  EXPECT_GT(outcome.sets, 10'000u);
  EXPECT_GT(outcome.runs, 500u);
}

TEST(Simulation, HoldsItsInvariantsUnderFaults) {  // I1, I2, I3, I4, I5, I6, LIFE-2
  for (std::uint64_t seed = 1; seed <= 3; ++seed) EXPECT_EQ(play({.seed = seed}).violations, none) << seed;
}

/// All links are like that for as long as faults last.
Schedule everywhere(FaultKind kind, std::uint64_t amount, coap::Duration lasts) {
  Schedule schedule;
  for (std::size_t device = 0; device < 3; ++device) schedule.push_back({{}, kind, device, lasts, amount});
  return schedule;
}

TEST(Simulation, AClockIsNoFartherOffThanIsSaid) {  // TIME-4
  const auto length = std::chrono::minutes{100};
  for (const auto& [kind, amount] :
       {std::pair{FaultKind::loss, 60}, {FaultKind::delay, 900}, {FaultKind::delay, 8000}, {FaultKind::doubling, 80}}) {
    const auto schedule = everywhere(kind, static_cast<std::uint64_t>(amount), length * 2 / 3);
    const auto outcome = play({.seed = 5, .devices = 3, .length = length, .schedule = schedule});
    EXPECT_EQ(outcome.violations, none) << to_string(kind) << ' ' << amount;
    EXPECT_GE(outcome.exchanges, 2u * 3) << "when they register, and an hour later";
  }
}

/// A ward meets these faults only.
void expect_right_patients(const char* faults) {
  const auto schedule = read_schedule(faults);
  for (std::uint64_t seed = 1; seed <= 3; ++seed)
    EXPECT_EQ(play({.seed = seed, .length = std::chrono::minutes{10}, .schedule = schedule}).violations, none)
        << seed << ": " << faults;
}

TEST(Simulation, ASuspendedDeviceShowsNothingUnderAnotherPatient) {  // TIME-2
  expect_right_patients("36000 suspend 0 226000 1,131000 hand_over 0 0 1");
  expect_right_patients("36000 suspend 0 60000 1,131000 hand_over 0 0 1,200000 cut 0 200000 1");
  expect_right_patients("36000 suspend 2 20000 1,60000 hand_over_late 2 0 15,200000 kill_ingest 0 5000 1");
}

TEST(Simulation, ASuspendedDeviceIsFoundOutByTwoHeartbeats) {  // TIME-4
  for (const auto& [asleep, awake] : {std::pair{60'000, 96}, {20'000, 56}, {5'000, 41}}) {
    const auto schedule = read_schedule("36000 suspend 0 " + std::to_string(asleep) + " 1");
    const auto length = std::chrono::seconds{awake + 75};  // two heartbeats, and an exchange
    const auto outcome = play({.seed = 2, .devices = 1, .length = length, .schedule = schedule});
    EXPECT_EQ(outcome.violations, none) << asleep;
    EXPECT_EQ(outcome.exchanges, 3u) << asleep << ": of its registration, the doubt, and the one that settles it";
  }
}

TEST(Simulation, AClockThatJumpsAheadShowsNothingUnderAnotherPatient) {  // TIME-2
  expect_right_patients("36000 step_clock 0 0 100,131000 hand_over 0 0 1");
  expect_right_patients("36000 step_clock 0 0 300,37000 hand_over 0 0 1");
  expect_right_patients("36000 step_clock 2 0 30,60000 hand_over_late 2 0 15");
}

TEST(Simulation, WhatIsMeasuredAtAHandoverIsNotTheOtherPatients) {  // TIME-2
  expect_right_patients("0 delay 0 100000 900,0 delay 4 100000 900,60000 hand_over 0 0 1,60000 hand_over 4 0 1");
  expect_right_patients("0 delay 1 100000 1500,60000 hand_over 1 0 1,390000 hand_over 1 0 1");
  expect_right_patients("60000 hand_over_late 3 0 20,290000 hand_over 3 0 1,390000 hand_over 3 0 1");
}

TEST(Simulation, ADebtOfAStartThatStorageNeverSawIsNobodys) {  // TIME-6
  expect_right_patients(
      "50000 kill_ingest 0 60000 1,52000 stop_device 0 2000 1,60000 burst 0 0 20,70000 kill_device 0 2000 1,"
      "80000 hand_over 0 0 1");
  expect_right_patients(
      "50000 cut 3 60000 1,52000 kill_device 3 2000 1,60000 burst 3 0 20,70000 cut_power 3 2000 1,"
      "75000 unworn 3 20000 1");
  expect_right_patients(
      "50000 kill_ingest 0 60000 1,52000 kill_device 6 2000 1,60000 burst 6 0 9,70000 kill_device 6 2000 1,"
      "90000 hand_over_late 6 0 12");
}

TEST(Simulation, ACalendarThatStepsBackDatesNothingWrong) {  // TIME-2
  expect_right_patients("131000 step_calendar 0 0 3599,140000 hand_over 0 0 1");
  expect_right_patients("60000 hand_over 2 0 1,131000 step_calendar 0 0 77,150000 hand_over 2 0 1");
  expect_right_patients("60000 step_calendar 0 0 1,61000 hand_over 4 0 1,200000 step_calendar 0 0 599");
}

TEST(Simulation, ACalendarThatStepsAheadDatesNothingWrong) {  // TIME-2
  expect_right_patients("131000 step_calendar 0 0 3600,140000 hand_over 0 0 1");
  expect_right_patients("60000 hand_over 2 0 1,131000 step_calendar 0 0 78,150000 hand_over 2 0 1");
  expect_right_patients("60000 step_calendar 0 0 2,61000 hand_over_late 4 0 90,200000 step_calendar 0 0 600");
}

TEST(Simulation, WhatWaitedWhileTheCalendarSteppedIsDatedAsItWasThen) {  // TIME-2
  expect_right_patients("100000 cut 3 60000 1,131000 step_calendar 0 0 77,180000 hand_over 3 0 1");
  expect_right_patients("100000 database_away 0 90000 1,131000 step_calendar 0 0 3600,195000 hand_over 1 0 1");
  expect_right_patients("90000 cut 3 90000 1,110000 step_calendar 0 0 600,140000 step_calendar 0 0 599");
}

TEST(Simulation, OneSeedIsOneRun) {
  const auto once = play({.seed = 11}), again = play({.seed = 11}), other = play({.seed = 12});
  EXPECT_EQ(once.trace, again.trace);
  EXPECT_NE(once.trace, other.trace);
}

/// What the program prints of a seed.
std::string trace_of(const std::string& options) {
  const auto command = places::program("simulation_seeds_test") + " --trace " + options;
  std::string text;
  std::array<char, 256> line{};
  FILE* pipe = popen(command.c_str(), "r");
  while (fgets(line.data(), line.size(), pipe) != nullptr)
    if (text.empty()) text = line.data();
  EXPECT_EQ(pclose(pipe), 0) << command;
  return text;
}

TEST(Simulation, OneSeedIsOneRunInAnyProcess) {
  const auto once = trace_of("--first 11 --minutes 5");
  EXPECT_EQ(once.size(), std::string("11 0123456789abcdef\n").size()) << once;
  EXPECT_EQ(once, trace_of("--first 11 --minutes 5"));
}

/// Folders of the disks that a process has not removed.
std::size_t disks_of(pid_t process) {
  const auto prefix = "wardlink-disk-of-" + std::to_string(process) + "-";
  const std::filesystem::directory_iterator all(std::filesystem::temp_directory_path());
  return static_cast<std::size_t>(std::count_if(
      begin(all), end(all), [&](const auto& entry) { return entry.path().filename().string().starts_with(prefix); }));
}

TEST(Simulation, DisksOfAProcessThatWasKilledAreRemovedByTheNext) {
  std::array<std::string, 5> words{places::program("simulation_seeds_test"), "--minutes", "10080", "--devices", "2"};
  std::array<char*, 6> arguments{};
  std::transform(words.begin(), words.end(), arguments.begin(), [](std::string& word) { return word.data(); });
  pid_t process = -1;
  ASSERT_EQ(posix_spawn(&process, arguments[0], nullptr, nullptr, arguments.data(), environ), 0);
  while (disks_of(process) < 2 && waitpid(process, nullptr, WNOHANG) == 0) poll(nullptr, 0, 5);
  EXPECT_EQ(kill(process, SIGKILL), 0) << "it has ended before it had its disks";
  waitpid(process, nullptr, 0);
  EXPECT_EQ(disks_of(process), 2u);
  trace_of("--minutes 1 --devices 1");
  EXPECT_EQ(disks_of(process), 0u);
}

constexpr coap::Instant start{};

/// Goes on to that instant, by steps of an odd length, and compares what was said with when it was said.
void expect_found_again(Clock& clock, const DeviceTime& time, coap::Duration until) {
  std::map<coap::Instant, coap::Instant> said;
  while (clock.now() < start + until) {
    said[clock.now()] = time.of_ticks(clock.now());
    const auto deadline = time.now() + 137ms;
    EXPECT_GE(time.when(deadline), clock.now());
    clock.run(time.when(deadline));
    EXPECT_GE(time.now(), deadline);
    EXPECT_LT(time.now(), deadline + 2us);
  }
  for (const auto& [at, reading] : said) {
    EXPECT_EQ(time.of_ticks(at), reading);
    const auto found = time.when_ticks_said(reading);
    EXPECT_LE(found.first, at);
    EXPECT_GE(found.last, at);
    EXPECT_LE(found.last - found.first, 1001us);
  }
}

TEST(DeviceTime, SaysWhenItSaidWhat) {  // TIME-2
  for (const std::int64_t drift : {-100, 0, 1, 100}) {
    Clock clock;
    DeviceTime time(clock, drift);
    expect_found_again(clock, time, 60s);
    time.step(7s);
    EXPECT_EQ(time.when_ticks_said(time.of_ticks(clock.now()) - 2s).first, clock.now()) << "jumped over";
    expect_found_again(clock, time, 120s);
    for (const bool counted : {true, false}) {
      time.sleep();
      const auto loop = time.now();
      clock.run(clock.now() + 30s);
      EXPECT_EQ(time.now(), loop);
      const auto before = time.of_ticks(clock.now());
      time.wake(counted);
      EXPECT_EQ(time.now(), loop);
      const auto counts = time.of_ticks(clock.now()) - before;
      EXPECT_NEAR(static_cast<double>(counts.count()), counted ? 30e6 : 0, 3000);
      clock.run(clock.now() + 2ms);  // one tick of 1 ms may lie on both sides of a sleep that is not counted
      expect_found_again(clock, time, clock.now() - start + 20s);
    }
    EXPECT_EQ(time.jumps(start, clock.now()).count, 2u) << "the step, and the sleep that was not counted";
    EXPECT_EQ(time.jumps(start, clock.now()).sum, 37s);
    EXPECT_EQ(time.jumps(start, start + 50s).count, 0u);
  }
}

TEST(Schedule, ReadsWhatItWrites) {
  const auto schedule = draw_schedule(Chance(3), std::chrono::minutes{60}, 8);
  EXPECT_GT(schedule.size(), 4u);
  EXPECT_EQ(read_schedule(to_text(schedule)), schedule);
  for (const char* text : {"12 no_such_fault 0 1 1", "12 loss 0 1 1 more", "-5 loss 0 1 1", "12 loss 0 1"})
    EXPECT_FALSE(read_schedule(text)) << text;
  EXPECT_EQ(read_schedule(""), Schedule{});
}

TEST(Schedule, SetsTheCalendarByMultiplesOfTwoSeconds) {
  EXPECT_EQ(calendar_step(1), -2s);
  EXPECT_EQ(calendar_step(2), 2s);
  EXPECT_EQ(calendar_step(77), -78s);
  EXPECT_EQ(calendar_step(3600), 1h);
}

TEST(Calendar, SaysWhatItShowedWhen) {  // TIME-2
  Clock clock;
  Calendar calendar(clock, -5s);
  const auto reads = [&](coap::Duration at, coap::Duration first, coap::Duration last) {
    const auto said = calendar.said(start + at, start + at);
    EXPECT_EQ(said.first - Clock::calendar_at(start + at), first);
    EXPECT_EQ(said.last - Clock::calendar_at(start + at), last);
  };
  calendar.compared();
  clock.run(start + 10s);
  calendar.compared();
  clock.run(start + 20s);
  calendar.step(60s);
  clock.run(start + 30s);
  calendar.step(-20s);
  EXPECT_EQ(calendar.now() - clock.calendar(), 35s);
  clock.run(start + 40s);
  calendar.compared();
  clock.run(start + 50s);
  reads(9s, -5s, -5s);
  reads(15s, -5s, 35s);
  reads(35s, -5s, 35s);
  reads(41s, 35s, 35s);
  ASSERT_EQ(calendar.steps().size(), 1u);
  calendar.step(8s);
  calendar.step(-8s);
  calendar.compared();
  EXPECT_EQ(calendar.steps().size(), 1u) << "nobody can tell";
}

TEST(Schedule, IsShortenedToWhatFails) {
  const auto schedule = draw_schedule(Chance(3), std::chrono::minutes{60}, 8);
  const Fault first = schedule[2], second = schedule[schedule.size() - 1];
  const auto shortened = shorten(schedule, [&](const Schedule& rest) {
    return std::ranges::count(rest, first) > 0 && std::ranges::count(rest, second) > 0;
  });
  EXPECT_EQ(shortened, (Schedule{first, second}));
}

}  // namespace
}  // namespace wardlink::simulation
