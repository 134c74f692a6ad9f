#pragma once
// The size of an array that an enumeration indexes.

#include <cstddef>
#include <type_traits>

namespace wardlink::ingest {

/// How many enumerators there are, numbered from 0 without a gap: those that the enumeration's to_string() has a word
/// for, which is empty for all else. The compiler asks for the word of each new one (-Wswitch).
template <class Enum>
constexpr std::size_t count_of() {
  std::size_t count = 0;
  while (*to_string(Enum{static_cast<std::underlying_type_t<Enum>>(count)}) != 0) ++count;
  return count;
}

}  // namespace wardlink::ingest
