// Hosts that sleep: this executable has a clock_gettime of its own, in which each sleep is missing from the clocks that
// leave it out.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>

#include "feed.hpp"
#include "loopback_gateway.hpp"
#include "wardlink/device.hpp"
#include "wardlink/wardlink.h"

namespace {

std::atomic<std::uint64_t> slept_ms = 0;
std::atomic<bool> without_boottime = false;

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  if (clock == CLOCK_BOOTTIME && without_boottime) {
    errno = EINVAL;
    return -1;
  }
  const auto result = static_cast<int>(syscall(SYS_clock_gettime, clock, now));
  if (clock == CLOCK_BOOTTIME) now->tv_sec += static_cast<time_t>(slept_ms / 1000);
  return result;
}

namespace wardlink {
namespace {

constexpr std::uint64_t kMinute = 60'000;

/// Notes the ticks of the sets.
struct Book : Journal {
  bool generated(std::uint64_t, const SequencedSet& set) override { return ticks.push_back(set.tick_ms), true; }
  bool generated(std::uint64_t, const SequencedAlarm&) override { return true; }
  bool acknowledged(std::uint64_t, std::uint64_t, std::chrono::system_clock::time_point) override { return true; }
  std::vector<std::uint64_t> ticks;
};

DeviceOptions options() {
  DeviceOptions made;
  made.server = "127.0.0.1";
  made.port = 1;
  made.credentials = testing::badge("urn:dev:os:32473-00000000000000c1");
  return made;
}

TEST(Clock, CountsTheTimeInWhichTheHostSleeps) {  // TIME-2
  const auto before = host_tick();
  slept_ms += kMinute;
  EXPECT_GE(host_tick() - before, kMinute);
  slept_ms += 24 * 60 * kMinute;
  EXPECT_GE(host_tick() - before, (1 + 24 * 60) * kMinute);
}

TEST(Clock, OfADeviceCountsItToo) {  // TIME-2
  auto made = options();
  const auto book = std::make_shared<Book>();
  made.audit = book;
  Device device(std::move(made));
  device.start();
  const MeasurementSet set{{{1, 70}}, {}};
  ASSERT_EQ(device.report(set), Refusal::none);
  slept_ms += kMinute;
  ASSERT_EQ(device.report(set), Refusal::none);
  ASSERT_EQ(book->ticks.size(), 2u);
  EXPECT_GE(book->ticks[1] - book->ticks[0], kMinute);
}

TEST(Clock, OfAReplayedRecordingStandsAtItsEndAndGoesOn) {  // TIME-2
  const auto tick = ward::replay_clock(480'000);
  const auto first = tick();
  EXPECT_GE(first, 480'000u);
  slept_ms += kMinute;
  EXPECT_GE(tick() - first, kMinute);
}

TEST(Clock, IsGivenWhereTheHostHasNone) {  // TIME-2
  without_boottime = true;
  EXPECT_THROW(Device{options()}, std::runtime_error);
  auto made = options();
  made.tick = [] { return std::uint64_t{7}; };
  EXPECT_NO_THROW(Device{std::move(made)});
  without_boottime = false;
}

}  // namespace
}  // namespace wardlink
