#pragma once
// The clock of ticks.

#include <cstdint>

namespace wardlink {

/// Milliseconds since the host started, its sleep included (Linux: CLOCK_BOOTTIME). What a device's clock is where
/// DeviceOptions::tick is empty. Any thread. Throws std::runtime_error with one sentence where the host has no such
/// clock.
std::uint64_t host_tick();

}  // namespace wardlink
