#pragma once
// How a store says no. The API turns each kind into one gRPC status.

#include <stdexcept>
#include <string>

namespace wardlink::storage {

class StoreError : public std::runtime_error {
 public:
  enum class Kind {
    away,  // the database does not answer, or cannot now: try again. Nothing is known of what was asked
    not_found,
    exists,
    precondition,  // the state of things forbids it
  };

  StoreError(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

/// The database will not do: start-up ends with this sentence.
class StoreUnfit : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace wardlink::storage
