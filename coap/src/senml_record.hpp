#pragma once
// What the two encodings of SenML share: the labels (RFC 8428 §4.3) and how a record comes together field by field.

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "coap/senml.hpp"

namespace coap::senml {

/// The value is the CBOR label (RFC 8428 §6).
enum class Label : std::int8_t {
  bs = -6,
  bv,
  bu,
  bt,
  bn,
  bver,
  n,
  u,
  v,
  vs,
  vb,
  s,
  t,
  ut,
  vd,
};

inline constexpr std::array kLabels{
    std::pair{Label::bs, std::string_view("bs")}, std::pair{Label::bv, std::string_view("bv")},
    std::pair{Label::bu, std::string_view("bu")}, std::pair{Label::bt, std::string_view("bt")},
    std::pair{Label::bn, std::string_view("bn")}, std::pair{Label::bver, std::string_view("bver")},
    std::pair{Label::n, std::string_view("n")},   std::pair{Label::u, std::string_view("u")},
    std::pair{Label::v, std::string_view("v")},   std::pair{Label::vs, std::string_view("vs")},
    std::pair{Label::vb, std::string_view("vb")}, std::pair{Label::s, std::string_view("s")},
    std::pair{Label::t, std::string_view("t")},   std::pair{Label::ut, std::string_view("ut")},
    std::pair{Label::vd, std::string_view("vd")},
};

inline std::optional<Label> find_label(std::string_view name) {
  for (const auto& [label, text] : kLabels)
    if (text == name) return label;
  return std::nullopt;
}

inline std::optional<Label> find_label(std::int64_t number) {
  if (number < static_cast<int>(Label::bs) || number > static_cast<int>(Label::vd)) return std::nullopt;
  return static_cast<Label>(number);
}

/// §4.4: an unknown label is ignored, unless it says that it must not be.
inline bool must_understand(std::string_view unknown_label) { return unknown_label.ends_with('_'); }

inline constexpr std::size_t kMostRecords = 4096;
inline constexpr std::size_t kMostBytes = 65536;
inline constexpr std::size_t kDeepestUnknown = 8;  // arrays, maps and tags within a field that is ignored
inline constexpr std::uint64_t kVersion = 10;      // RFC 8428 §4.1

/// Takes fields in any order into a fresh record; refuses what a record cannot hold.
class RecordBuilder {
 public:
  /// `record` must outlive the builder.
  explicit RecordBuilder(Record& record) : record_(&record) {}

  std::optional<Error> text(Label label, std::string_view value);
  /// NaN and infinity are refused: JSON has neither, and no sensor measures them.
  std::optional<Error> number(Label label, double value);
  std::optional<Error> boolean(Label label, bool value);
  std::optional<Error> data(Label label, Bytes value);

 private:
  std::optional<Error> claim(Label label);
  std::optional<Error> claim_value(Label label);

  Record* record_;
  std::uint32_t seen_ = 0;
};

/// The rules that span records: names (§4.5.1), at most one version (§4.4), a value in each (§4.2). `at` as in
/// senml.hpp.
std::optional<Error> check_pack(const Pack& pack, std::size_t* at = nullptr);

/// Integral and exact as an integer: the form in which both encodings write it.
inline std::optional<std::int64_t> exact_integer(double value) {
  constexpr double kLimit = 9007199254740992.0;  // 2^53
  if (!(std::fabs(value) < kLimit) || value != std::trunc(value)) return std::nullopt;
  if (value == 0 && std::signbit(value)) return std::nullopt;  // -0.0 stays what it is
  return static_cast<std::int64_t>(value);
}

}  // namespace coap::senml
