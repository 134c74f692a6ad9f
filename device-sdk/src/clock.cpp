#include "wardlink/clock.hpp"

#include <ctime>
#include <stdexcept>

namespace wardlink {

std::uint64_t host_tick() {
#ifdef CLOCK_BOOTTIME
  timespec now{};
  if (::clock_gettime(CLOCK_BOOTTIME, &now) == 0)
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
#endif
  throw std::runtime_error("This host has no clock that counts its sleep: the device must be given one.");
}

}  // namespace wardlink
