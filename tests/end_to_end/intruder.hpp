#pragma once
// What a stranger without keys can send: the words of a handshake that are in clear, up to a good cookie.

#include <optional>

#include "coap/address.hpp"
#include "coap/credentials.hpp"
#include "coap/instant.hpp"

namespace wardlink::testing {

/// The first ClientHello of a real DTLS client: whole, without a cookie.
coap::Bytes client_hello(const coap::Credentials& credentials);
/// The same again with the cookie of a HelloVerifyRequest (RFC 6347 §4.2.1).
coap::Bytes with_cookie(const coap::Bytes& hello, coap::ByteView challenge);
/// Is it a HelloVerifyRequest?
bool is_challenge(coap::ByteView datagram);
/// A fatal alert or a close_notify in clear, as if the session had not begun yet.
coap::Bytes forged_alert(bool fatal);
/// What looks like a sealed record, of so many bytes, and is none.
coap::Bytes forged_record(std::size_t length);

/// A UDP socket connected to a port of 127.0.0.1; its own port is the kernel's choice when 0, its own address any of
/// 127.0.0.0/8.
int connected_socket(std::uint16_t port, std::uint16_t local_port = 0, const char* local_address = "127.0.0.1");
/// Sends the hello through a connected socket, takes the challenge and sends the hello with its cookie: the server's
/// next word will never be answered. False when no challenge came.
bool open_halfway(int socket, const coap::Bytes& hello);

}  // namespace wardlink::testing
