#pragma once
// CoRE link format (RFC 6690), the part that a device's registration needs.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coap {

struct Link {
  std::string target;                                                          // "/vitals"
  std::vector<std::pair<std::string, std::optional<std::string>>> attributes;  // in order; no value = a flag ("obs")

  bool has(std::string_view name) const;
  std::optional<std::string_view> value(std::string_view name) const;
  friend bool operator==(const Link&, const Link&) = default;
};

/// `</vitals>;obs;rt="wardlink.vitals";ct=112`; values other than digits are quoted.
std::string encode_links(const std::vector<Link>& links);

/// Empty when the text is not link format. Bounded: more than 64 links or 16 attributes a link are refused too.
std::optional<std::vector<Link>> decode_links(std::string_view text);

}  // namespace coap
