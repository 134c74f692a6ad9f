#pragma once
// A wearer without a recording: heart rate, oxygen saturation, respiration, temperature and blood pressure that move
// together as a body's do. Deterministic: the same seed, the same wearer.

#include <cstdint>
#include <random>

#include "wardlink/measurement.hpp"

namespace ward {

class Physiology {
 public:
  explicit Physiology(std::uint64_t seed);

  /// The next second's set, from second 0 on. Values are rounded to the catalogue's resolution; blood pressure comes
  /// from a cuff, every 5 minutes. The tick is left to the device.
  wardlink::MeasurementSet next();

 private:
  /// Something that comes now and then, stays a while and has a strength: exertion, a desaturation.
  struct Bout {
    double begins = 0, ends = 0, strength = 0;
    double level(double second) const { return second >= begins && second < ends ? strength : 0; }
  };
  /// A quantity that follows another one, faster up than down.
  struct Lag {
    double value = 0;
    void follow(double target, double up_s, double down_s);
  };

  double uniform(double low, double high);
  double normal();
  void wander(double& value, double reversion, double step);
  void plan_exertion(double from);
  void plan_desaturation(double from, double soonest);

  std::mt19937_64 random_;
  std::uint64_t second_ = 0;
  // Who this is.
  double resting_hr_, resting_rr_, base_spo2_, base_temp_, base_sbp_, base_dbp_, hour_of_day_;
  std::uint64_t cuff_at_;
  // How it goes.
  Bout exertion_, desaturation_;
  Lag hr_effort_, rr_effort_, bp_effort_, heat_, oxygen_debt_, hypoxic_drive_;
  double hr_wander_ = 0, rr_wander_ = 0, spo2_wander_ = 0, temp_wander_ = 0, bp_wander_ = 0;
};

}  // namespace ward
