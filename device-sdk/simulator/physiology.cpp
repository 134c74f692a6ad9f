#include "physiology.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ward {
namespace {

constexpr std::uint64_t kCuffEvery = 300;  // s

double to_resolution(const signs::Sign& sign, double value) {
  const double steps = std::round(1 / sign.resolution);
  return std::round(value * steps) / steps;
}

void add(wardlink::MeasurementSet& set, std::string_view wire, double value) {
  const auto& sign = *signs::find(wire);
  set.readings.push_back({sign.id, to_resolution(sign, std::clamp(value, sign.plausible_low, sign.plausible_high))});
}

}  // namespace

Physiology::Physiology(std::uint64_t seed) : random_(seed) {
  resting_hr_ = uniform(58, 82);
  resting_rr_ = uniform(12, 17);
  base_spo2_ = uniform(96, 98.5);
  base_temp_ = uniform(36.5, 37.1);
  base_sbp_ = uniform(108, 138);
  base_dbp_ = base_sbp_ * uniform(0.58, 0.66);
  hour_of_day_ = uniform(0, 24);
  cuff_at_ = static_cast<std::uint64_t>(uniform(0, 30));
  plan_exertion(0);
  plan_desaturation(0, 10);
}

wardlink::MeasurementSet Physiology::next() {
  const auto second = static_cast<double>(second_);
  if (second >= exertion_.ends) plan_exertion(second);
  if (second >= desaturation_.ends) plan_desaturation(second, 300);

  // Effort reaches the heart first, then breathing, then pressure; it leaves them in the same order, more slowly.
  const double effort = exertion_.level(second);
  hr_effort_.follow(effort, 15, 60);
  rr_effort_.follow(effort, 25, 50);
  bp_effort_.follow(effort, 40, 120);
  heat_.follow(effort, 600, 1800);
  // Saturation falls within some breaths; the heart answers a little later.
  oxygen_debt_.follow(desaturation_.level(second), 12, 20);
  hypoxic_drive_.follow(oxygen_debt_.value, 10, 30);

  wander(hr_wander_, 0.02, 0.5);
  wander(rr_wander_, 0.03, 0.2);
  wander(spo2_wander_, 0.05, 0.1);
  wander(temp_wander_, 0.002, 0.002);
  wander(bp_wander_, 0.005, 0.3);
  // Lowest at about four in the morning, highest in the late afternoon.
  const double hour = hour_of_day_ + second / 3600;
  const double day = std::cos((hour - 16.5) * 2 * std::numbers::pi / 24);

  wardlink::MeasurementSet set;
  add(set, "hr",
      resting_hr_ + 5 * day + hr_wander_ + 62 * hr_effort_.value + 1.6 * hypoxic_drive_.value + 8 * heat_.value);
  add(set, "spo2", std::min(100.0, base_spo2_ + spo2_wander_ - oxygen_debt_.value - 0.8 * hr_effort_.value));
  add(set, "rr", resting_rr_ + 0.8 * day + rr_wander_ + 11 * rr_effort_.value + 0.4 * hypoxic_drive_.value);
  add(set, "temp", base_temp_ + 0.35 * day + temp_wander_ + 0.7 * heat_.value);
  if (second_ >= cuff_at_) {
    cuff_at_ += kCuffEvery;
    const double rise = 6 * day + bp_wander_ + 38 * bp_effort_.value + 0.8 * hypoxic_drive_.value;
    add(set, "sbp", base_sbp_ + rise);
    add(set, "dbp", base_dbp_ + 0.35 * rise);
  }
  ++second_;
  return set;
}

void Physiology::Lag::follow(double target, double up_s, double down_s) {
  value += (target - value) / (target > value ? up_s : down_s);
}

double Physiology::uniform(double low, double high) {
  return low + (high - low) * static_cast<double>(random_() >> 11) * 0x1p-53;
}

/// Near enough to a standard normal: twelve uniforms (no library's distribution, so that a seed means one wearer).
double Physiology::normal() {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += uniform(0, 1);
  return sum;
}

void Physiology::wander(double& value, double reversion, double step) { value += step * normal() - reversion * value; }

void Physiology::plan_exertion(double from) {
  exertion_.begins = from + uniform(60, 900);
  exertion_.ends = exertion_.begins + uniform(45, 240);
  exertion_.strength = uniform(0.25, 1);
}

void Physiology::plan_desaturation(double from, double soonest) {
  desaturation_.begins = from + soonest + uniform(0, 900);
  desaturation_.ends = desaturation_.begins + uniform(30, 100);
  desaturation_.strength = uniform(4, 13);  // percent
}

}  // namespace ward
