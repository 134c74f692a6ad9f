#pragma once
// SAN URIs of certificates that name nobody, whatever port they are shown to.

#include <string>
#include <string_view>
#include <vector>

namespace wardlink::testing {

struct BadName {
  const char* label;
  std::vector<std::string> uris;
};

/// `prefix` is what a good name begins with ("urn:dev:os:32473-"), `good` one that has rights.
inline std::vector<BadName> bad_names(const std::string& prefix, const std::string& good) {
  using namespace std::string_literals;
  return {
      {"NulBehindAGoodName", {good + "\0"s}},
      {"NulAndMoreBehindAGoodName", {good + "\0other"s}},
      {"NulInTheMiddle", {prefix + "a\0b"s}},
      {"ControlCharacter", {prefix + "a\x01"}},
      {"LineFeed", {good + "\n"}},
      {"Delete", {prefix + "a\x7f"}},
      {"Space", {good + " "}},
      {"Latin1", {prefix + "a\xe9"}},
      {"Utf8", {prefix + "a\xc3\xa9"}},
      {"Slash", {prefix + "a/b"}},
      {"PercentEncoded", {prefix + "a%41"}},
      {"Query", {good + "?=a"}},
      {"Fragment", {good + "#a"}},
      {"TooLong", {prefix + std::string(64 - prefix.size(), 'a')}},
      {"Empty", {""}},
      {"NoUrn", {"https://example.org/" + good}},
      {"TwoOfThem", {good, prefix + "other"}},
      {"TheSameTwice", {good, good}},
      {"OneMoreThatIsNoUrn", {good, "https://example.org"}},
      {"OneMoreInFront", {"https://example.org", good}},
  };
}

}  // namespace wardlink::testing
