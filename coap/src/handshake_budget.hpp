#pragma once
// How much a peer may make us keep before its handshake is done. OpenSSL makes room for the whole of a message when the
// first piece of it comes, and for ten messages ahead: 170 KB for ten datagrams. So the messages of one handshake are
// added up by their lengths as they are announced, each once however often it comes. Headers count: a message of
// nothing is remembered here like any other, and looked for at each piece.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "dtls_record.hpp"

namespace coap::dtls {

class HandshakeBudget {
 public:
  // Bytes of all messages of one side with their headers, so that there are never more than 1,365; ours fit 10 KiB at
  // worst.
  static constexpr std::size_t most = 16 * 1024;

  /// False: the record announces more than there is room for, is no handshake record as it should be, or holds a piece
  /// of another type or length than the pieces of its message before, which OpenSSL would put together. Drop it.
  bool admits(const Record& record) {
    if (record.epoch != 0 || record.type != static_cast<std::uint8_t>(ContentType::handshake)) return true;
    for (ByteView rest = record.body; !rest.empty();) {
      if (rest.size() < handshake_header) return false;
      const auto size = handshake_header + static_cast<std::size_t>(read_uint(rest.subspan(9, 3)));
      if (rest.size() < size) return false;
      const Message message{.number = static_cast<std::uint16_t>(read_uint(rest.subspan(4, 2))),
                            .type = rest[0],
                            .length = static_cast<std::uint32_t>(read_uint(rest.subspan(1, 3)))};
      if (!is_cookie(message) && !take(message)) return false;
      rest = rest.subspan(size);
    }
    return true;
  }

 private:
  struct Message {
    std::uint16_t number;  // message_seq
    std::uint8_t type;
    std::uint32_t length;
  };
  /// The HelloVerifyRequest stands outside: a ServerHello may come under its number again. A cookie of 255 bytes is the
  /// longest (RFC 6347 §4.2.1).
  static bool is_cookie(const Message& message) {
    return message.type == hello_verify_request && message.number == 0 && message.length <= 2 + 1 + 255;
  }
  bool take(const Message& message) {
    const auto known = std::ranges::find(messages_, message.number, &Message::number);
    if (known != messages_.end()) return known->type == message.type && known->length == message.length;
    const std::size_t size = handshake_header + message.length;
    if (used_ + size > most) return false;
    used_ += size;
    messages_.push_back(message);
    return true;
  }

  std::vector<Message> messages_;
  std::size_t used_ = 0;
};

}  // namespace coap::dtls
