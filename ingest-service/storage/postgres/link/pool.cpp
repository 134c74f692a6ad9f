#include "storage/postgres/link/pool.hpp"

#include <chrono>
#include <utility>

namespace wardlink::storage::postgres {

Pool::Lease::Lease(Pool& owner, Urgency urgency) : pool(owner), connection(pool.take(urgency)) {
  if (connection) return;
  try {
    connection = pool.database_.open();
    fresh = true;
  } catch (...) {
    pool.give_back(nullptr);
    throw;
  }
}

Pool::Lease::~Lease() { pool.give_back(sound ? std::move(connection) : nullptr); }

std::unique_ptr<Connection> Pool::take(Urgency urgency) {
  const auto most = limit_ + (urgency == Urgency::first ? reserve_ : 0);
  const locks::Lock lock(mutex_);
  if (!returned_.wait_for(mutex_, std::chrono::seconds(5), [&]() REQUIRES(mutex_) { return leased_ < most; })) {
    throw StoreError(StoreError::Kind::away, "the database is busy");
  }
  ++leased_;
  if (idle_.empty()) return nullptr;
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void Pool::give_back(std::unique_ptr<Connection> connection) {
  const locks::Lock lock(mutex_);
  if (connection) idle_.push_back(std::move(connection));
  --leased_;
  returned_.notify_all();  // not each who waits may take it
}

void Pool::drop_idle() {
  const locks::Lock lock(mutex_);
  idle_.clear();
}

}  // namespace wardlink::storage::postgres
