#pragma once
// A handshake stopped where the client's last flight is still in hand: its records can be cut, doubled, mixed and left
// out before the server sees them. What is in clear (epoch 0) can be made from nothing.

#include "../../coap/src/dtls_record.hpp"
#include "dtls_peers.hpp"
#include "foreign_client.hpp"

namespace coap::testing {

inline void add_number(Bytes& to, std::uint64_t value, int bytes) {
  while (bytes-- > 0) to.push_back(static_cast<std::uint8_t>(value >> 8 * bytes));
}

/// One record in clear. Each gets a sequence number of its own, far behind those of the library.
inline Bytes clear_record(dtls::ContentType type, ByteView body) {
  static std::uint64_t sequence = 100'000;
  Bytes record{static_cast<std::uint8_t>(type), 0xfe, 0xfd, 0, 0};
  add_number(record, ++sequence, 6);
  add_number(record, body.size(), 2);
  record.insert(record.end(), body.begin(), body.end());
  return record;
}

/// A handshake message, or a part of one (RFC 6347 §4.2.2).
struct Piece {
  std::uint8_t type = 0;
  std::uint32_t length = 0;  // of the whole message
  std::uint16_t message = 0;
  std::uint32_t offset = 0;
  Bytes bytes;

  Bytes record() const {
    Bytes body{type};
    add_number(body, length, 3);
    add_number(body, message, 2);
    add_number(body, offset, 3);
    add_number(body, bytes.size(), 3);
    body.insert(body.end(), bytes.begin(), bytes.end());
    return clear_record(dtls::ContentType::handshake, body);
  }
  Piece part(std::size_t from, std::size_t to) const {
    return {type, length, message, static_cast<std::uint32_t>(from),
            Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(to))};
  }
};

inline Piece whole(ByteView record) {
  const auto at = [&](std::size_t from, std::size_t size) {
    return dtls::read_uint(record.subspan(dtls::record_header + from, size));
  };
  const auto body = record.subspan(dtls::record_header + dtls::handshake_header);
  return {static_cast<std::uint8_t>(at(0, 1)), static_cast<std::uint32_t>(at(1, 3)),
          static_cast<std::uint16_t>(at(4, 2)), 0, Bytes(body.begin(), body.end())};
}

inline Bytes change_cipher_spec() { return clear_record(dtls::ContentType::change_cipher_spec, Bytes{1}); }
inline Bytes alert(std::uint8_t level, std::uint8_t what) {
  return clear_record(dtls::ContentType::alert, Bytes{level, what});
}

/// The client's last flight, one record each: Certificate, ClientKeyExchange, CertificateVerify, ChangeCipherSpec, and
/// Finished under the new keys.
struct RawHandshake {
  explicit RawHandshake(const Pair& pair = Authorities::get().devices.issue({})) : client({.pair = pair, .chain = {}}) {
    for (int hello = 0; hello < 2; ++hello) {
      for (const Bytes& datagram : client.take()) server.give(datagram);
      for (const Bytes& datagram : server.take()) client.give(datagram);
    }
    flight = client.take();
    if (flight.size() != 5) throw std::runtime_error("the client's flight is not what it was");
  }
  Bytes certificate() const { return fresh(0); }
  Bytes certificate_verify() const { return fresh(2); }
  Bytes cipher_change() const { return fresh(3); }
  Bytes finished() const { return fresh(4); }
  void give(std::size_t from, std::size_t to) {
    for (; from < to; ++from) server.give(fresh(from));
  }
  /// With a new number where it is in clear: else what was made from nothing would make it look like a replay.
  Bytes fresh(std::size_t at) const {
    ByteView rest = flight[at];
    const auto record = dtls::next_record(rest);
    return record->epoch > 0 ? flight[at] : clear_record(static_cast<dtls::ContentType>(record->type), record->body);
  }
  /// The session stands and carries something.
  bool carries() {
    if (!server.open()) return false;
    for (const Bytes& datagram : server.take()) client.give(datagram);
    client.write("alive");
    for (const Bytes& datagram : client.take()) server.give(datagram);
    return server.read() == std::vector<std::string>{"alive"};
  }

  Server server{server_context()};
  ForeignClient client;
  std::vector<Bytes> flight;
};

}  // namespace coap::testing
