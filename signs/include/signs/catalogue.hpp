#pragma once
// The catalogue of vital signs: one constexpr table. Seen by all parts, sees nobody. A new sign is one row.

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

namespace signs {

/// Permanent: a number is never reused or renumbered, it is in the database.
using SignId = std::uint16_t;

struct Sign {
  SignId id;                   // 1 …
  std::string_view wire;       // short name on the wire: "hr"
  std::string_view long_name;  // accepted on the wire too: "heart-rate"
  std::string_view display;    // "Heart rate"
  std::string_view ucum;       // unit of every stored value: "/min"
  std::string_view senml_unit; // the SenML unit (RFC 8428 §12.1 registry) that means the same, "" where there is none
  double plausible_low;        // inclusive; outside: stored and flagged
  double plausible_high;
  double resolution;           // smallest step that means anything
  std::string_view loinc;      // "8867-4"
  std::uint32_t mdc;           // ISO/IEEE 11073-10101 code (partition << 16 | term)
  std::uint32_t tolerance_s;   // an older value is not current; 0 = it always is: measured now and then
};

std::span<const Sign> catalogue();
/// nullptr when there is none.
const Sign* find(SignId id);
/// By short or long name; nullptr when there is none.
const Sign* find(std::string_view wire_or_long_name);
bool plausible(const Sign& sign, double value);
/// Whether a value of that age is no longer current. Of a sign that is not in the catalogue: as of one that is measured
/// without a break.
bool stale(SignId id, std::chrono::microseconds age);

}  // namespace signs
