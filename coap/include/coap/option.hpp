#pragma once
// The option registry: one row an option (RFC 7252 §5.10, RFC 7641 §2, RFC 7959 §2.1, RFC 9175). A new option is one
// row.

#include <cstdint>
#include <string_view>

namespace coap {

enum class OptionNumber : std::uint16_t {
  if_match = 1,
  uri_host = 3,
  etag = 4,
  if_none_match = 5,
  observe = 6,
  uri_port = 7,
  location_path = 8,
  uri_path = 11,
  content_format = 12,
  max_age = 14,
  uri_query = 15,
  accept = 17,
  location_query = 20,
  block2 = 23,
  block1 = 27,
  size2 = 28,
  proxy_uri = 35,
  proxy_scheme = 39,
  size1 = 60,
  echo = 252,
  no_response = 258,
  request_tag = 292,
};

struct OptionRule {
  enum class Format : std::uint8_t { empty, opaque, uint, string };
  OptionNumber number;
  std::string_view name;
  Format format;
  bool repeatable;
  std::uint16_t min_length;
  std::uint16_t max_length;
};

/// RFC 7252 §5.4.6: odd numbers are critical, even ones elective.
constexpr bool is_critical(OptionNumber number) { return (static_cast<std::uint16_t>(number) & 1) != 0; }

/// The row of that number, or nullptr where the option is not known.
const OptionRule* find_option(OptionNumber number);

namespace content_format {
inline constexpr std::uint16_t text = 0, link = 40, senml_json = 110, senml_cbor = 112;
}

}  // namespace coap
