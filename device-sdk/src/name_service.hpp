#pragma once
// Names to addresses, off the loop: getaddrinfo cannot be interrupted, and its answer may take minutes.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "coap/address.hpp"
#include "coap/result.hpp"

namespace wardlink {

/// Each look-up has a thread that ends with it; for a name that is being looked up already there is no second one. A
/// thread that hangs in the name service holds nobody up: the destructor leaves it behind, and it ends with the answer.
class NameService {
 public:
  using Answer = coap::Result<std::vector<coap::Address>, std::string>;  // the error is a sentence
  using Taker = std::function<void(const Answer&)>;
  using LookUp = std::function<Answer(const std::string& host, std::uint16_t port)>;  // blocks; any thread

  explicit NameService(LookUp look_up);
  ~NameService();
  NameService(const NameService&) = delete;
  NameService& operator=(const NameService&) = delete;

  /// `taker` is called once, on a thread of the look-up's, and must neither block nor call this object; unless
  /// forget(owner) or the destructor came first. Any thread.
  void look_up(const void* owner, const std::string& host, std::uint16_t port, Taker taker);
  /// When it returns no taker of this owner's runs or will.
  void forget(const void* owner);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace wardlink
