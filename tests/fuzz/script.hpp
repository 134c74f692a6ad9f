#pragma once
// How a fuzz target reads decisions out of its input, and how it says that a promise was broken.

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "coap/address.hpp"

namespace fuzz {

using coap::Bytes;
using coap::ByteView;

/// A promise was broken. Nobody catches it in the fuzzer, which then reports a crash; a test reports its words.
struct Finding : std::logic_error {
  using std::logic_error::logic_error;
};

inline void must(bool holds, const char* promise) {
  if (!holds) throw Finding(promise);
}

/// The input as a sequence of decisions. Once it has ended, every decision is zero.
class Script {
 public:
  explicit Script(ByteView input) : rest_(input) {}

  bool ended() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }
  std::uint16_t number16() {
    const unsigned high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  std::uint64_t number64() {
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | byte();
    return number;
  }
  bool flag() { return (byte() & 1) != 0; }
  /// Below `count`, which is at least 1 and at most 256.
  std::size_t pick(std::size_t count) { return byte() % count; }
  ByteView bytes(std::size_t count) {
    const ByteView taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  /// Bytes with their length, 16 bits, in front.
  ByteView block() { return bytes(number16()); }
  ByteView rest() { return bytes(rest_.size()); }

 private:
  ByteView rest_;
};

inline std::string as_text(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
