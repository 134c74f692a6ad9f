#include "coap/clock.hpp"

#include <time.h>

#include <cerrno>
#include <system_error>

namespace coap {

Instant host_now() {
  timespec since{};
  if (::clock_gettime(CLOCK_BOOTTIME, &since) != 0) throw std::system_error(errno, std::generic_category(), "no clock");
  return Instant{std::chrono::duration_cast<Duration>(std::chrono::seconds{since.tv_sec} +
                                                      std::chrono::nanoseconds{since.tv_nsec})};
}

}  // namespace coap
