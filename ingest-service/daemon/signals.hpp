#pragma once
// What an administrator tells a daemon that runs: SIGINT and SIGTERM end it, SIGHUP lets it read its certificates
// again.

#include <signal.h>

#include <chrono>
#include <optional>

namespace wardlink::daemon {

/// The signals wait here and nowhere else. Made before the first thread starts, which inherits the mask.
class Signals {
 public:
  enum class Came { nothing, end, reload };

  Signals();
  /// Blocks until a signal comes, or for so long. One thread.
  Came wait(std::optional<std::chrono::seconds> limit = std::nullopt) const;

 private:
  sigset_t signals_;
};

}  // namespace wardlink::daemon
