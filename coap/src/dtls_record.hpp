#pragma once
// The DTLS 1.2 record and handshake headers (RFC 6347 §4.1, §4.2.2), read without keys: enough to tell which session a
// record may belong to before anything is spent on it.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "coap/address.hpp"

namespace coap::dtls {

inline constexpr std::size_t record_header = 13;     // type, version, epoch, sequence number, length
inline constexpr std::size_t handshake_header = 12;  // type, length, message_seq, fragment offset, fragment length

enum class ContentType : std::uint8_t { change_cipher_spec = 20, alert = 21, handshake = 22, application_data = 23 };
inline constexpr std::uint8_t client_hello = 1, hello_verify_request = 3;

/// Big-endian, as everything in TLS.
constexpr std::uint64_t read_uint(ByteView bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

/// One record inside a datagram; views into it.
struct Record {
  std::uint8_t type;
  std::uint8_t version_major;  // 0xfe in every DTLS
  std::uint16_t epoch;
  ByteView sequence;  // 6 bytes
  ByteView body;
  ByteView bytes;  // header and body

  /// A handshake in clear that opens a new session. Its fields are not checked.
  bool is_client_hello() const {
    return epoch == 0 && type == static_cast<std::uint8_t>(ContentType::handshake) && !body.empty() &&
           body[0] == client_hello;
  }
};

/// Takes the first record off `rest`. Empty at the end, and where what is left is no whole record: that is dropped
/// (RFC 6347 §4.1.2.7).
inline std::optional<Record> next_record(ByteView& rest) {
  if (rest.size() < record_header || rest[1] != 0xfe) return std::nullopt;
  const std::size_t length = record_header + read_uint(rest.subspan(11, 2));
  if (rest.size() < length) return std::nullopt;
  const ByteView bytes = rest.first(length);
  rest = rest.subspan(length);
  return Record{.type = bytes[0],
                .version_major = bytes[1],
                .epoch = static_cast<std::uint16_t>(read_uint(bytes.subspan(3, 2))),
                .sequence = bytes.subspan(5, 6),
                .body = bytes.subspan(record_header),
                .bytes = bytes};
}

}  // namespace coap::dtls
