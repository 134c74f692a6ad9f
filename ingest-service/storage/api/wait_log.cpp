#include "storage/api/wait_log.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <utility>

namespace wardlink::storage {

void WaitLog::Stream::waits(const std::string& cause) {
  const locks::Lock lock(log_.mutex_);
  if (!std::exchange(waits_, true)) ++log_.waiting_;
  if (log_.told_.insert(cause).second) spdlog::warn(fmt::format("ingest waits: {}", cause));
}

void WaitLog::Stream::leave(bool goes_on) {
  if (!std::exchange(waits_, false)) return;
  const locks::Lock lock(log_.mutex_);
  if (--log_.waiting_ != 0) return;
  log_.told_.clear();
  if (goes_on) spdlog::info("ingest waits no more");
}

}  // namespace wardlink::storage
