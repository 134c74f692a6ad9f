#pragma once
// SenML (RFC 8428) packs in CBOR (content-format 112) and JSON (110). Numbers keep their meaning: an integer, a decimal
// fraction (CBOR tag 4) and a float64 all arrive as the double that the decimal text names: 37.6 is 37.6.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "coap/address.hpp"
#include "coap/result.hpp"

namespace coap::senml {

/// One SenML record as it stands on the wire (RFC 8428 §4), base fields unresolved. Absent = not present.
struct Record {
  std::optional<std::string> base_name, base_unit;
  std::optional<double> base_time, base_value, base_sum;
  std::optional<std::uint64_t> base_version;
  std::string name;
  std::string unit;
  // v, vs, vb or vd; at most one. Integers beyond 2^53 do not fit a double: `v` of the wire's own integers keeps both.
  std::variant<std::monostate, double, std::string, bool, Bytes> value;
  std::optional<double> sum, time, update_time;
  friend bool operator==(const Record&, const Record&) = default;
};
using Pack = std::vector<Record>;

enum class Error : std::uint8_t {
  not_cbor,
  not_json,
  not_a_pack,
  bad_label,
  bad_type,
  bad_number,
  two_values,
  no_value,
  bad_name,
  bad_version,
  must_understand,  // a label ending in "_" that we do not know (§4.4)
  too_large,        // more than 4,096 records or 65,536 bytes
};
const char* to_string(Error error);

/// `at`, where given, becomes the number of the record (from 1) that is at fault; 0: none in particular.
Result<Pack, Error> decode_cbor(ByteView bytes, std::size_t* at = nullptr);
Result<Pack, Error> decode_json(std::string_view text, std::size_t* at = nullptr);
Bytes encode_cbor(const Pack& pack);
std::string encode_json(const Pack& pack);

/// Base fields applied (RFC 8428 §4.6): names are full, times stay as given (relative below 2^28, §4.5.3).
Result<Pack, Error> resolve(const Pack& pack);

}  // namespace coap::senml
