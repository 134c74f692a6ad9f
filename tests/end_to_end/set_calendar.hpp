#pragma once
// A calendar of PostgreSQL's that a test sets while it runs: libfaketime in the server and its backends. Their other
// clocks go on as they are.

#include <chrono>
#include <string>
#include <vector>

#include "process.hpp"

namespace wardlink::testing {

class SetCalendar {
 public:
  /// Where libfaketime is; empty where it is not.
  static std::string library();

  /// Shows the host's own, until it is set.
  SetCalendar() { set(std::chrono::milliseconds{0}); }
  /// What PostgreSQL is to be started with.
  std::vector<std::string> environment() const;
  /// So far ahead of the host's. Every process shows it from its next look on.
  void set(std::chrono::milliseconds ahead) const;

 private:
  std::string file() const { return folder_.path() + "/ahead"; }

  TemporaryFolder folder_;
};

}  // namespace wardlink::testing
