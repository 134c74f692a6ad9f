#include "coap/message.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace coap {
namespace {

constexpr std::size_t kHeaderSize = 4;
constexpr std::size_t kLargest = 1500;  // bytes of a datagram that are taken at all
constexpr std::uint8_t kPayloadMarker = 0xff;
constexpr std::uint8_t kVersion = 1;

using Reason = FormatError::Reason;

/// The only way in which received bytes are read: every read is checked against what is left.
class Cursor {
 public:
  explicit Cursor(ByteView bytes) : rest_(bytes) {}

  std::size_t left() const { return rest_.size(); }
  bool read(std::size_t count, ByteView& into) {
    if (count > rest_.size()) return false;
    into = rest_.first(count);
    rest_ = rest_.subspan(count);
    return true;
  }
  bool read_byte(std::uint8_t& into) {
    if (rest_.empty()) return false;
    into = rest_.front();
    rest_ = rest_.subspan(1);
    return true;
  }
  ByteView read_rest() {
    const ByteView all = rest_;
    rest_ = {};
    return all;
  }

 private:
  ByteView rest_;
};

/// Delta and length of an option: a nibble, and one or two bytes more where it says so (RFC 7252 §3.1).
bool read_extended(Cursor& cursor, std::uint8_t nibble, std::uint32_t& value) {
  std::uint8_t high = 0;
  std::uint8_t low = 0;
  switch (nibble) {
    case 13:
      if (!cursor.read_byte(low)) return false;
      value = 13u + low;
      return true;
    case 14:
      if (!cursor.read_byte(high) || !cursor.read_byte(low)) return false;
      value = 269u + (std::uint32_t{high} << 8 | low);
      return true;
    case 15:
      return false;  // reserved
    default:
      value = nibble;
      return true;
  }
}

/// §5.4.3: an elective option of a wrong length is as good as not there. A critical one stays, for critical_fault().
bool is_to_be_dropped(OptionNumber number, std::size_t length) {
  if (is_critical(number)) return false;
  const OptionRule* rule = find_option(number);
  return rule != nullptr && (length < rule->min_length || length > rule->max_length);
}

/// One option, whose first byte was read already.
bool read_option(Cursor& cursor, std::uint8_t first, std::uint32_t& number, Options& options) {
  std::uint32_t delta = 0;
  std::uint32_t length = 0;
  ByteView value;
  if (!read_extended(cursor, first >> 4, delta)) return false;
  if (!read_extended(cursor, first & 0x0f, length)) return false;
  if (!cursor.read(length, value)) return false;
  number += delta;
  if (number > 0xffff) return false;  // no such option (§12.2): the registry ends at 65535
  const auto option = static_cast<OptionNumber>(number);
  if (!is_to_be_dropped(option, length)) options.add(option, value);
  return true;
}

/// Options and payload: what follows the token.
std::optional<Reason> read_body(Cursor& cursor, Message& message) {
  std::uint32_t number = 0;
  std::uint8_t first = 0;
  while (cursor.read_byte(first)) {
    if (first == kPayloadMarker) {
      if (cursor.left() == 0) return Reason::empty_payload;
      const ByteView payload = cursor.read_rest();
      message.payload.assign(payload.begin(), payload.end());
      return std::nullopt;
    }
    if (!read_option(cursor, first, number, message.options)) return Reason::bad_option;
  }
  return std::nullopt;
}

/// Everything behind the fixed header.
std::optional<Reason> read_after_header(Cursor& cursor, std::uint8_t token_length, Message& message) {
  if (token_length > 8) return Reason::bad_token_length;
  const int code_class = message.code.cls();
  if (code_class == 1 || code_class == 6 || code_class == 7) return Reason::reserved_code;
  if (message.code.is_empty()) {
    if (token_length != 0 || cursor.left() != 0) return Reason::bad_empty;
    return std::nullopt;
  }
  ByteView token;
  if (!cursor.read(token_length, token)) return Reason::too_short;
  message.token = Token(token);
  return read_body(cursor, message);
}

std::size_t extension_size(std::size_t value) { return value < 13 ? 0 : value < 269 ? 1 : 2; }

std::uint8_t nibble_of(std::size_t value) {
  return static_cast<std::uint8_t>(value < 13 ? value : value < 269 ? 13 : 14);
}

void write_extension(Bytes& out, std::size_t value) {
  if (value < 13) return;
  if (value < 269) {
    out.push_back(static_cast<std::uint8_t>(value - 13));
    return;
  }
  out.push_back(static_cast<std::uint8_t>((value - 269) >> 8));
  out.push_back(static_cast<std::uint8_t>(value - 269));
}

std::size_t delta_of(OptionNumber number, OptionNumber before) {
  return static_cast<std::size_t>(number) - static_cast<std::size_t>(before);
}

std::size_t encoded_size(const Message& message) {
  std::size_t size = kHeaderSize + message.token.size();
  OptionNumber before{};
  for (const Options::Option& option : message.options.all()) {
    const std::size_t length = option.value.size();
    size += 1 + extension_size(delta_of(option.number, before)) + extension_size(length) + length;
    before = option.number;
  }
  return message.payload.empty() ? size : size + 1 + message.payload.size();
}

void write_options(Bytes& out, const Options& options) {
  OptionNumber before{};
  for (const Options::Option& option : options.all()) {
    const std::size_t delta = delta_of(option.number, before);
    const std::size_t length = option.value.size();
    assert(length <= 0xffff + 269 && "an option's length has at most 16 extended bits");
    out.push_back(static_cast<std::uint8_t>(nibble_of(delta) << 4 | nibble_of(length)));
    write_extension(out, delta);
    write_extension(out, length);
    out.insert(out.end(), option.value.begin(), option.value.end());
    before = option.number;
  }
}

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

/// A segment that holds a '/' must not look like two (RFC 7252 §6.5).
void append_segment(std::string& path, ByteView segment) {
  for (const std::uint8_t byte : segment) {
    if (byte == '/' || byte == '%') {
      path += '%';
      path += kHexDigits[byte >> 4];
      path += kHexDigits[byte & 0x0f];
    } else {
      path += static_cast<char>(byte);
    }
  }
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

/// RFC 7252 §6.4: an option holds the segment with its percent-encoding undone.
std::string unescape(std::string_view segment) {
  std::string text;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    const bool escaped =
        segment[i] == '%' && i + 2 < segment.size() && hex_value(segment[i + 1]) >= 0 && hex_value(segment[i + 2]) >= 0;
    if (!escaped) {
      text += segment[i];
      continue;
    }
    text += static_cast<char>(hex_value(segment[i + 1]) << 4 | hex_value(segment[i + 2]));
    i += 2;
  }
  return text;
}

}  // namespace

