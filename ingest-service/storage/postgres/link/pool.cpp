#include "storage/postgres/link/pool.hpp"

#include <chrono>

namespace wardlink::storage::postgres {

Pool::Lease::Lease(Pool& owner, Urgency urgency) : pool(owner) {
  const auto most = pool.limit_ + (urgency == Urgency::first ? pool.reserve_ : 0);
  {
    std::unique_lock lock(pool.mutex_);
    if (!pool.returned_.wait_for(lock, std::chrono::seconds(5), [&] { return pool.leased_ < most; })) {
      throw StoreError(StoreError::Kind::away, "the database is busy");
    }
    ++pool.leased_;
    if (!pool.idle_.empty()) {
      connection = std::move(pool.idle_.back());
      pool.idle_.pop_back();
    }
  }
  if (connection) return;
  try {
    connection = pool.database_.open();
    fresh = true;
  } catch (...) {
    const std::lock_guard lock(pool.mutex_);
    --pool.leased_;
    pool.returned_.notify_all();  // not each who waits may take it
    throw;
  }
}

Pool::Lease::~Lease() {
  const std::lock_guard lock(pool.mutex_);
  if (sound) pool.idle_.push_back(std::move(connection));
  --pool.leased_;
  pool.returned_.notify_all();
}

void Pool::drop_idle() {
  const std::lock_guard lock(mutex_);
  idle_.clear();
}

}  // namespace wardlink::storage::postgres
