#include "storage/api/boot_clock.hpp"

#include <time.h>

#include <cerrno>
#include <system_error>

namespace wardlink::storage {

Moment boot_time() {
  timespec since{};
  if (::clock_gettime(CLOCK_BOOTTIME, &since) != 0) throw std::system_error(errno, std::generic_category(), "no clock");
  return Moment{std::chrono::duration_cast<Moment::duration>(std::chrono::seconds{since.tv_sec} +
                                                             std::chrono::nanoseconds{since.tv_nsec})};
}

}  // namespace wardlink::storage