std::string to_string(Code code) {
  const int detail = code.detail();
  return std::to_string(code.cls()) + (detail < 10 ? ".0" : ".") + std::to_string(detail);
}

Token::Token(ByteView bytes) : size_(static_cast<std::uint8_t>(bytes.size())) {
  assert(bytes.size() <= bytes_.size());
  if (!bytes.empty()) std::memcpy(bytes_.data(), bytes.data(), bytes.size());
}

std::string uri_path(const Options& options) {
  std::string path;
  for (const Options::Option& option : options.all()) {
    if (option.number != OptionNumber::uri_path) continue;
    path += '/';
    append_segment(path, option.value);
  }
  return path.empty() ? "/" : path;
}

void add_uri(Options& options, std::string_view path, const std::vector<std::string>& queries) {
  if (path.starts_with('/')) path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    options.add(OptionNumber::uri_path, unescape(path.substr(0, slash)));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
    if (path.empty()) options.add(OptionNumber::uri_path, std::string_view{});  // "/a/" ends with an empty segment
  }
  for (const std::string& query : queries) options.add(OptionNumber::uri_query, query);
}

Result<Message, FormatError> decode(ByteView datagram) {
  Cursor cursor(datagram);
  ByteView header;
  if (!cursor.read(kHeaderSize, header)) return FormatError{Reason::too_short, std::nullopt};
  if (header[0] >> 6 != kVersion) return FormatError{Reason::bad_version, std::nullopt};

  Message message;
  message.type = static_cast<Type>(header[0] >> 4 & 0x03);
  message.code = Code{header[1]};
  message.id = static_cast<std::uint16_t>(header[2] << 8 | header[3]);

  const auto fault = datagram.size() > kLargest ? std::optional(Reason::oversized)
                                                : read_after_header(cursor, header[0] & 0x0f, message);
  if (!fault) return message;
  // §4.2: a Confirmable message is rejected with a Reset. §4.2, §4.3: the other types are ignored in silence.
  const auto reset_id = message.type == Type::con ? std::optional(message.id) : std::nullopt;
  return FormatError{*fault, reset_id};
}

Bytes encode(const Message& message) {
  Bytes out;
  out.reserve(encoded_size(message));
  out.push_back(static_cast<std::uint8_t>(kVersion << 6 | static_cast<int>(message.type) << 4 | message.token.size()));
  out.push_back(message.code.value);
  out.push_back(static_cast<std::uint8_t>(message.id >> 8));
  out.push_back(static_cast<std::uint8_t>(message.id));
  const ByteView token = message.token.bytes();
  out.insert(out.end(), token.begin(), token.end());
  write_options(out, message.options);
  if (message.payload.empty()) return out;
  out.push_back(kPayloadMarker);
  out.insert(out.end(), message.payload.begin(), message.payload.end());
  return out;
}

}  // namespace coap
