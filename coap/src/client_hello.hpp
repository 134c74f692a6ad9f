#pragma once
// A ClientHello as far as the cookie exchange needs it (RFC 6347 §4.2.1), read and written without the library.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "coap/address.hpp"
#include "dtls_record.hpp"

namespace coap::dtls {

/// HelloVerifyRequests that a client may have answered before the ClientHello that is let in: one, and one more each
/// time the server was restarted or the cookie grew old on the way.
inline constexpr unsigned most_challenges = 8;

/// message_seq: how many messages the client has sent before. The record holds a handshake header.
inline unsigned message_number(const Record& hello) {
  return static_cast<unsigned>(read_uint(hello.body.subspan(4, 2)));
}

inline void put_uint(Bytes& to, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) to[at + i] = static_cast<std::uint8_t>(value >> 8 * (size - 1 - i));
}

/// The record of the ClientHello that the same client opens an exchange with: no cookie, and `number` as message_seq
/// and record sequence number. Empty where the lengths in it do not fit.
inline std::optional<Bytes> without_cookie(const Record& hello, unsigned number) {
  constexpr std::size_t message = record_header + handshake_header;
  constexpr std::size_t session_id = message + 2 + 32;
  Bytes record(hello.bytes.begin(), hello.bytes.end());
  if (record.size() <= session_id) return std::nullopt;
  const std::size_t cookie = session_id + 1 + record[session_id];
  if (record.size() <= cookie || record.size() < cookie + 1 + record[cookie]) return std::nullopt;
  const auto first = record.begin() + static_cast<std::ptrdiff_t>(cookie) + 1;
  record.erase(first, first + record[cookie]);
  record[cookie] = 0;
  put_uint(record, 5, number, 6);
  put_uint(record, 11, record.size() - record_header, 2);
  put_uint(record, record_header + 1, record.size() - message, 3);  // length of the message, and of its one fragment
  put_uint(record, record_header + 4, number, 2);
  put_uint(record, record_header + 9, record.size() - message, 3);
  return record;
}

}  // namespace coap::dtls
