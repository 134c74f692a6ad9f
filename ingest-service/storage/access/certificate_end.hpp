#pragma once
// When a peer's certificate ends. TLS looks at it once, when the connection begins; here it is looked at with each
// call, and as long as a call stands.

#include <grpcpp/security/auth_context.h>

#include <chrono>

namespace wardlink::storage {

/// Its notAfter (RFC 5280 §4.1.2.5), from which on it is not valid; the earliest instant where there is no certificate
/// or none that can be read. Any thread.
std::chrono::system_clock::time_point end_of_certificate(const grpc::AuthContext& peer);

}  // namespace wardlink::storage
