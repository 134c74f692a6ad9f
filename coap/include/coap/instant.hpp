#pragma once
// Time and chance as the protocol core sees them: arguments, never sources.

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>

namespace coap {

/// A clock without now(): the core cannot read the time, it is told. A driver fills it from a steady clock, a test from
/// a counter. Unit: microseconds since an arbitrary origin that stays the same for the life of the process.
struct Monotonic {
  using rep = std::int64_t;
  using period = std::micro;
  using duration = std::chrono::duration<rep, period>;
  using time_point = std::chrono::time_point<Monotonic>;
  static constexpr bool is_steady = true;
};

using Instant = Monotonic::time_point;
using Duration = Monotonic::duration;

/// Fills the span with random bytes. In products: RAND_bytes (see dtls.hpp); in tests: a seeded generator.
using Random = std::function<void(std::span<std::uint8_t>)>;

}  // namespace coap
