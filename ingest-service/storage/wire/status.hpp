#pragma once
// How the API says no: one place where errors become gRPC statuses.

#include <grpcpp/support/status.h>

#include <exception>
#include <stdexcept>
#include <string>

#include "storage/port/store_error.hpp"

namespace wardlink::storage {

/// INVALID_ARGUMENT: names the field and says what is wrong with it.
class InvalidArgument : public std::runtime_error {
 public:
  InvalidArgument(const std::string& field, const std::string& why) : std::runtime_error(field + ": " + why) {}
};

/// PERMISSION_DENIED, or UNAUTHENTICATED where nothing proves any more who asks.
class Refused : public std::runtime_error {
 public:
  explicit Refused(const std::string& why, grpc::StatusCode code = grpc::StatusCode::PERMISSION_DENIED)
      : std::runtime_error(why), code_(code) {}
  grpc::StatusCode code() const { return code_; }

 private:
  grpc::StatusCode code_;
};

/// OUT_OF_RANGE: what the caller wants to go on from is not there any more.
class OutOfRange : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// RESOURCE_EXHAUSTED.
class Exhausted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// UNAVAILABLE: this process stops; another, or this one later, goes on.
class Stopping : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The status of an exception. What is not foreseen is INTERNAL without its text, which might hold values.
grpc::Status status_of(const std::exception& error);

/// Runs an API call's body.
template <typename Body>
grpc::Status answered(Body&& body) {
  try {
    body();
    return grpc::Status::OK;
  } catch (const std::exception& error) {
    return status_of(error);
  }
}

}  // namespace wardlink::storage
