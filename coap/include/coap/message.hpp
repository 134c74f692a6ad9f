#pragma once
// A CoAP message (RFC 7252 §3) and its codec. No sockets, no clock, no meaning: bytes in, fields out, and back.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coap/address.hpp"
#include "coap/option.hpp"
#include "coap/result.hpp"

namespace coap {

enum class Type : std::uint8_t { con = 0, non = 1, ack = 2, rst = 3 };

/// c.dd of RFC 7252 §3, as one byte: class in the upper three bits, detail in the lower five.
struct Code {
  std::uint8_t value = 0;

  constexpr std::uint8_t cls() const { return value >> 5; }
  constexpr std::uint8_t detail() const { return value & 0x1f; }
  constexpr bool is_empty() const { return value == 0; }
  constexpr bool is_request() const { return cls() == 0 && value != 0; }
  constexpr bool is_success() const { return cls() == 2; }
  constexpr bool is_response() const { return cls() == 2 || cls() == 4 || cls() == 5; }
  friend constexpr auto operator<=>(const Code&, const Code&) = default;
};

/// "2.05"
std::string to_string(Code code);

namespace code {
constexpr Code make(int cls, int detail) { return Code{static_cast<std::uint8_t>((cls << 5) | detail)}; }
inline constexpr Code empty = make(0, 0), get = make(0, 1), post = make(0, 2), put = make(0, 3), del = make(0, 4);
inline constexpr Code created = make(2, 1), deleted = make(2, 2), valid = make(2, 3), changed = make(2, 4),
                      content = make(2, 5);
inline constexpr Code bad_request = make(4, 0), unauthorized = make(4, 1), bad_option = make(4, 2),
                      forbidden = make(4, 3), not_found = make(4, 4), method_not_allowed = make(4, 5),
                      not_acceptable = make(4, 6), conflict = make(4, 9), request_entity_too_large = make(4, 13),
                      unsupported_content_format = make(4, 15), too_many_requests = make(4, 29);
inline constexpr Code internal_server_error = make(5, 0), not_implemented = make(5, 1),
                      service_unavailable = make(5, 3);
}  // namespace code

/// 0 to 8 bytes that tie a response to its request (RFC 7252 §5.3.1).
class Token {
 public:
  Token() = default;
  /// At most 8 bytes; more is a bug and asserts.
  explicit Token(ByteView bytes);

  ByteView bytes() const { return {bytes_.data(), size_}; }
  std::uint8_t size() const { return size_; }
  friend auto operator<=>(const Token&, const Token&) = default;

 private:
  std::array<std::uint8_t, 8> bytes_{};
  std::uint8_t size_ = 0;
};

/// A message's options, in the order of their numbers; equal numbers keep the order in which they were added.
class Options {
 public:
  struct Option {
    OptionNumber number;
    Bytes value;
    friend bool operator==(const Option&, const Option&) = default;
  };

  void add(OptionNumber number, ByteView value);
  void add(OptionNumber number, std::string_view value);
  /// Shortest big-endian form, zero as the empty string (RFC 7252 §3.2).
  void add_uint(OptionNumber number, std::uint32_t value);

  /// The first of that number; empty when absent.
  std::optional<ByteView> first(OptionNumber number) const;
  /// The first of that number read as uint; empty when absent (lengths are checked at decode, so at most 4 bytes).
  std::optional<std::uint32_t> uint(OptionNumber number) const;
  /// Every value of that number, in order.
  std::vector<std::string> strings(OptionNumber number) const;

  const std::vector<Option>& all() const { return options_; }
  friend bool operator==(const Options&, const Options&) = default;

 private:
  std::vector<Option> options_;
};

struct Message {
  Type type = Type::con;
  Code code;
  std::uint16_t id = 0;
  Token token;
  Options options;
  Bytes payload;  // without the 0xff marker; empty = no payload

  friend bool operator==(const Message&, const Message&) = default;
};

/// "/rd" for Uri-Path "rd"; "/" when there is none.
std::string uri_path(const Options& options);
/// Adds one Uri-Path option a segment of "/a/b"; one Uri-Query each.
void add_uri(Options& options, std::string_view path, const std::vector<std::string>& queries);

/// Why bytes are not a message. `reset_id` is the message id, where one could be read, of a CON that RFC 7252 §4.2
/// rejects with a Reset; without one the datagram is silently ignored (§3: unknown version; §4.3: NON).
struct FormatError {
  enum class Reason : std::uint8_t {
    too_short,         // fewer than 4 bytes, or a token cut off
    bad_version,       // Ver != 1: silently ignored (§3)
    bad_token_length,  // TKL 9..15 (§3)
    bad_empty,         // code 0.00 with bytes behind the message id (§4.1)
    reserved_code,     // class 1, 6 or 7 (§4.2)
    bad_option,        // delta or length 15, or cut off (§3.1)
    empty_payload,     // a marker with nothing behind it (§3)
    oversized,         // more than the implementation takes (1,500 bytes)
  };
  Reason reason;
  std::optional<std::uint16_t> reset_id;
};

/// Reads one datagram. Options whose length breaks the option table are dropped when elective and kept, marked by
/// `critical_fault` of `check_options`, when critical (RFC 7252 §5.4.3).
Result<Message, FormatError> decode(ByteView datagram);

/// Writes one datagram. Never fails for a message that decode() could have made.
Bytes encode(const Message& message);

/// The first critical option that is unknown, malformed or repeated against the table (RFC 7252 §5.4.1, §5.4.5);
/// empty when all is well. A request with one is answered 4.02 (CON) or rejected.
std::optional<OptionNumber> critical_fault(const Options& options);

}  // namespace coap
