#pragma once
// A run's fingerprint: all that went over a wire, in its order. Two runs of one seed have the same (FNV-1a, 64 bits).

#include <cstdint>
#include <string_view>

#include "coap/address.hpp"

namespace wardlink::simulation {

class Trace {
 public:
  void add(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) step(static_cast<std::uint8_t>(number >> (8 * i)));
  }
  void add(coap::ByteView bytes) {
    add(bytes.size());
    for (const auto byte : bytes) step(byte);
  }
  void add(std::string_view text) { add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}); }
  std::uint64_t hash() const { return hash_; }

 private:
  void step(std::uint8_t byte) { hash_ = (hash_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace wardlink::simulation
