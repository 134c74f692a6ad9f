#include "coap/link_format.hpp"

#include <algorithm>

namespace coap {
namespace {

constexpr std::size_t kMostLinks = 64;
constexpr std::size_t kMostAttributes = 16;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// RFC 6690 §2: parmname, with the "*" that marks an RFC 5987 value.
bool is_name_char(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("!#$&+-.^_`|~*").find(c) != std::string_view::npos;
}

/// RFC 6690 §2: ptokenchar.
bool is_token_char(char c) {
  return is_alpha(c) || is_digit(c) ||
         std::string_view("!#$%&'()*+-./:<=>?@[]^_`{|}~").find(c) != std::string_view::npos;
}

/// Walks the text once; every step says whether the grammar of RFC 6690 §2 still holds.
class LinkParser {
 public:
  explicit LinkParser(std::string_view text) : rest_(text) {}

  std::optional<std::vector<Link>> parse() {
    std::vector<Link> links;
    if (rest_.empty()) return links;
    do {
      if (links.size() == kMostLinks || !parse_link(links.emplace_back())) return std::nullopt;
    } while (take(','));
    if (!rest_.empty()) return std::nullopt;
    return links;
  }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  template <class Predicate>
  std::string_view take_while(Predicate belongs) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), belongs);
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  bool parse_link(Link& link) {
    if (!take('<')) return false;
    link.target = take_while([](char c) { return c != '>' && !is_control(c) && c != ' '; });
    if (!take('>')) return false;
    while (take(';')) {
      if (link.attributes.size() == kMostAttributes || !parse_attribute(link)) return false;
    }
    return true;
  }

  bool parse_attribute(Link& link) {
    auto& [name, value] = link.attributes.emplace_back();
    name = take_while(is_name_char);
    if (name.empty()) return false;
    if (!take('=')) return true;  // a flag
    if (take('"')) return parse_quoted(value.emplace());
    value = take_while(is_token_char);
    return !value->empty();
  }

  bool parse_quoted(std::string& value) {
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\') rest_.remove_prefix(1);
      if (rest_.empty() || is_control(rest_.front())) return false;
      value += rest_.front();
      rest_.remove_prefix(1);
    }
    return take('"');
  }

  std::string_view rest_;
};

void append_quoted(std::string& text, std::string_view value) {
  text += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text += '"';
}

}  // namespace

bool Link::has(std::string_view name) const {
  return std::any_of(attributes.begin(), attributes.end(), [&](const auto& a) { return a.first == name; });
}

std::optional<std::string_view> Link::value(std::string_view name) const {
  for (const auto& [key, value] : attributes)
    if (key == name && value) return *value;
  return std::nullopt;
}

std::string encode_links(const std::vector<Link>& links) {
  std::string text;
  for (const Link& link : links) {
    if (!text.empty()) text += ',';
    text += '<' + link.target + '>';
    for (const auto& [name, value] : link.attributes) {
      text += ';' + name;
      if (!value) continue;
      text += '=';
      const bool cardinal = !value->empty() && std::all_of(value->begin(), value->end(), is_digit);
      if (cardinal) {
        text += *value;
      } else {
        append_quoted(text, *value);  // always legal; a bare token is not, for some attributes (§2: title, anchor)
      }
    }
  }
  return text;
}

std::optional<std::vector<Link>> decode_links(std::string_view text) { return LinkParser(text).parse(); }

}  // namespace coap
