#pragma once
// The host's clock, for those who drive the core.

#include "coap/instant.hpp"

namespace coap {

/// Since the host started, its sleep included (CLOCK_BOOTTIME). Any thread. Throws std::system_error where the host has
/// no such clock.
Instant host_now();

}  // namespace coap
