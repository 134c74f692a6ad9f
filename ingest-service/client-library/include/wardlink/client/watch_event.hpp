#pragma once
// What a watch tells.

#include <chrono>
#include <cstdint>
#include <variant>

#include "wardlink/client/error.hpp"
#include "wardlink/v1/vitals.pb.h"

namespace wardlink::client {

/// The present state follows, row by row, to the response with heartbeat.present_state_complete: drop what you hold. It
/// comes before the first response of a watch that was given no cursor.
struct PresentState {
  enum class Reason : std::uint8_t {
    first,  // the watch begins
    again,  // the stream was lost before the present state was complete: it comes once more, from its beginning
    resynchronised,  // the cursor could not be used: what was committed since it is not sent, lists have it
  };
  Reason reason;
};

/// The stream is lost, and is tried again. The next PresentState or response says that it stands.
struct StreamLost {
  Error error;
  std::chrono::milliseconds pause;  // until the next try
};

/// A response is the server's, in its order; heartbeats too.
using WatchEvent = std::variant<PresentState, v1::WatchResponse, StreamLost>;

}  // namespace wardlink::client
