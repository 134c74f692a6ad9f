#pragma once
// Why a session does not stand, in words for the person who looks at the device.

#include <string>

#include "coap/secure_channel.hpp"

namespace wardlink {

std::string describe(coap::CloseReason reason, const std::string& detail);

}  // namespace wardlink
