#pragma once
// Counters added up: numbers, and arrays of what can be added.

#include <array>
#include <cstddef>
#include <cstdint>

namespace wardlink::ingest {

inline void add(std::uint64_t& sum, std::uint64_t count) { sum += count; }

template <class T, std::size_t N>
void add(std::array<T, N>& sum, const std::array<T, N>& counts) {
  for (std::size_t i = 0; i < N; ++i) add(sum[i], counts[i]);
}

}  // namespace wardlink::ingest
