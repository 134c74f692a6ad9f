#pragma once
// Why something failed: a cause for programs, gRPC's code, and a sentence for people.

#include <grpcpp/support/status_code_enum.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace wardlink::client {

/// What is wrong, as far as can be told from here. gRPC has one code, UNAVAILABLE, for unknown_name to away.
enum class Cause : std::uint8_t {
  unreadable,    // a PEM file is missing, empty, or may not be read
  not_pem,       // what was given as PEM is none
  unknown_name,  // the resolver does not know the server's name
  unreachable,   // nobody answers at the server's address
  tls,           // a server answers, and TLS with it fails: the connection ended before it stood
  away,          // the server or its database is away, for any other reason: a connection that stood was lost
  late,          // no answer before the deadline, or a stream that fell silent
  refused,       // the server answered, with another code
  contract,      // the server's answer breaks the contract
};

/// The only exception of this library. what() is one sentence, without a patient's data.
class Error : public std::runtime_error {
 public:
  Error(Cause cause, grpc::StatusCode code, std::string detail, const std::string& sentence)
      : std::runtime_error(sentence), cause_(cause), code_(code), detail_(std::move(detail)) {}

  Cause cause() const { return cause_; }
  /// The call's; FAILED_PRECONDITION for PEM that cannot be used, INTERNAL for a broken contract.
  grpc::StatusCode code() const { return code_; }
  /// What the server or gRPC said; it may name what was asked for. Empty where nobody said anything.
  const std::string& detail() const { return detail_; }

 private:
  Cause cause_;
  grpc::StatusCode code_;
  std::string detail_;
};

}  // namespace wardlink::client
