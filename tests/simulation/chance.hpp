#pragma once
// The run's only source of chance: one seed, one sequence. The distributions are our own, so that no standard library
// draws otherwise.

#include <cstdint>
#include <span>

#include "coap/instant.hpp"

namespace wardlink::simulation {

/// SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014).
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// 0 to bound − 1; bound at least 1.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most - least) + 1));
  }
  coap::Duration between(coap::Duration least, coap::Duration most) {
    return coap::Duration{between(least.count(), most.count())};
  }
  /// `probability`: 0 to 1.
  bool happens(double probability) { return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability; }
  /// A sequence of its own: what is drawn from it moves nothing that is drawn from this one.
  Chance fork() { return Chance(next()); }
  coap::Random random() {
    return [chance = fork()](std::span<std::uint8_t> out) mutable {
      for (auto& byte : out) byte = static_cast<std::uint8_t>(chance.next() >> 32);
    };
  }

 private:
  std::uint64_t state_;
};

}  // namespace wardlink::simulation
