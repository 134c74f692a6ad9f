#include "coap/option.hpp"

#include <algorithm>
#include <array>
#include <functional>

#include "coap/message.hpp"

namespace coap {
namespace {

using F = OptionRule::Format;
using N = OptionNumber;

// RFC 7252 §5.10, RFC 7641 §2, RFC 7959 §2.1 and §4, RFC 9175 §2.2.1 and §3.2.1, RFC 7967 §2. Sorted by number.
constexpr std::array kRules{
    OptionRule{N::if_match, "If-Match", F::opaque, true, 0, 8},
    OptionRule{N::uri_host, "Uri-Host", F::string, false, 1, 255},
    OptionRule{N::etag, "ETag", F::opaque, true, 1, 8},
    OptionRule{N::if_none_match, "If-None-Match", F::empty, false, 0, 0},
    OptionRule{N::observe, "Observe", F::uint, false, 0, 3},
    OptionRule{N::uri_port, "Uri-Port", F::uint, false, 0, 2},
    OptionRule{N::location_path, "Location-Path", F::string, true, 0, 255},
    OptionRule{N::uri_path, "Uri-Path", F::string, true, 0, 255},
    OptionRule{N::content_format, "Content-Format", F::uint, false, 0, 2},
    OptionRule{N::max_age, "Max-Age", F::uint, false, 0, 4},
    OptionRule{N::uri_query, "Uri-Query", F::string, true, 0, 255},
    OptionRule{N::accept, "Accept", F::uint, false, 0, 2},
    OptionRule{N::location_query, "Location-Query", F::string, true, 0, 255},
    OptionRule{N::block2, "Block2", F::uint, false, 0, 3},
    OptionRule{N::block1, "Block1", F::uint, false, 0, 3},
    OptionRule{N::size2, "Size2", F::uint, false, 0, 4},
    OptionRule{N::proxy_uri, "Proxy-Uri", F::string, false, 1, 1034},
    OptionRule{N::proxy_scheme, "Proxy-Scheme", F::string, false, 1, 255},
    OptionRule{N::size1, "Size1", F::uint, false, 0, 4},
    OptionRule{N::echo, "Echo", F::opaque, false, 1, 40},
    OptionRule{N::no_response, "No-Response", F::uint, false, 0, 1},
    OptionRule{N::request_tag, "Request-Tag", F::opaque, true, 0, 8},
};

static_assert(std::ranges::adjacent_find(kRules, std::ranges::greater_equal{}, &OptionRule::number) == kRules.end(),
              "the option registry is searched by bisection");

bool length_fits(const OptionRule& rule, std::size_t length) {
  return length >= rule.min_length && length <= rule.max_length;
}

}  // namespace

const OptionRule* find_option(OptionNumber number) {
  const auto rule = std::lower_bound(kRules.begin(), kRules.end(), number,
                                     [](const OptionRule& r, OptionNumber n) { return r.number < n; });
  return rule != kRules.end() && rule->number == number ? &*rule : nullptr;
}

void Options::add(OptionNumber number, ByteView value) {
  if (options_.capacity() == 0) options_.reserve(4);
  // Decoding and most callers add in order: then nothing moves.
  auto place = options_.end();
  while (place != options_.begin() && std::prev(place)->number > number) --place;
  options_.insert(place, Option{number, Bytes(value.begin(), value.end())});
}

void Options::add(OptionNumber number, std::string_view value) {
  add(number, ByteView(reinterpret_cast<const std::uint8_t*>(value.data()), value.size()));
}

void Options::add_uint(OptionNumber number, std::uint32_t value) {
  const std::array<std::uint8_t, 4> wide{static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
                                         static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
  const auto first_digit = std::find_if(wide.begin(), wide.end(), [](std::uint8_t byte) { return byte != 0; });
  add(number, ByteView(first_digit, wide.end()));
}

std::optional<ByteView> Options::first(OptionNumber number) const {
  for (const Option& option : options_)
    if (option.number == number) return ByteView(option.value);
  return std::nullopt;
}

std::optional<std::uint32_t> Options::uint(OptionNumber number) const {
  const auto bytes = first(number);
  // A critical option of a wrong length is still here: critical_fault() names it, but it must not be read as a number.
  if (!bytes || bytes->size() > 4) return std::nullopt;
  std::uint32_t value = 0;
  for (const std::uint8_t byte : *bytes) value = value << 8 | byte;  // leading zeros are legal (RFC 7252 §3.2)
  return value;
}

std::vector<std::string> Options::strings(OptionNumber number) const {
  std::vector<std::string> values;
  for (const Option& option : options_)
    if (option.number == number) values.emplace_back(option.value.begin(), option.value.end());
  return values;
}

std::optional<OptionNumber> critical_fault(const Options& options) {
  const Options::Option* before = nullptr;
  for (const Options::Option& option : options.all()) {
    if (is_critical(option.number)) {
      const OptionRule* rule = find_option(option.number);
      if (rule == nullptr) return option.number;                           // §5.4.1
      if (!length_fits(*rule, option.value.size())) return option.number;  // §5.4.3
      const bool repeated = before != nullptr && before->number == option.number;
      if (repeated && !rule->repeatable) return option.number;  // §5.4.5
    }
    before = &option;
  }
  return std::nullopt;
}

}  // namespace coap
