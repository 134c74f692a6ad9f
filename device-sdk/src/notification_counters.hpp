#pragma once

#include <chrono>
#include <cstdint>

namespace wardlink {

/// Of all resources and all sessions of a device.
struct NotificationCounters {
  std::uint64_t non_notifications = 0, con_notifications = 0;
};

/// RFC 7641 §4.5: a Confirmable notification at least every 24 h, also where all others are Non-confirmable.
inline constexpr std::chrono::hours kConfirmAfter{23};

}  // namespace wardlink
