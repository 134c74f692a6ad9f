// Whatever the ticks, each value beyond a limit has its alarm: random ticks and values, judged by rules that look at
// the samples alone. TIME-2, TIME-3
#include <gtest/gtest.h>

#include <random>

#include "alarm_limits.hpp"

namespace wardlink {
namespace {

using Event = SequencedAlarm::Event;
using Side = AlarmLimit::Side;

constexpr std::uint64_t kWrap = std::uint64_t{1} << 32;
constexpr std::size_t kSamples = 400;
constexpr std::uint64_t kSeeds = 500;

struct Sample {
  std::uint64_t tick_ms;
  double value;
  bool beyond, contradicts, rises, falls;
};

struct Play {
  explicit Play(std::uint64_t seed) : random(seed) {
    settings.hysteresis = chance(2) ? 0 : 0.1;
    settings.shortest_ms = chance(3) ? 0 : 1000 * (1 + random() % 10);
    const auto side = chance(2) ? Side::high : Side::low;
    settings.limits = {{side, 1, 100}};
    AlarmLimits limits(settings);
    tick = chance(2) ? kWrap - 1 - random() % 100'000 : random() % 100'000;
    const auto often = 2 + random() % 40;   // how seldom a tick does not rise
    const auto length = 1 + random() % 20;  // of spans beyond the limit, or not
    bool beyond = false;
    for (std::size_t i = 0; i < kSamples; ++i) {
      if (chance(length)) beyond = !beyond;
      if (i > 0) step(often);
      const bool wide = chance(5);  // inside the widened band, but not beyond
      const double distance = wide ? -5 : beyond ? 20 : -40;
      add(limits, side == Side::high ? 100 + distance : 100 - distance, side);
    }
  }

  bool chance(std::uint64_t of) { return random() % of == 0; }

  void step(std::uint64_t often) {
    if (!chance(often)) {
      tick = (tick + 1 + random() % 2000) % kWrap;
      return;
    }
    switch (random() % 4) {
      case 0:
        return;
      case 1:
        tick -= std::min<std::uint64_t>(tick, random() % 60'000);
        return;
      case 2:
        tick = random() % kWrap;
        return;
      default:
        tick = random() % 10'000;
    }
  }

  void add(AlarmLimits& limits, double value, Side side) {
    Sample sample{tick, value, false, false, true, false};
    const double beyond = side == Side::high ? value - 100 : 100 - value;
    sample.beyond = beyond >= 0;
    sample.contradicts = beyond < -100 * settings.hysteresis;
    if (!samples.empty()) {
      sample.rises = tick > samples.back().tick_ms;
      sample.falls = tick < samples.back().tick_ms;
    }
    samples.push_back(sample);
    std::vector<AlarmLimits::Transition> out;
    limits.sample(1, tick, value, 0, out);
    changes.push_back(out);
    for (const auto& change : out) standing = change.event == Event::raised;
    stands.push_back(standing);
  }

  /// From `first` to `last`, where each tick rises.
  std::uint64_t rises(std::size_t first, std::size_t last) const {
    std::uint64_t sum = 0;
    for (auto i = first + 1; i <= last; ++i) sum += samples[i].rises ? samples[i].tick_ms - samples[i - 1].tick_ms : 0;
    return sum;
  }

  std::mt19937_64 random;
  AlarmSettings settings;
  std::uint64_t tick = 0;
  bool standing = false;
  std::vector<Sample> samples;
  std::vector<std::vector<AlarmLimits::Transition>> changes;  // made by each sample
  std::vector<bool> stands;                                   // after each sample
};

/// A seed is one run.
class AlarmLimitsAnyTick : public ::testing::Test {
 protected:
  template <class Judge>
  static void each_seed(Judge judge) {
    for (std::uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      judge(Play(seed));
    }
  }
};

TEST_F(AlarmLimitsAnyTick, EachSpanBeyondTheLimitThatLastsOrDoesNotRiseHasItsAlarm) {
  each_seed([](const Play& play) {
    for (std::size_t first = 0; first < kSamples; ++first) {
      if (!play.samples[first].beyond || (first > 0 && play.samples[first - 1].beyond)) continue;
      auto last = first;
      bool all_rise = play.samples[first].rises;
      for (; last + 1 < kSamples && play.samples[last + 1].beyond; ++last) all_rise &= play.samples[last + 1].rises;
      if (all_rise && play.rises(first, last) < play.settings.shortest_ms) continue;
      EXPECT_TRUE(play.stands[last]) << "samples " << first << " to " << last;
    }
  });
}

TEST_F(AlarmLimitsAnyTick, EachAlarmBeginsWithASampleBeyondTheLimitAndEndsOnce) {
  each_seed([](const Play& play) {
    bool stands = false;
    std::uint64_t onset_tick = 0;
    std::size_t earliest = 0;  // that may explain the next alarm
    for (std::size_t i = 0; i < kSamples; ++i) {
      for (const auto& change : play.changes[i]) {
        ASSERT_NE(stands, change.event == Event::raised) << "sample " << i;
        stands = !stands;
        if (stands) {
          onset_tick = change.tick_ms;
          const auto explains = [&](const Sample& one) {
            return one.beyond && one.tick_ms == change.tick_ms && one.value == change.value;
          };
          EXPECT_TRUE(std::any_of(play.samples.begin() + static_cast<std::ptrdiff_t>(earliest),
                                  play.samples.begin() + static_cast<std::ptrdiff_t>(i) + 1, explains))
              << "sample " << i;
        } else {
          EXPECT_GE(change.tick_ms, onset_tick) << "sample " << i;
          earliest = i;
        }
      }
    }
  });
}

TEST_F(AlarmLimitsAnyTick, EachEndHasAsManySamplesInsideTheNormalBandAsItsTicksNeed) {
  each_seed([](const Play& play) {
    std::size_t onset = 0;  // after which a tick that does not rise counts
    for (std::size_t i = 0; i < kSamples; ++i) {
      for (const auto& change : play.changes[i]) {
        if (change.event == Event::raised) {
          for (onset = i; !(play.samples[onset].beyond && play.samples[onset].tick_ms == change.tick_ms); --onset) {
          }
          continue;
        }
        EXPECT_TRUE(play.samples[i].rises && play.samples[i].contradicts) << "sample " << i;
        bool ordered = true;
        for (auto j = onset; j <= i; ++j) ordered &= play.samples[j].rises;
        if (ordered) continue;
        auto first = i;
        while (play.samples[first - 1].contradicts && !play.samples[first].falls) --first;
        EXPECT_GE(play.rises(first, i), play.settings.shortest_ms) << "sample " << i;
      }
    }
  });
}

}  // namespace
}  // namespace wardlink
