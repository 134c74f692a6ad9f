#pragma once
// From the C header's structs to the SDK's own: names to numbers, numbers to enumerators, pointers to copies.

#include <cstddef>

#include "wardlink/device.hpp"
#include "wardlink/wardlink.h"

namespace wardlink::c_api {

wardlink_options default_options();
wardlink_alarm default_alarm();

/// A sign by its name; 0 where there is none, for NULL too.
signs::SignId sign_or_none(const char* name);
std::optional<std::uint64_t> tick_of(std::uint64_t tick_ms);

/// These throw std::invalid_argument with one sentence where what is given has no counterpart. The journal is not among
/// the options: opening it needs a name.
DeviceOptions to_device_options(const wardlink_options& options);
Alarm to_alarm(const wardlink_alarm& alarm);

}  // namespace wardlink::c_api
