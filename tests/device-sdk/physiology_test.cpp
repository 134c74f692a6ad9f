#include "physiology.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace ward {
namespace {

using Series = std::map<std::string, std::vector<double>>;

Series live(std::uint64_t seed, int seconds) {
  Physiology body(seed);
  Series series;
  for (int i = 0; i < seconds; ++i) {
    for (const auto& reading : body.next().readings) {
      series[std::string(signs::find(reading.sign)->wire)].push_back(reading.value);
    }
  }
  return series;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b, std::size_t lag = 0) {
  const auto n = std::min(a.size(), b.size()) - lag;
  double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < n; ++i) {
    mean_a += a[i] / static_cast<double>(n);
    mean_b += b[i + lag] / static_cast<double>(n);
  }
  for (std::size_t i = 0; i < n; ++i) {
    ab += (a[i] - mean_a) * (b[i + lag] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i + lag] - mean_b) * (b[i + lag] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

TEST(Physiology, TheSameSeedIsTheSameWearer) {
  EXPECT_EQ(live(7, 2000), live(7, 2000));
  EXPECT_NE(live(7, 2000), live(8, 2000));
}

TEST(Physiology, StaysPlausibleAndAtTheResolutionOfEachSign) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (const auto& [wire, values] : live(seed, 4 * 3600)) {
      const auto& sign = *signs::find(wire);
      for (const auto value : values) {
        ASSERT_TRUE(signs::plausible(sign, value)) << wire << ' ' << value;
        const auto steps = std::round(1 / sign.resolution);
        ASSERT_EQ(value, std::round(value * steps) / steps) << wire;
      }
    }
  }
}

TEST(Physiology, OneSetASecondAndACuffEveryFiveMinutes) {
  const auto series = live(3, 3600);
  for (const auto* wire : {"hr", "spo2", "rr", "temp"}) EXPECT_EQ(series.at(wire).size(), 3600u);
  EXPECT_EQ(series.at("sbp").size(), 12u);
  EXPECT_EQ(series.at("dbp").size(), 12u);
}

TEST(Physiology, EffortShowsInHeartRateThenInBreathing) {
  const auto series = live(5, 6 * 3600);
  const auto& hr = series.at("hr");
  const auto& rr = series.at("rr");
  EXPECT_GT(correlation(hr, rr), 0.6);
  EXPECT_GT(correlation(hr, rr, 10), correlation(rr, hr, 10));  // breathing follows
}

TEST(Physiology, ADesaturationRaisesTheHeartRate) {
  // Over the seconds at which saturation has fallen, the heart beats faster than over those around it.
  double low = 0, normal = 0;
  std::size_t lows = 0, normals = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto series = live(seed, 4 * 3600);
    for (std::size_t i = 0; i < series.at("hr").size(); ++i) {
      const bool fallen = series.at("spo2")[i] <= 91;
      (fallen ? low : normal) += series.at("hr")[i];
      ++(fallen ? lows : normals);
    }
  }
  ASSERT_GT(lows, 500u);  // they do happen
  EXPECT_LT(lows, normals / 10);
  EXPECT_GT(low / static_cast<double>(lows), normal / static_cast<double>(normals) + 4);
}

TEST(Physiology, TemperatureFollowsTheDay) {
  const auto series = live(11, 24 * 3600);
  const auto& temp = series.at("temp");
  const auto [least, most] = std::minmax_element(temp.begin(), temp.end());
  EXPECT_GT(*most - *least, 0.5);
  EXPECT_LT(*most - *least, 2.0);
  const auto apart = std::abs(std::distance(least, most));
  EXPECT_GT(apart, 6 * 3600);  // the night's low is not next to the afternoon's high
}

}  // namespace
}  // namespace ward
