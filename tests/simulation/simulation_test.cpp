// A ward in virtual time: I1 to I6 under faults of every part, one seed one run (docs/testing.md, "The simulation").
#include <gtest/gtest.h>

#include "world.hpp"

namespace wardlink::simulation {
namespace {

TEST(Simulation, HoldsItsInvariantsWithoutFaults) {  // I1, I2, I4, I5
  const auto outcome = play({.seed = 7, .schedule = Schedule{}});
  EXPECT_EQ(outcome.violations, std::vector<std::string>{});
  EXPECT_GT(outcome.alarms, 50u);
  EXPECT_GT(outcome.rows, 10'000u);
}

TEST(Simulation, Seeds) {
  Sometimes all;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto outcome = play({.seed = seed});
    EXPECT_EQ(outcome.violations, std::vector<std::string>{}) << seed << " " << to_text(outcome.schedule);
    all.add(outcome.sometimes);
  }
  for (const auto& [what, times] : all.counts()) std::printf("%10lu %s\n", times, what.c_str());
}

}  // namespace
}  // namespace wardlink::simulation
