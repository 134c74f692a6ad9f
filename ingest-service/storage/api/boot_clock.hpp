#pragma once
// The clock of this host that counts its sleep and is set by nobody.

#include "storage/port/moment.hpp"

namespace wardlink::storage {

/// CLOCK_BOOTTIME. Any thread.
Moment boot_time();

}  // namespace wardlink::storage
