#pragma once
// The one judgment of a name that a certificate carries: the DTLS port, storage's API, ingest's stream and the SDK let
// in what this lets in, and nothing else. Seen by all, sees nobody.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace names {

/// Characters, which are bytes: it is a column of the database and a part of resource names.
inline constexpr std::size_t longest_urn = 63;

constexpr bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Visible ASCII, without what would give one name two spellings (RFC 8141 §2.3: '?' and '#' are no part of the name;
/// §3.1: '%41' and '%4a' have a case of their own) and without '/', which separates resource names.
constexpr bool is_name_character(char c) {
  return c > 0x20 && c < 0x7f && c != '/' && c != '?' && c != '#' && c != '%';
}

/// 2 to 32 letters, digits and inner hyphens (RFC 8141 §2).
constexpr bool is_namespace(std::string_view nid) {
  return nid.size() >= 2 && nid.size() <= 32 && is_letter_or_digit(nid.front()) && is_letter_or_digit(nid.back()) &&
         std::ranges::all_of(nid, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

/// The URN in its one spelling: "urn" and the namespace in lower case, for these two alone are compared without regard
/// to case (RFC 8141 §3.1). Empty where it is no URN, or one that is not let in.
inline std::optional<std::string> canonical_urn(std::string_view text) {
  constexpr std::string_view scheme = "urn:";
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  if (text.size() > longest_urn || !std::ranges::all_of(text, is_name_character)) return std::nullopt;
  const auto end = text.find(':', scheme.size());
  if (end == std::string_view::npos || end + 1 == text.size()) return std::nullopt;
  std::string urn(text);
  std::transform(urn.begin(), urn.begin() + static_cast<std::ptrdiff_t>(end), urn.begin(), lower);
  if (!urn.starts_with(scheme) || !is_namespace(text.substr(scheme.size(), end - scheme.size()))) return std::nullopt;
  return urn;
}

/// Whom a certificate names, by all of its SAN URIs: there is exactly one, and it is a URN that begins with `prefix`
/// ("urn:dev:"). Empty: nobody.
inline std::optional<std::string> name_among(std::span<const std::string> san_uris, std::string_view prefix) {
  if (san_uris.size() != 1) return std::nullopt;
  auto urn = canonical_urn(san_uris.front());
  if (!urn || !urn->starts_with(prefix) || urn->size() == prefix.size()) return std::nullopt;
  return urn;
}

}  // namespace names
